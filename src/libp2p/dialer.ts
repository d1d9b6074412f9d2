/**
 * From a peer id, or an address, to a stream of the protocol: picks or opens the connection, and says in plain
 * words why there is none.
 */
import type { Connection, PeerId, Stream } from '@libp2p/interface'
import type { ConnectionManager } from '@libp2p/interface-internal'
import { peerIdFromString } from '@libp2p/peer-id'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { TransportError } from '../core/ports.ts'
import type { SignedAddressBook } from './address-book.ts'
import { notDelivered } from './calls.ts'
import { messageOf } from './framed-stream.ts'
import { shortId } from './ids.ts'
import { dialTimeoutMs, maxStreams } from './limits.ts'

export interface DialerComponents {
  readonly connectionManager: ConnectionManager
  readonly addresses: SignedAddressBook
}

export interface DialerInit {
  /** This peer's id, by which the other end may know it. */
  readonly self: string
  /** The protocol's full name. */
  readonly protocol: string
  /** Aborts all that is under way. */
  readonly signal: AbortSignal
}

export interface OpenedStream {
  readonly stream: Stream
  readonly connection: Connection
}

export class Dialer {
  readonly #connectionManager: ConnectionManager
  readonly #addresses: SignedAddressBook
  readonly #self: string
  readonly #protocol: string
  readonly #signal: AbortSignal

  constructor(components: DialerComponents, init: DialerInit) {
    this.#connectionManager = components.connectionManager
    this.#addresses = components.addresses
    this.#self = init.self
    this.#protocol = init.protocol
    this.#signal = init.signal
  }

  /** Connects to whoever listens at an address. Fails with a TransportError `unreachable`. */
  connect(address: string): Promise<Connection> {
    return this.#connect(parseAddress(address), `at ${address}`)
  }

  /**
   * Opens a stream to a peer: on `preferred` where that is open, else on any connection to it, else on a new
   * one. Fails with a TransportError `unreachable`.
   */
  async open(peerId: string, preferred: Connection | undefined): Promise<OpenedStream> {
    const id = parsePeerId(peerId)
    const existing = preferred?.status === 'open' ? preferred : this.#connectionTo(id)
    if (existing !== undefined) {
      try {
        return await this.#openOn(existing)
      } catch (error) {
        if (isUnsupported(error) || this.#signal.aborted) throw this.#unreachable(shortId(peerId), error)
        // A connection whose other end vanished without a word looks open until someone tries to use it.
        existing.abort(new Error('no stream could be opened on it'))
      }
    }
    const addresses = this.#addresses.multiaddrs(peerId).map(text => multiaddr(text))
    const connection = await this.#connect(addresses.length > 0 ? addresses : id, shortId(peerId))
    try {
      return await this.#openOn(connection)
    } catch (error) {
      throw this.#unreachable(shortId(peerId), error)
    }
  }

  /** Closes what connections there are to a peer besides `kept` and carry nothing. */
  closeSurplus(kept: Connection): void {
    for (const connection of this.#connectionManager.getConnections(kept.remotePeer)) {
      if (connection === kept || connection.status !== 'open' || connection.streams.length > 0) continue
      connection.close().catch((error: unknown) => connection.abort(new Error(messageOf(error))))
    }
  }

  async #connect(target: PeerId | Multiaddr | Multiaddr[], name: string): Promise<Connection> {
    const progress = { isHandshaking: false }
    const onProgress = (event: { type: string }): void => {
      progress.isHandshaking ||= event.type === 'upgrader:encrypt-outbound-connection'
    }
    try {
      return await this.#connectionManager.openConnection(target, { signal: this.#timeLimit(), onProgress })
    } catch (error) {
      // With another network key the other end may wait for the rest of what it takes for a message.
      const isOne = progress.isHandshaking && !(error instanceof AggregateError)
      throw this.#unreachable(name, isOne ? new HandshakeError(messageOf(error)) : error)
    }
  }

  async #openOn(connection: Connection): Promise<OpenedStream> {
    const stream = await connection.newStream(this.#protocol, {
      signal: this.#timeLimit(),
      maxOutboundStreams: maxStreams
    })
    return { stream, connection }
  }

  #connectionTo(peerId: PeerId): Connection | undefined {
    // Limited connections, by a relay, are not made to carry a store's traffic.
    return this.#connectionManager
      .getConnections(peerId)
      .find(connection => connection.status === 'open' && connection.limits === undefined)
  }

  #timeLimit(): AbortSignal {
    return AbortSignal.any([this.#signal, AbortSignal.timeout(dialTimeoutMs)])
  }

  #unreachable(name: string, error: unknown): TransportError {
    if (this.#signal.aborted) return notDelivered('unreachable', 'this transport has been stopped')
    return notDelivered(
      'unreachable',
      `${name} cannot be reached: ${describe(error, this.#protocol, this.#self)}`
    )
  }
}

function parseAddress(address: string): Multiaddr {
  try {
    return multiaddr(address)
  } catch (error) {
    throw notDelivered('unreachable', `${address} is not a multiaddr: ${messageOf(error)}`)
  }
}

function parsePeerId(peerId: string): PeerId {
  try {
    return peerIdFromString(peerId)
  } catch (error) {
    throw notDelivered('unreachable', `${peerId} is not a peer id: ${messageOf(error)}`)
  }
}

function isUnsupported(error: unknown): boolean {
  return error instanceof Error && error.name === 'UnsupportedProtocolError'
}

const systemErrors: Record<string, string> = {
  ECONNREFUSED: 'connection refused: nobody listens there',
  ECONNRESET: 'the connection was reset',
  EHOSTUNREACH: 'no route to the host',
  ENETUNREACH: 'no route to the network',
  ENOTFOUND: 'no such host name',
  ETIMEDOUT: 'the connection timed out'
}

const handshakeErrors = new Set([
  'EncryptionFailedError',
  'InvalidCryptoExchangeError',
  'MuxerUnavailableError',
  'UnexpectedEOFError',
  'StreamResetError',
  'StreamClosedError',
  'ConnectionClosedError'
])

/** The other end was there, but the connection did not get through its handshakes. */
class HandshakeError extends Error {}

/** Why a dial failed, in a few words. Of several addresses the reasons are listed once each. */
function describe(error: unknown, protocol: string, self: string): string {
  if (error instanceof AggregateError && error.errors.length > 0) {
    return [...new Set(error.errors.map(one => describe(one, protocol, self)))].join('; ')
  }
  if (error instanceof TransportError) return error.message
  // What libp2p fails with where the stream ends while its protocol is being agreed on.
  if (error instanceof Event) return describe(new HandshakeError('the connection was cut'), protocol, self)
  const message = messageOf(error)
  if (!(error instanceof Error)) return message
  const code = 'code' in error ? systemErrors[String(error.code)] : undefined
  if (code !== undefined) return code
  if (isUnsupported(error)) return `it does not speak ${protocol}`
  if (error.name === 'TimeoutError' || error.name === 'AbortError')
    return `no answer within ${dialTimeoutMs} ms`
  if (error.name === 'NoValidAddressesError') return 'no address of it is known'
  if (error.name === 'DialDeniedError') return 'it is no member by the allow lists of this end'
  if (error instanceof HandshakeError || handshakeErrors.has(error.name)) {
    return `the handshake failed (${message}); likely it has another private network key, or its allow lists lack this end, ${self}`
  }
  return message
}
