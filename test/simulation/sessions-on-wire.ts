/**
 * What the messages of sessions carry: which of all messages are of sessions, and the records in them. For what
 * counts moved bytes: figures/moved.ts, and run/movement-rules.ts, which judges them.
 */
import { decodeHead } from '../../src/core/record/codec.ts'
import type { RecordHead } from '../../src/core/record/record.ts'
import type { Request } from '../../src/wire/generated/messages.ts'
import type { Message } from './wiretap.ts'

/** Records on their way to one peer, in one message. */
export interface Sending {
  readonly to: string
  readonly heads: readonly RecordHead[]
}

export function isOfSessions(request: Request): boolean {
  const { compareNodes, listNodes, streamNodes, fetchRecords, offerVersions, pushRecords } = request
  const asked = [compareNodes, listNodes, streamNodes, fetchRecords, offerVersions, pushRecords]
  return asked.some(body => body !== undefined)
}

/** The records that a message of a session carries; undefined for one that carries none. */
export function sendingIn({ from, to, request, answer }: Message): Sending | undefined {
  if (answer === undefined) return sending(to.peerId, request.pushRecords?.records)
  return sending(from, (answer.recordPage ?? answer.recordStream)?.records)
}

function sending(to: string, records: readonly Uint8Array[] | undefined): Sending | undefined {
  if (records === undefined || records.length === 0) return undefined
  return { to, heads: records.map(encoded => decodeHead(encoded)) }
}
