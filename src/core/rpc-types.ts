/** How the parts of the core ask other members for things; implemented in requests/calls.ts. */
import type { CancelSignal } from './canceller.ts'
import type { MemberId } from './member.ts'
import type { Request, Response } from '../wire/generated/messages.ts'

export type RequestBody = Omit<Request, 'epoch'>
export type ResponseBody = Omit<Response, 'epoch' | 'log'>

/** Bytes of requests as they were sent, and of answers as they came. */
export interface Traffic {
  sentBytes: number
  receivedBytes: number
}

export interface CallOptions {
  readonly timeoutMs: number
  readonly signal?: CancelSignal
  readonly bulk?: boolean
  /** Added to by the call, also where it fails. What a member asks of itself is no traffic. */
  readonly traffic?: Traffic
}

export interface Calls {
  /**
   * Asks a member (this one too: then nothing is encoded). The request carries the epoch now on disk; what
   * the answer brings of the log has been learnt when the promise resolves. `response.epoch` is the
   * answerer's, read when it sent. Fails with a TransportError.
   */
  call(to: MemberId, request: RequestBody, options: CallOptions): Promise<Response>
}
