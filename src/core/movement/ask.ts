/**
 * The requests that move records: each in the lane for bulk, and answered at one epoch. Pulls and hand-overs
 * ask by this.
 */
import type { MemberId } from '../member.ts'
import { TransportError } from '../ports.ts'
import type { Calls, RequestBody } from '../rpc-types.ts'

/** How long one request may take, in ms: it moves one page or one batch. */
const requestTimeoutMs = 10_000

export interface AskInit {
  /** The epoch that both sides must be at. */
  readonly epoch: number
  readonly signal: AbortSignal
}

/** The member answered at another epoch than was asked for: the answer proves nothing for this one. */
export class EpochMovedError extends Error {
  override readonly name = 'EpochMovedError'
}

/** Throws EpochMovedError, a TransportError, or the signal's reason. */
export async function ask(
  calls: Calls,
  member: MemberId,
  { epoch, signal }: AskInit,
  request: RequestBody
): ReturnType<Calls['call']> {
  signal.throwIfAborted()
  const response = await calls.call(member, request, { timeoutMs: requestTimeoutMs, signal, bulk: true })
  if (response.epoch !== epoch) {
    throw new EpochMovedError(`${member.peerId} answered at epoch ${response.epoch}, not ${epoch}`)
  }
  return response
}

/** At the right epoch, but not what was asked for. */
export function noAnswer({ peerId }: MemberId): TransportError {
  return new TransportError('internal', `${peerId} did not answer what was asked`, { delivered: true })
}
