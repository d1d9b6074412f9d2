/**
 * What is taken in from a member that has gone and hands over what is left on it: nothing of before the fence. It
 * offers none of that, but what it read before it knew may be on its way. Used where pushed records come in.
 */
import type { PushRecords } from '../../wire/generated/messages.ts'
import type { MemberId } from '../member.ts'
import { ServeError } from '../ports.ts'
import { decodeRecord, RecordFormatError } from '../record/codec.ts'
import { counts } from '../topology/purge.ts'
import { isGone, type Topology } from '../topology/topology.ts'

/** Throws ServeError, before anything is stored, where a record is not the sender's to give (any more). */
export function ensureMayPush(
  topology: Topology | undefined,
  sender: MemberId,
  { records }: PushRecords
): void {
  const member = topology?.member(sender)
  // The many that members exchange need no second look.
  if (topology === undefined || topology.fence === 0 || (member !== undefined && !isGone(member))) return
  try {
    if (records.every(encoded => counts(topology, sender, decodeRecord(encoded)))) return
  } catch (error) {
    if (error instanceof RecordFormatError) throw new ServeError('bad-request', error.message)
    throw error
  }
  throw new ServeError(
    'bad-request',
    'a member that has gone pushes records that may have been deleted since',
    'nobody'
  )
}
