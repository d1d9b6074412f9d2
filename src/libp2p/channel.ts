/**
 * A channel: one long-lived stream to one process of another peer or client, with many requests in flight on
 * it both ways. It belongs to the pair of identities that greeted on it; a process that restarts, or takes up another
 * life, needs a new one.
 */
import type { Connection } from '@libp2p/interface'
import { maxDeadlineMs, maxMessageBytes } from '../core/limits.ts'
import type { Remote, RequestOptions, ServeContext } from '../core/ports.ts'
import { Calls, notDelivered } from './calls.ts'
import type { Deadlines } from './deadlines.ts'
import { type Frame, frameKind, MalformedError, noBytes, readFrame } from './frame.ts'
import type { FramedStream, StreamListener } from './framed-stream.ts'
import { shortId } from './ids.ts'
import type { LimitHits } from './limit-hits.ts'
import { goodbyeMs, lifeCheckIntervalMs, maxQueuedFrames, probeTimeoutMs } from './limits.ts'
import { FixedFrame, Outbox } from './outbox.ts'
import { Work, type WorkLimit } from './work.ts'

export type LaneName = 'main' | 'bulk'

export interface ChannelComponents {
  readonly stream: FramedStream
  readonly connection: Connection
  readonly deadlines: Deadlines
  readonly workLimit: WorkLimit
  readonly hits: LimitHits
}

/** How much of its limits a channel uses. */
export interface ChannelLoad {
  readonly served: number
  readonly servedBytes: number
  readonly inFlight: number
  readonly queuedBytes: number
  readonly queuedFrames: number
}

export interface ChannelInit {
  readonly remote: Remote
  /** Tells the process at the other end from others of its identity; in hex. */
  readonly instance: string
  readonly lane: LaneName
  /** Which end opened the stream. */
  readonly direction: 'inbound' | 'outbound'
  /** Whether this end is still what it said it was when it greeted. */
  readonly isCurrent: () => boolean
  readonly serve: (body: Uint8Array, context: ServeContext) => Promise<Uint8Array>
  /** No more requests can be sent on it. */
  readonly retired: (channel: Channel) => void
  readonly closed: (channel: Channel, reason: string) => void
}

export class Channel implements StreamListener {
  readonly remote: Remote
  readonly instance: string
  readonly lane: LaneName
  readonly direction: 'inbound' | 'outbound'
  readonly connection: Connection
  readonly maxMessageBytes = maxMessageBytes
  readonly #stream: FramedStream
  readonly #init: ChannelInit
  readonly #deadlines: Deadlines
  readonly #hits: LimitHits
  readonly #outbox: Outbox
  readonly #calls: Calls
  readonly #work: Work
  readonly #heardGoodbye = Promise.withResolvers<undefined>()
  #isOpen = true
  /** This end has said goodbye. */
  #isRetired = false
  /** This end stops: it begins nothing more. */
  #isLeaving = false
  #lifeCheckedAt = -Infinity

  constructor(components: ChannelComponents, init: ChannelInit) {
    const { stream, connection, deadlines, workLimit, hits } = components
    this.remote = init.remote
    this.instance = init.instance
    this.lane = init.lane
    this.direction = init.direction
    this.connection = connection
    this.#stream = stream
    this.#init = init
    this.#deadlines = deadlines
    this.#hits = hits
    this.#outbox = new Outbox(stream)
    this.#calls = new Calls({
      outbox: this.#outbox,
      deadlines,
      maxMessageBytes,
      hits,
      name: shortId(init.remote.peerId)
    })
    this.#work = new Work({
      from: init.remote,
      outbox: this.#outbox,
      deadlines,
      maxMessageBytes,
      maxTimeoutMs: maxDeadlineMs,
      shared: workLimit,
      hits,
      serve: init.serve
    })
  }

  get isOpen(): boolean {
    return this.#isOpen
  }

  get load(): ChannelLoad {
    const { count, bytes } = this.#work.load
    const { bytes: queuedBytes, size: queuedFrames } = this.#outbox
    return { served: count, servedBytes: bytes, inFlight: this.#calls.size, queuedBytes, queuedFrames }
  }

  /** False where this end has taken up another life since it greeted here: the channel speaks for nobody now. */
  get isCurrent(): boolean {
    return this.#init.isCurrent()
  }

  /** Begins to take in what the stream brings. */
  open(): void {
    this.#stream.listen(this)
  }

  request(body: Uint8Array, options: RequestOptions): Promise<Uint8Array> {
    if (!this.#isOpen || this.#isRetired) {
      return Promise.reject(notDelivered('lost', 'the channel has closed'))
    }
    return this.#calls.request(body, options)
  }

  /** Whether the process at the other end still answers. */
  async answers(): Promise<boolean> {
    if (!this.#isOpen) return false
    try {
      await this.#calls.ping(probeTimeoutMs)
      return true
    } catch {
      return false
    }
  }

  /**
   * Someone wanted another life of that peer than the one that greeted here. A process may have taken up a new one;
   * then it closes this channel when it next hears of it.
   */
  checkLife(): void {
    const now = performance.now()
    if (now - this.#lifeCheckedAt < lifeCheckIntervalMs) return
    this.#lifeCheckedAt = now
    void this.answers()
  }

  /**
   * Closes it so that the other end knows of each of its requests whether it was begun: what still comes in is refused,
   * until the other end says that nothing follows, or has been silent for a while.
   */
  async leave(reason: string): Promise<void> {
    this.#isLeaving = true
    this.#retire()
    await this.#heardGoodbye.promise
    this.close(reason)
  }

  /** Sends what waits as far as the stream takes it, and closes. Requests in flight fail with `lost`. */
  close(reason: string): void {
    this.#outbox.flush()
    this.#stream.close(reason)
  }

  message(message: Uint8Array): void {
    const frame = readFrame(message)
    switch (frame.kind) {
      case frameKind.request:
        this.#requested(frame)
        break
      case frameKind.response:
      case frameKind.error:
      case frameKind.pong:
        this.#calls.answered(frame)
        break
      case frameKind.cancel:
        this.#work.cancel(frame.id, 'the requester gave up')
        break
      case frameKind.ping:
        this.#pinged(frame)
        break
      case frameKind.goodbye:
        this.#heardGoodbye.resolve(undefined)
        this.#retire()
    }
    if (this.#outbox.size <= maxQueuedFrames) return
    this.#hits.note('maxQueuedFrames')
    throw new MalformedError('it reads no answers')
  }

  drained(): void {
    this.#outbox.flush()
  }

  closed(reason: string): void {
    this.#isOpen = false
    this.#heardGoodbye.resolve(undefined)
    this.#outbox.clear()
    this.#work.cancelAll('the channel closed')
    this.#calls.lost(reason)
    this.#init.closed(this, reason)
  }

  /** Sends no more requests, and says so behind those that are on their way. */
  #retire(): void {
    if (this.#isRetired || !this.#isOpen) return
    this.#isRetired = true
    const goodbye = { kind: frameKind.goodbye, id: 1, timeoutMs: 0, body: noBytes, code: 0, reason: '' }
    this.#outbox.add(new FixedFrame(goodbye))
    this.#deadlines.after(goodbyeMs, () => {
      if (this.#isOpen) this.close('one end stops')
    })
    this.#init.retired(this)
  }

  #requested(frame: Frame): void {
    if (this.#isLeaving) {
      this.#work.refuse(frame.id, 'not-ready', 'this peer is stopping')
      return
    }
    if (this.isCurrent) {
      this.#work.begin(frame)
      return
    }
    this.#work.refuse(frame.id, 'not-ready', 'this peer has another life now')
    this.close('this peer has another life now')
  }

  #pinged(frame: Frame): void {
    if (!this.isCurrent) {
      this.close('this peer has another life now')
      return
    }
    const pong = { kind: frameKind.pong, id: frame.id, timeoutMs: 0, body: noBytes, code: 0, reason: '' }
    this.#outbox.add(new FixedFrame(pong), true)
  }
}
