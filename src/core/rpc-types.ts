/** How the parts of the core ask other members for things; implemented in rpc.ts. */
import type { MemberId } from './member.ts'
import type { Request, Response } from '../wire/generated/messages.ts'

export type RequestBody = Omit<Request, 'epoch'>
export type ResponseBody = Omit<Response, 'epoch' | 'log'>

export interface CallOptions {
  readonly timeoutMs: number
  readonly signal?: AbortSignal
  readonly bulk?: boolean
}

export interface Calls {
  /**
   * Asks a member (this one too: then nothing is encoded). The request carries the epoch now on disk; what
   * the answer brings of the log has been learnt when the promise resolves. `response.epoch` is the
   * answerer's, read when it sent. Fails with a TransportError.
   */
  call(to: MemberId, request: RequestBody, options: CallOptions): Promise<Response>
}
