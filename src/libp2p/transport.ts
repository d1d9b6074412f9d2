/**
 * The `Transport` port over libp2p. It takes what libp2p gives a service, so it works in a node of its own
 * (node.ts) and within a user's. It keeps a link for each peer that it talks to and finds the link for each request; the
 * rest is theirs.
 */
import type {
  ComponentLogger,
  Connection,
  Logger,
  PeerId,
  PeerStore,
  PrivateKey,
  Stream
} from '@libp2p/interface'
import type { AddressManager, ConnectionManager, Registrar } from '@libp2p/interface-internal'
import { peerIdFromString } from '@libp2p/peer-id'
import { maxDeadlineMs } from '../core/limits.ts'
import type { LimitUse } from '../api.ts'
import type { MemberId } from '../core/member.ts'
import type { Remote, RequestOptions, Transport, TransportHandlers } from '../core/ports.ts'
import { TransportError } from '../core/ports.ts'
import { SignedAddressBook } from './address-book.ts'
import { notDelivered } from './calls.ts'
import type { Channel, LaneName } from './channel.ts'
import { Deadlines } from './deadlines.ts'
import { Dialer } from './dialer.ts'
import type { MalformedError } from './frame.ts'
import { FramedStream, messageOf } from './framed-stream.ts'
import { receiveHello } from './greeter.ts'
import { encodeHello, type Introduction, isRefusal } from './hello.ts'
import { newInstance, shortId } from './ids.ts'
import { LimitHits } from './limit-hits.ts'
import { limitsOf } from './limits-in-use.ts'
import {
  defaultProtocolPrefix,
  maxHelloBytes,
  maxPeers,
  maxStreams,
  memberTagValue,
  protocolSuffix
} from './limits.ts'
import { Link, type LinkComponents } from './link.ts'
import { TooLargeError } from './message-decoder.ts'
import { sharedWorkLimit } from './work.ts'

/** What libp2p gives a service, as far as the transport needs it. */
export interface TransportComponents {
  readonly peerId: PeerId
  readonly privateKey: PrivateKey
  readonly registrar: Registrar
  readonly connectionManager: ConnectionManager
  readonly addressManager: AddressManager
  readonly peerStore: PeerStore
  readonly logger: ComponentLogger
}

export interface TransportInit {
  /** Before `/1.0.0` in the protocol's name, so that two can share a node. Default `/annulus`. */
  readonly protocolPrefix?: string
  /** Names this in the logs. Default `annulus`. */
  readonly logPrefix?: string
  /** Name and version of the program, told to others. */
  readonly software?: string
  /** Peers and clients connected at once. Default: the constant of that name; tests take fewer. */
  readonly maxPeers?: number
}

export class Libp2pTransport implements Transport {
  readonly peerId: string
  readonly addresses: SignedAddressBook
  readonly #components: TransportComponents
  readonly #software: string
  readonly #maxPeers: number
  readonly #protocol: string
  readonly #tag: string
  readonly #log: Logger
  readonly #instance = newInstance()
  readonly #deadlines = new Deadlines()
  readonly #hits = new LimitHits()
  readonly #workLimit = sharedWorkLimit()
  readonly #links = new Map<string, Link>()
  readonly #streams = new Set<FramedStream>()
  readonly #stopping = new AbortController()
  #linkComponents: LinkComponents | undefined

  constructor(components: TransportComponents, init: TransportInit = {}) {
    const prefix = init.logPrefix ?? 'annulus'
    this.peerId = components.peerId.toString()
    this.addresses = new SignedAddressBook(components)
    this.#components = components
    this.#software = init.software ?? 'annulus'
    this.#maxPeers = init.maxPeers ?? maxPeers
    this.#protocol = `${init.protocolPrefix ?? defaultProtocolPrefix}${protocolSuffix}`
    this.#tag = `${prefix}-member`
    this.#log = components.logger.forComponent(`${prefix}:transport`)
  }

  /** Serves streams from now on. A transport that was stopped does not start again. */
  async start(handlers: TransportHandlers): Promise<void> {
    const { connectionManager, registrar } = this.#components
    this.#linkComponents = {
      self: this.peerId,
      dialer: new Dialer(
        { connectionManager, addresses: this.addresses },
        { self: this.peerId, protocol: this.#protocol, signal: this.#stopping.signal }
      ),
      deadlines: this.#deadlines,
      workLimit: this.#workLimit,
      hits: this.#hits,
      handlers,
      introduce: lane => this.#introduce(handlers, lane),
      frame: (stream, peerId) => this.#frame(stream, peerId),
      learn: (peerId, signed) =>
        void this.addresses.learn(signed, words => handlers.refused?.(peerId, 'forged', words))
    }
    await registrar.handle(this.#protocol, (stream, connection) => this.#accept(stream, connection), {
      // Above what is accepted, so that the ones too many come here and are counted.
      maxInboundStreams: 2 * maxStreams,
      maxOutboundStreams: maxStreams,
      signal: this.#stopping.signal
    })
  }

  async stop(): Promise<void> {
    if (this.#stopping.signal.aborted) return
    this.#stopping.abort(new Error('this transport has been stopped'))
    await this.#components.registrar.unhandle(this.#protocol)
    const links = [...this.#links.values()]
    await Promise.all(links.map(link => link.leave('this transport has been stopped')))
    // A channel may have opened meanwhile.
    for (const link of [...this.#links.values()]) link.close('this transport has been stopped')
    // What is left are streams that have not been greeted on.
    for (const stream of this.#streams) if (stream.isOpen) stream.abort('this transport has been stopped')
    await Promise.all([...this.#streams].map(stream => stream.gone))
    this.#deadlines.stop()
    this.#links.clear()
  }

  request(to: MemberId, body: Uint8Array, options: RequestOptions): Promise<Uint8Array> {
    const lane = options.bulk === true ? 'bulk' : 'main'
    const timeoutMs = Math.min(options.timeoutMs, maxDeadlineMs)
    const channel = this.#links.get(to.peerId)?.channel(lane)
    if (channel !== undefined) return requestOn(channel, to, body, { ...options, timeoutMs })
    return this.#dialAndRequest(to, lane, body, { ...options, timeoutMs })
  }

  async connect(address: string, options: RequestOptions): Promise<Remote> {
    const { dialer } = this.#started()
    const opening = dialer.connect(address).then(connection => {
      return this.#link(connection.remotePeer.toString()).open('main', connection)
    })
    const channel = await this.#within(opening, options, `${address} did not answer`)
    return channel.remote
  }

  disconnect(peerId: string): void {
    this.#links.get(peerId)?.close('this end disconnected')
  }

  limits(): Readonly<Record<string, LimitUse>> {
    const links = [...this.#links.values()]
    const connections = this.#components.connectionManager.getConnections()
    return limitsOf({
      hits: this.#hits,
      peers: { connected: links.length, limit: this.#maxPeers },
      streams: connections.reduce((most, connection) => Math.max(most, this.#inboundOn(connection)), 0),
      loads: links.flatMap(link => link.loads),
      served: this.#workLimit,
      addresses: this.addresses.use
    })
  }

  /** Streams of this protocol that the other end has opened on a connection. */
  #inboundOn({ streams }: Connection): number {
    let count = 0
    for (const { protocol, direction } of streams)
      if (protocol === this.#protocol && direction === 'inbound') count++
    return count
  }

  remotes(): Remote[] {
    return [...this.#links.values()].flatMap(link => link.remote ?? [])
  }

  async #dialAndRequest(
    to: MemberId,
    lane: LaneName,
    body: Uint8Array,
    options: RequestOptions
  ): Promise<Uint8Array> {
    this.#started()
    if (to.peerId === this.peerId) throw notDelivered('unreachable', 'that is this peer itself')
    if (to.life === '') throw notDelivered('unreachable', `the client ${shortId(to.peerId)} is not connected`)
    const dueAt = performance.now() + options.timeoutMs
    const opening = this.#link(to.peerId).open(lane)
    const channel = await this.#within(opening, options, `no channel to ${shortId(to.peerId)}`)
    const timeoutMs = Math.max(1, dueAt - performance.now())
    return await requestOn(channel, to, body, { ...options, timeoutMs })
  }

  #started(): LinkComponents {
    if (this.#linkComponents === undefined || this.#stopping.signal.aborted) {
      throw notDelivered('unreachable', 'this transport is not running')
    }
    return this.#linkComponents
  }

  #link(peerId: string): Link {
    const known = this.#links.get(peerId)
    if (known !== undefined) return known
    const components = this.#started()
    const link = new Link(components, {
      peerId,
      connected: remote => this.#connected(components.handlers, remote),
      disconnected: remote => this.#disconnected(components.handlers, remote),
      idle: () => {
        if (this.#links.get(peerId) === link) this.#links.delete(peerId)
      }
    })
    this.#links.set(peerId, link)
    return link
  }

  /** The handler of incoming streams: whatever comes, it neither throws nor rejects. */
  async #accept(stream: Stream, connection: Connection): Promise<void> {
    const peerId = connection.remotePeer.toString()
    const framed = this.#frame(stream, peerId)
    try {
      const components = this.#started()
      if (this.#inboundOn(connection) > maxStreams) {
        this.#hits.note('maxStreams')
        throw new Error(`${maxStreams} streams are open on the connection`)
      }
      const hello = await receiveHello(framed, peerId, this.#deadlines, () =>
        this.#hits.note('greetingTimeoutMs')
      )
      if (isRefusal(hello)) {
        // Of another version of the protocol: it is told, in a Hello that any version reads.
        components.handlers.refused?.(peerId, 'foreign', hello.reason)
        const own = await components.introduce('main')
        framed.sendMessage(encodeHello(own, hello))
        framed.close(hello.reason)
      } else if (this.#links.size >= this.#maxPeers && !this.#links.has(peerId)) {
        this.#hits.note('maxPeers')
        const own = await components.introduce(hello.lane)
        framed.sendMessage(
          encodeHello(own, { code: 'busy', reason: `${this.#maxPeers} peers are connected` })
        )
        framed.close('too many peers are connected')
      } else {
        await this.#link(peerId).accept(framed, connection, hello)
      }
    } catch (error) {
      this.#log('a stream from %p was not taken: %s', connection.remotePeer, messageOf(error))
      framed.abort(messageOf(error))
    }
  }

  #frame(stream: Stream, peerId: string): FramedStream {
    const malformed = (error: MalformedError): void => {
      if (error instanceof TooLargeError)
        this.#hits.note(error.maxMessageBytes === maxHelloBytes ? 'maxHelloBytes' : 'maxMessageBytes')
      this.#linkComponents?.handlers.refused?.(peerId, 'malformed', error.message)
    }
    const framed = new FramedStream({ stream, deadlines: this.#deadlines, malformed })
    this.#streams.add(framed)
    void framed.gone.then(() => this.#streams.delete(framed))
    if (this.#stopping.signal.aborted) framed.abort('this transport has been stopped')
    return framed
  }

  async #introduce(handlers: TransportHandlers, lane: LaneName): Promise<Introduction> {
    // A client listens nowhere. The greeting is read last: what it says must be true when it leaves.
    const isPeer = handlers.greeting().role === 'peer'
    const address = isPeer ? await this.addresses.own() : new Uint8Array(0)
    return {
      greeting: handlers.greeting(),
      lane,
      instance: this.#instance,
      address,
      software: this.#software
    }
  }

  #connected(handlers: TransportHandlers, remote: Remote): void {
    if (remote.role === 'peer') this.#protect(remote.peerId, memberTagValue)
    this.#tell(() => handlers.connected(remote))
  }

  #disconnected(handlers: TransportHandlers, remote: Remote): void {
    if (remote.role === 'peer') this.#protect(remote.peerId, undefined)
    this.#tell(() => handlers.disconnected(remote))
  }

  #tell(handler: () => void): void {
    try {
      handler()
    } catch (error) {
      this.#log.error('a handler failed - %e', error)
    }
  }

  /**
   * Tags a peer, so that libp2p closes connections to others first when it has too many. Not `keep-alive`:
   * then libp2p would dial it too, and at its own pace.
   */
  #protect(peerId: string, value: number | undefined): void {
    const tags = { [this.#tag]: value === undefined ? undefined : { value } }
    this.#components.peerStore.merge(peerIdFromString(peerId), { tags }).catch((error: unknown) => {
      this.#log.error('the tag of %s could not be changed - %e', peerId, error)
    })
  }

  /** Waits for a channel no longer than the request may. */
  #within(opening: Promise<Channel>, options: RequestOptions, what: string): Promise<Channel> {
    const { signal } = options
    return new Promise((resolve, reject) => {
      const timer = this.#deadlines.after(options.timeoutMs, () => {
        done(() => reject(notDelivered('timeout', `${what} within ${Math.round(options.timeoutMs)} ms`)))
      })
      const abort = (): void =>
        done(() => reject(notDelivered('aborted', `${what} before the caller gave up`)))
      const done = (settle: () => void): void => {
        timer.cancel()
        signal?.removeEventListener('abort', abort)
        settle()
      }
      opening.then(
        channel => done(() => resolve(channel)),
        (error: unknown) => done(() => reject(error))
      )
      if (signal?.aborted === true) abort()
      else signal?.addEventListener('abort', abort)
    })
  }
}

/** Sends a request on a channel if it leads to the member that is meant. */
function requestOn(
  channel: Channel,
  to: MemberId,
  body: Uint8Array,
  options: RequestOptions
): Promise<Uint8Array> {
  if (channel.remote.life === to.life) return channel.request(body, options)
  channel.checkLife()
  const message = `${shortId(to.peerId)} has the life ${channel.remote.life || 'of a client'}, not ${to.life}`
  return Promise.reject(new TransportError('other-life', message, { delivered: false }))
}
