/**
 * The requests that this end serves on one channel, and the limits on them. What is over a limit is answered
 * `overloaded` at once. The stream is never paused for it: answers to this end's own requests come on the
 * same stream, and a handler may wait for one of those, so pausing could make both ends wait for each other.
 */
import { Canceller, type CancelSignal } from '../core/canceller.ts'
import { type Remote, type ServeContext, ServeError, type Timer } from '../core/ports.ts'
import { errorCode } from './calls.ts'
import type { Deadlines } from './deadlines.ts'
import { type Frame, frameKind, MalformedError, maxFrameOverheadBytes, noBytes } from './frame.ts'
import { messageOf } from './framed-stream.ts'
import type { LimitHits, LimitName } from './limit-hits.ts'
import {
  maxQueuedReplyBytes,
  maxReasonLength,
  maxServed,
  maxServedBytes,
  maxServedBytesPerChannel,
  maxServedPerChannel
} from './limits.ts'
import { FixedFrame, type Outbox } from './outbox.ts'

/** How much may be in work: counted for a channel, and for all channels together. */
export class WorkLimit {
  readonly #maxCount: number
  readonly #maxBytes: number
  #count = 0
  #bytes = 0

  constructor(maxCount: number, maxBytes: number) {
    this.#maxCount = maxCount
    this.#maxBytes = maxBytes
  }

  get bytes(): number {
    return this.#bytes
  }

  get isCountFull(): boolean {
    return this.#count >= this.#maxCount
  }

  get count(): number {
    return this.#count
  }

  /** True where this much more fits. One alone always does, whatever its size. */
  fits(bytes: number): boolean {
    return this.#count === 0 || (this.#count < this.#maxCount && this.#bytes + bytes <= this.#maxBytes)
  }

  begin(bytes: number): void {
    this.#count += 1
    this.#bytes += bytes
  }

  end(bytes: number): void {
    this.#count -= 1
    this.#bytes -= bytes
  }
}

/** The limit that all channels of a transport share. */
export function sharedWorkLimit(): WorkLimit {
  return new WorkLimit(maxServed, maxServedBytes)
}

export interface WorkInit {
  readonly from: Remote
  readonly outbox: Outbox
  readonly deadlines: Deadlines
  readonly maxMessageBytes: number
  readonly maxTimeoutMs: number
  readonly shared: WorkLimit
  readonly hits: LimitHits
  readonly serve: (body: Uint8Array, context: ServeContext) => Promise<Uint8Array>
}

export class Work {
  readonly #init: WorkInit
  readonly #limit = new WorkLimit(maxServedPerChannel, maxServedBytesPerChannel)
  readonly #inWork = new Map<number, ServedRequest>()

  constructor(init: WorkInit) {
    this.#init = init
  }

  /** What is in work. */
  get load(): { readonly count: number; readonly bytes: number } {
    return this.#limit
  }

  /** Serves a request. Throws MalformedError where its id is in use. */
  begin(frame: Frame): void {
    const { from, deadlines, maxTimeoutMs, shared, hits } = this.#init
    if (this.#inWork.has(frame.id)) throw new MalformedError(`two requests in flight have the id ${frame.id}`)
    const bytes = frame.body.length
    const over = this.#over(bytes)
    if (over !== undefined) {
      hits.note(over)
      this.refuse(
        frame.id,
        'overloaded',
        `${this.#limit.count} requests of yours are in work, ${shared.count} in all`
      )
      return
    }
    const timeoutMs = Math.min(Math.max(frame.timeoutMs, 1), maxTimeoutMs)
    const request = new ServedRequest(from, timeoutMs)
    request.timer = deadlines.after(timeoutMs, () => this.cancel(frame.id, 'its deadline has passed'))
    this.#inWork.set(frame.id, request)
    this.#limit.begin(bytes)
    shared.begin(bytes)
    void this.#answer(frame, request)
  }

  /** The answer is no longer wanted: the handler is told, and nothing will be sent. */
  cancel(id: number, reason: string): void {
    const request = this.#inWork.get(id)
    if (request === undefined) return
    this.#inWork.delete(id)
    request.abort(reason)
  }

  cancelAll(reason: string): void {
    for (const id of [...this.#inWork.keys()]) this.cancel(id, reason)
  }

  /** Answers with an error: the request was not begun. */
  refuse(id: number, code: ServeError['code'], reason: string): void {
    this.#init.outbox.add(errorFrame(id, code, reason))
  }

  /** The limit that a request of so many bytes would go over. */
  #over(bytes: number): LimitName | undefined {
    const { shared } = this.#init
    if (!this.#limit.fits(bytes))
      return this.#limit.isCountFull ? 'maxServedPerChannel' : 'maxServedBytesPerChannel'
    if (shared.fits(bytes)) return undefined
    return shared.isCountFull ? 'maxServed' : 'maxServedBytes'
  }

  async #answer(frame: Frame, request: ServedRequest): Promise<void> {
    const answer = await this.#serve(frame, request)
    // A handler that goes on after it was cancelled still costs: its place is free only now.
    this.#limit.end(frame.body.length)
    this.#init.shared.end(frame.body.length)
    if (this.#inWork.get(frame.id) !== request) return
    this.#inWork.delete(frame.id)
    request.timer?.cancel()
    this.#init.outbox.add(answer)
  }

  async #serve(frame: Frame, request: ServedRequest): Promise<FixedFrame> {
    const { serve, outbox, maxMessageBytes, hits } = this.#init
    const { id } = frame
    try {
      const body = await serve(frame.body, request)
      if (body.length + maxFrameOverheadBytes > maxMessageBytes) {
        hits.note('maxMessageBytes')
        return errorFrame(id, 'internal', `an answer of ${body.length} bytes is over the limit of a message`)
      }
      if (outbox.bytes + body.length > maxQueuedReplyBytes) {
        hits.note('maxQueuedReplyBytes')
        return errorFrame(id, 'internal', 'done, but too many answers wait to be read')
      }
      return new FixedFrame({ kind: frameKind.response, id, timeoutMs: 0, body, code: 0, reason: '' })
    } catch (error) {
      return errorFrame(id, error instanceof ServeError ? error.code : 'internal', messageOf(error))
    }
  }
}

function errorFrame(id: number, code: ServeError['code'], reason: string): FixedFrame {
  return new FixedFrame({
    kind: frameKind.error,
    id,
    timeoutMs: 0,
    body: noBytes,
    code: errorCode[code],
    reason: reason.slice(0, maxReasonLength)
  })
}

/** What a handler is told of the request it serves. */
class ServedRequest implements ServeContext {
  readonly from: Remote
  readonly timeoutMs: number
  timer: Timer | undefined
  #abortReason: string | undefined
  #canceller: Canceller | undefined

  constructor(from: Remote, timeoutMs: number) {
    this.from = from
    this.timeoutMs = timeoutMs
  }

  /** Made when a handler first asks for it: most are done before they need one. */
  get signal(): CancelSignal {
    if (this.#canceller === undefined) {
      this.#canceller = new Canceller()
      if (this.#abortReason !== undefined) this.#canceller.abort(new Error(this.#abortReason))
    }
    return this.#canceller
  }

  abort(reason: string): void {
    this.timer?.cancel()
    this.#abortReason = reason
    this.#canceller?.abort(new Error(reason))
  }
}
