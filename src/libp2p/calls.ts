/**
 * The requests that this end has in flight on one channel: their ids, their deadlines, and what becomes of
 * each. A `TransportError` says `delivered: false` exactly where the other end cannot have acted on the request: it never
 * left the outbox, or the other end says that it did not begin.
 */
import { type RequestOptions, type Timer, type TransportFailure, TransportError } from '../core/ports.ts'
import type { Deadlines } from './deadlines.ts'
import { type Frame, frameKind, maxFrameOverheadBytes, noBytes } from './frame.ts'
import type { LimitHits } from './limit-hits.ts'
import { maxInFlight, maxQueuedRequestBytes } from './limits.ts'
import { FixedFrame, type Outbox, type Outgoing } from './outbox.ts'

/** The numbers of `ErrorCode` in frame.proto. */
export const errorCode = {
  overloaded: 1,
  'bad-request': 2,
  internal: 3,
  'not-ready': 4,
  forbidden: 5
} as const

export interface CallsInit {
  readonly outbox: Outbox
  readonly deadlines: Deadlines
  readonly maxMessageBytes: number
  readonly hits: LimitHits
  /** The other end, for messages to people. */
  readonly name: string
}

export class Calls {
  readonly #init: CallsInit
  readonly #inFlight = new Map<number, Call>()
  readonly #owner: CallOwner = {
    settled: call => this.#inFlight.delete(call.id),
    giveUp: (call, failure, message) => this.#giveUp(call, failure, message)
  }
  #lastId = 0

  constructor(init: CallsInit) {
    this.#init = init
  }

  get size(): number {
    return this.#inFlight.size
  }

  /** Sends a request; resolves with the answer's body. Fails with a TransportError. */
  request(body: Uint8Array, options: RequestOptions): Promise<Uint8Array> {
    const refusal = this.#refuse(body, options)
    return refusal === undefined ? this.#start(frameKind.request, body, options) : Promise.reject(refusal)
  }

  /** Asks whether the process at the other end answers. Fails with a TransportError where it does not in time. */
  async ping(timeoutMs: number): Promise<void> {
    await this.#start(frameKind.ping, noBytes, { timeoutMs })
  }

  /** Takes in an answer. One that nobody waits for any longer is ignored. */
  answered(frame: Frame): void {
    const call = this.#inFlight.get(frame.id)
    if (call === undefined) return
    if (frame.kind === frameKind.error) call.fail(...this.#errorOf(frame))
    else call.resolve(frame.body)
  }

  /** Fails all that is in flight: the channel is gone. */
  lost(reason: string): void {
    for (const call of [...this.#inFlight.values()]) {
      call.fail('lost', `the channel to ${this.#init.name} closed: ${reason}`, call.wasSent)
    }
  }

  #start(kind: Frame['kind'], body: Uint8Array, options: RequestOptions): Promise<Uint8Array> {
    const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>()
    const { outbox, deadlines } = this.#init
    const call = new Call({ kind, id: this.#nextId(), options, resolve, reject, owner: this.#owner }, body)
    this.#inFlight.set(call.id, call)
    call.watch(deadlines)
    outbox.add(call, kind === frameKind.ping)
    return promise
  }

  #giveUp(call: Call, failure: TransportFailure, message: string): void {
    const { outbox, name } = this.#init
    const withdrawn = outbox.withdraw(call)
    if (!withdrawn && call.kind === frameKind.request) outbox.add(cancelFrame(call.id))
    call.fail(failure, `${message} from ${name}`, !withdrawn)
  }

  #refuse(body: Uint8Array, options: RequestOptions): TransportError | undefined {
    const { outbox, maxMessageBytes, hits, name } = this.#init
    if (options.signal?.aborted === true) return notDelivered('aborted', 'the caller gave up')
    if (body.length + maxFrameOverheadBytes > maxMessageBytes) {
      hits.note('maxMessageBytes')
      return notDelivered('bad-request', `a request of ${body.length} bytes is over the limit of a message`)
    }
    if (this.#inFlight.size >= maxInFlight) {
      hits.note('maxInFlight')
      return notDelivered('overloaded', `${maxInFlight} requests to ${name} are in flight`)
    }
    if (outbox.bytes + body.length > maxQueuedRequestBytes) {
      hits.note('maxQueuedRequestBytes')
      return notDelivered(
        'overloaded',
        `${outbox.bytes} bytes wait to be sent to ${name}: it reads too slowly`
      )
    }
    return undefined
  }

  /** Ids wrap after 2^32 requests; one that is still in flight is passed over. */
  #nextId(): number {
    do this.#lastId = this.#lastId === 0xffff_ffff ? 1 : this.#lastId + 1
    while (this.#inFlight.has(this.#lastId))
    return this.#lastId
  }

  #errorOf(frame: Frame): [failure: TransportFailure, message: string, delivered: boolean] {
    const message = `${this.#init.name} answered: ${frame.reason || 'no reason given'}`
    switch (frame.code) {
      case errorCode.overloaded:
        return ['overloaded', message, false]
      case errorCode['bad-request']:
        return ['bad-request', message, false]
      case errorCode['not-ready']:
        return ['not-ready', message, false]
      case errorCode.forbidden:
        return ['forbidden', message, false]
      default:
        return ['internal', message, true]
    }
  }
}

function cancelFrame(id: number): FixedFrame {
  return new FixedFrame({ kind: frameKind.cancel, id, timeoutMs: 0, body: noBytes, code: 0, reason: '' })
}

export function notDelivered(failure: TransportFailure, message: string): TransportError {
  return new TransportError(failure, message, { delivered: false })
}

interface CallOwner {
  readonly settled: (call: Call) => void
  readonly giveUp: (call: Call, failure: TransportFailure, message: string) => void
}

interface CallInit {
  readonly kind: Frame['kind']
  readonly id: number
  readonly options: RequestOptions
  readonly resolve: (body: Uint8Array) => void
  readonly reject: (error: TransportError) => void
  readonly owner: CallOwner
}

/** One request from its call to its answer. It is its own entry in the outbox, so that it can be withdrawn. */
class Call implements Outgoing {
  readonly kind: Frame['kind']
  readonly id: number
  readonly size: number
  wasSent = false
  readonly #init: CallInit
  readonly #dueAt: number
  /** Kept until it is sent: it may be megabytes, and the answer take a minute. */
  #body: Uint8Array
  #timer: Timer | undefined
  #abort: (() => void) | undefined

  constructor(init: CallInit, body: Uint8Array) {
    this.kind = init.kind
    this.id = init.id
    this.size = body.length
    this.#init = init
    this.#body = body
    this.#dueAt = performance.now() + init.options.timeoutMs
  }

  watch(deadlines: Deadlines): void {
    const { options, owner } = this.#init
    this.#timer = deadlines.after(options.timeoutMs, () =>
      owner.giveUp(this, 'timeout', `no answer within ${Math.round(options.timeoutMs)} ms`)
    )
    if (options.signal === undefined) return
    this.#abort = () => owner.giveUp(this, 'aborted', 'the caller gave up waiting for an answer')
    options.signal.addEventListener('abort', this.#abort)
  }

  frame(): Frame {
    const body = this.#body
    this.#body = noBytes
    this.wasSent = true
    const { kind, id } = this
    const timeoutMs = kind === frameKind.request ? Math.max(1, Math.ceil(this.#dueAt - performance.now())) : 0
    return { kind, id, timeoutMs, body, code: 0, reason: '' }
  }

  resolve(body: Uint8Array): void {
    this.#settle()
    this.#init.resolve(body)
  }

  fail(failure: TransportFailure, message: string, delivered: boolean): void {
    this.#settle()
    this.#init.reject(new TransportError(failure, message, { delivered }))
  }

  #settle(): void {
    this.#timer?.cancel()
    if (this.#abort !== undefined) this.#init.options.signal?.removeEventListener('abort', this.#abort)
    this.#init.owner.settled(this)
  }
}
