/**
 * The requests that move records: each in the lane for bulk, sent and answered at one epoch. Sessions and repairs
 * ask by this.
 */
import type { CancelSignal } from '../canceller.ts'
import type { MemberId } from '../member.ts'
import { TransportError } from '../ports.ts'
import type { Calls, RequestBody, Traffic } from '../rpc-types.ts'

/** How long one request may take, in ms: it moves one page or one batch. */
const requestTimeoutMs = 10_000

export interface AskInit {
  /** The epoch that both sides must be at. */
  readonly epoch: number
  /** The one that this member is at now. */
  readonly epochNow: () => number
  readonly signal: CancelSignal
  readonly traffic?: Traffic
}

/** One of the two is at another epoch than the question: the answer proves nothing for that one. */
export class EpochMovedError extends Error {
  override readonly name = 'EpochMovedError'
}

/** Throws EpochMovedError, a TransportError, or the signal's reason. */
export async function ask(
  calls: Calls,
  member: MemberId,
  { epoch, epochNow, signal, traffic }: AskInit,
  request: RequestBody
): ReturnType<Calls['call']> {
  signal.throwIfAborted()
  // The request is stamped in this same step, with the epoch as it is now.
  ensureEpoch({ epoch, epochNow })
  const options = { timeoutMs: requestTimeoutMs, signal, bulk: true, ...(traffic && { traffic }) }
  const response = await calls.call(member, request, options)
  if (response.epoch !== epoch) {
    throw new EpochMovedError(`${member.peerId} answered at epoch ${response.epoch}, not ${epoch}`)
  }
  return response
}

/** For what must not be done at a later epoch. Throws EpochMovedError. */
export function ensureEpoch({ epoch, epochNow }: Pick<AskInit, 'epoch' | 'epochNow'>): void {
  if (epochNow() !== epoch) throw new EpochMovedError(`this member is at epoch ${epochNow()}, not ${epoch}`)
}

/** At the right epoch, but not what was asked for. */
export function noAnswer({ peerId }: MemberId): TransportError {
  return new TransportError('internal', `${peerId} did not answer what was asked`, { delivered: true })
}
