/**
 * Everything between this peer and one other: a channel for each lane, the attempt to open one, and the
 * decision which channel stays when there is more than one.
 *
 * Both ends may open one at the same moment:
 *
 *     A (lower peer id)                 B
 *       Hello on a ------.   .------ Hello on b
 *                         \ /
 *                         / \
 *       B's Hello on b <-'   '-> A's Hello on a: B greets back, a is open
 *       waits for a's answer, then refuses b as superseded
 *
 * So the stream that the lower peer id opened stays, and no request has ever been sent on the other one. B, on
 * reading the refusal, uses a.
 *
 * And another process may run with the same identity (a copied data folder). Each process draws an instance;
 * a newcomer with another instance than the open channel's is let in only if the process there has stopped
 * answering.
 */
import type { Connection, Stream } from '@libp2p/interface'
import type { Remote, TransportHandlers } from '../core/ports.ts'
import { TransportError } from '../core/ports.ts'
import { notDelivered } from './calls.ts'
import { Channel, type ChannelLoad, type LaneName } from './channel.ts'
import type { Deadlines } from './deadlines.ts'
import type { Dialer } from './dialer.ts'
import type { FramedStream } from './framed-stream.ts'
import { receiveHello } from './greeter.ts'
import { encodeHello, type HelloRefusal, type Introduction, isRefusal, type ReceivedHello } from './hello.ts'
import { precedes, shortId } from './ids.ts'
import type { LimitHits } from './limit-hits.ts'
import { redialDelayMs, supersededWaitMs, surplusConnectionMs } from './limits.ts'
import type { WorkLimit } from './work.ts'

/** What all links of a transport share. */
export interface LinkComponents {
  /** This peer's id. */
  readonly self: string
  readonly dialer: Dialer
  readonly deadlines: Deadlines
  readonly workLimit: WorkLimit
  readonly hits: LimitHits
  readonly handlers: TransportHandlers
  /** What this end says of itself now. */
  readonly introduce: (lane: LaneName) => Promise<Introduction>
  /** Makes a libp2p stream one of messages. */
  readonly frame: (stream: Stream, peerId: string) => FramedStream
  /** Takes in the address record of a peer that has greeted. */
  readonly learn: (peerId: string, signed: Uint8Array) => void
}

export interface LinkInit {
  readonly peerId: string
  /** The first channel has opened. */
  readonly connected: (remote: Remote) => void
  /** The last channel has closed. */
  readonly disconnected: (remote: Remote) => void
  /** Nothing is open or under way any more, and no failure to be remembered. */
  readonly idle: (link: Link) => void
}

/** An attempt to open a channel, which several requests may wait for. */
interface Attempt extends PromiseWithResolvers<Channel> {
  /** Resolves when it is clear what became of this end's Hello; undefined until it is sent. */
  greeted: Promise<unknown> | undefined
  /** The channel that the other end opened meanwhile, if it did: whoever waited has got that. */
  answeredBy: Channel | undefined
}

/** A greeting between both ends: whose stream it is, and what each said. */
interface Exchange {
  readonly stream: FramedStream
  readonly connection: Connection
  readonly direction: 'inbound' | 'outbound'
  readonly own: Introduction
  readonly hello: ReceivedHello
}

export class Link {
  readonly peerId: string
  readonly #components: LinkComponents
  readonly #init: LinkInit
  readonly #channels = new Map<LaneName, Channel>()
  readonly #attempts = new Map<LaneName, Attempt>()
  readonly #failures = new Map<LaneName, TransportError>()
  /** Newcomers are judged one after the other: the end of this chain is the last one's. */
  #judged: Promise<unknown> = Promise.resolve()
  /** Streams of the other end that are being greeted. */
  #accepting = 0

  constructor(components: LinkComponents, init: LinkInit) {
    this.peerId = init.peerId
    this.#components = components
    this.#init = init
  }

  /** The other end, while a channel is open. */
  get remote(): Remote | undefined {
    return this.#anyChannel()?.remote
  }

  get loads(): ChannelLoad[] {
    return [...this.#channels.values()].map(({ load }) => load)
  }

  get isIdle(): boolean {
    return this.#channels.size + this.#attempts.size + this.#failures.size + this.#accepting === 0
  }

  /** The open channel of a lane. */
  channel(lane: LaneName): Channel | undefined {
    const channel = this.#channels.get(lane)
    if (channel === undefined || channel.isCurrent) return channel
    channel.close('this peer has another life now')
    return undefined
  }

  /**
   * The channel of a lane, opened where it is not. All callers share one attempt, and its failure for a
   * moment, unless they bring a connection to use. Fails with a TransportError.
   */
  open(lane: LaneName, via?: Connection): Promise<Channel> {
    const channel = this.channel(lane)
    if (channel !== undefined) return Promise.resolve(channel)
    const current = this.#attempts.get(lane)
    if (current !== undefined) return current.promise
    const failure = this.#failures.get(lane)
    if (failure !== undefined && via === undefined) return Promise.reject(failure)
    const attempt: Attempt = {
      ...Promise.withResolvers<Channel>(),
      greeted: undefined,
      answeredBy: undefined
    }
    this.#attempts.set(lane, attempt)
    void this.#attempt(lane, attempt, via)
    return attempt.promise
  }

  /** A stream that the other end opened, and its Hello: greets back, or refuses and closes it. */
  async accept(stream: FramedStream, connection: Connection, hello: ReceivedHello): Promise<void> {
    this.#accepting += 1
    try {
      // Where both ends opened one at once, this end's is decided first if its peer id is the lower one.
      if (precedes(this.#components.self, this.peerId)) await this.#attempts.get(hello.lane)?.greeted
      const own = await this.#components.introduce(hello.lane)
      await this.#inTurn(() => this.#answer({ stream, connection, direction: 'inbound', own, hello }))
    } finally {
      this.#accepting -= 1
      this.#tellIfIdle()
    }
  }

  /** Closes all channels. */
  close(reason: string): void {
    for (const channel of [...this.#channels.values()]) channel.close(reason)
  }

  /** Closes all channels so that no request is lost without a word. */
  async leave(reason: string): Promise<void> {
    await Promise.all([...this.#channels.values()].map(channel => channel.leave(reason)))
  }

  async #answer(exchange: Exchange): Promise<void> {
    const refusal = await this.#judge(exchange)
    exchange.stream.sendMessage(encodeHello(exchange.own, refusal))
    if (refusal === undefined) this.#install(exchange)
    else exchange.stream.close(`it was refused: ${refusal.reason}`)
  }

  async #attempt(lane: LaneName, attempt: Attempt, via: Connection | undefined): Promise<void> {
    try {
      const channel = await this.#dial(lane, attempt, via)
      // Looked up only now: the attempt may have been renewed meanwhile.
      attempt.resolve(channel)
    } catch (error) {
      const failure = error instanceof TransportError ? error : notDelivered('unreachable', String(error))
      this.#rememberFailure(lane, failure)
      attempt.reject(failure)
    } finally {
      this.#attempts.delete(lane)
      this.#tellIfIdle()
    }
  }

  #rememberFailure(lane: LaneName, failure: TransportError): void {
    this.#failures.set(lane, failure)
    this.#components.deadlines.after(redialDelayMs, () => {
      this.#failures.delete(lane)
      this.#tellIfIdle()
    })
  }

  async #dial(lane: LaneName, attempt: Attempt, via: Connection | undefined): Promise<Channel> {
    const { dialer, introduce, frame } = this.#components
    const { stream, connection } = await dialer.open(this.peerId, via ?? this.#anyChannel()?.connection)
    const framed = frame(stream, this.peerId)
    const own = await introduce(lane)
    const opened = this.#channels.get(lane)
    if (opened !== undefined) {
      framed.close('the other end was faster')
      return opened
    }
    const greeted = this.#greet(framed, connection, own)
    attempt.greeted = greeted.catch(() => undefined)
    return (await greeted) ?? (await this.#winner(attempt))
  }

  /** Exchanges greetings on a stream that this end opened. Undefined where another channel takes its place. */
  async #greet(
    stream: FramedStream,
    connection: Connection,
    own: Introduction
  ): Promise<Channel | undefined> {
    stream.sendMessage(encodeHello(own))
    const hello = await receiveHello(stream, this.peerId, this.#components.deadlines, () => {
      this.#components.hits.note('greetingTimeoutMs')
      // Whoever says nothing on a connection may be gone, and the connection not know it yet.
      connection.abort(new Error('no greeting came on it'))
    })
    if (isRefusal(hello)) {
      stream.close(hello.reason)
      if (hello.code === 'superseded') return undefined
      throw refused(this.peerId, hello)
    }
    return this.#inTurn(async () => {
      const exchange: Exchange = { stream, connection, direction: 'outbound', own, hello }
      const refusal = await this.#judge(exchange)
      if (refusal === undefined) return this.#install(exchange)
      stream.close(refusal.reason)
      throw refused(this.peerId, refusal)
    })
  }

  /** The channel that the other end prefers to the one this end tried to open. */
  #winner(attempt: Attempt): Promise<Channel> {
    const timer = this.#components.deadlines.after(supersededWaitMs, () =>
      attempt.reject(
        notDelivered('unreachable', `${shortId(this.peerId)} prefers a channel that it does not open`)
      )
    )
    return attempt.promise.finally(() => timer.cancel())
  }

  /** Why a newcomer must not become the channel of its lane, or undefined; what it replaces is closed. */
  async #judge({ hello, direction }: Exchange): Promise<HelloRefusal | undefined> {
    const refusal = this.#components.handlers.admit(hello.remote)
    if (refusal !== undefined) return refusal
    for (const channel of [...this.#channels.values()]) {
      if (channel.instance === hello.instance && channel.remote.life === hello.remote.life) continue
      // A process that greets with a new life has given up its old one; another process must prove that it has.
      if (channel.instance !== hello.instance && (await channel.answers())) return duplicate(channel)
      this.close('another process, or another life of it, has taken its place')
    }
    const rival = this.#channels.get(hello.lane)
    // The other end opens another one only where it has lost the one there is, or has not seen it yet.
    if (direction === 'inbound' && rival?.direction === 'outbound' && (await rival.answers())) {
      return { code: 'superseded', reason: 'both ends opened a channel at once, and the other one stays' }
    }
    return undefined
  }

  #install({ stream, connection, direction, own, hello }: Exchange): Channel {
    const { deadlines, dialer, handlers, hits, learn, workLimit } = this.#components
    const { remote, instance, lane, address } = hello
    const channel = new Channel(
      { stream, connection, deadlines, workLimit, hits },
      {
        remote,
        instance,
        lane,
        direction,
        isCurrent: () => handlers.greeting().life === own.greeting.life,
        serve: (body, context) => handlers.serve(body, context),
        retired: () => this.#gone(channel),
        closed: () => this.#gone(channel)
      }
    )
    const isFirst = this.#channels.size === 0
    const replaced = this.#channels.get(lane)
    this.#channels.set(lane, channel)
    replaced?.close('the other end has opened another one')
    if (remote.role === 'peer') learn(this.peerId, address)
    if (isFirst) this.#init.connected(remote)
    this.#answerAttempt(lane, channel)
    channel.open()
    if (lane === 'main') {
      deadlines.after(surplusConnectionMs, () => {
        if (channel.isOpen) dialer.closeSurplus(connection)
      })
    }
    return channel
  }

  #gone(channel: Channel): void {
    if (this.#channels.get(channel.lane) !== channel) return
    this.#channels.delete(channel.lane)
    this.#renewAttempt(channel)
    if (this.#channels.size === 0) this.#init.disconnected(channel.remote)
    this.#tellIfIdle()
  }

  /** Whoever waits for an attempt to open a channel has one now, though the attempt goes on. */
  #answerAttempt(lane: LaneName, channel: Channel): void {
    const attempt = this.#attempts.get(lane)
    if (attempt === undefined) return
    attempt.resolve(channel)
    attempt.answeredBy = channel
  }

  /** Whoever comes while the attempt still goes on waits for what that comes to, not for a channel that is gone. */
  #renewAttempt(gone: Channel): void {
    const attempt = this.#attempts.get(gone.lane)
    if (attempt?.answeredBy !== gone) return
    Object.assign(attempt, Promise.withResolvers<Channel>(), { answeredBy: undefined })
    // Perhaps nobody comes.
    attempt.promise.catch(() => undefined)
  }

  #anyChannel(): Channel | undefined {
    return this.#channels.get('main') ?? this.#channels.get('bulk')
  }

  #inTurn<T>(judge: () => Promise<T>): Promise<T> {
    const turn = this.#judged.then(judge)
    this.#judged = turn.catch(() => undefined)
    return turn
  }

  #tellIfIdle(): void {
    if (this.isIdle) this.#init.idle(this)
  }
}

function refused(peerId: string, refusal: HelloRefusal): TransportError {
  const { code, reason } = refusal
  const message = `${shortId(peerId)} and this end do not go together: ${reason}`
  if (code === 'superseded') return notDelivered('unreachable', message)
  return new TransportError('refused', message, { delivered: false, refusal: { code, reason } })
}

function duplicate(running: Channel): HelloRefusal {
  return {
    code: 'duplicate',
    reason: `another process with the identity ${running.remote.peerId} answers at ${running.connection.remoteAddr.toString()}`
  }
}
