/** A peer that serves and is alone: what it is asked comes from the fuzzer, and whoever it asks is away. */
import { generateKeyPair } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import { PeerCore } from '../../src/core/peer.ts'
import { TransportError, type Remote, type TransportHandlers } from '../../src/core/ports.ts'
import { SignedAddressBook } from '../../src/libp2p/address-book.ts'
import { systemClock } from '../../src/libp2p/system.ts'
import { silentLogger } from '../../src/silent-logger.ts'
import { MemoryStore } from '../../src/storage/memory.ts'
import { peerIdOf } from '../support/peer-ids.ts'
import { SeededRandom } from '../simulation/random.ts'

/** How long who asks waits, in ms: some requests wait for others, and nobody else is there. */
const timeoutMs = 20

const away = (): Promise<never> =>
  Promise.reject(new TransportError('unreachable', 'nobody is there', { delivered: false }))

async function newAddressBook(): Promise<{ readonly peerId: string; readonly addresses: SignedAddressBook }> {
  const privateKey = await generateKeyPair('Ed25519')
  const peerId = peerIdFromPrivateKey(privateKey)
  const listening = { getAddresses: () => [multiaddr('/ip4/127.0.0.1/tcp/4001')] }
  // Of libp2p's address manager, only this is used.
  const addresses = new SignedAddressBook({ peerId, privateKey, addressManager: listening as never })
  return { peerId: peerId.toString(), addresses }
}

export class ServingPeer {
  readonly addresses: SignedAddressBook
  readonly #core: PeerCore
  readonly #handlers: TransportHandlers
  #asked = 0

  private constructor(core: PeerCore, handlers: TransportHandlers, addresses: SignedAddressBook) {
    this.#core = core
    this.#handlers = handlers
    this.addresses = addresses
  }

  static async start(): Promise<ServingPeer> {
    const { peerId, addresses } = await newAddressBook()
    const started = Promise.withResolvers<TransportHandlers>()
    const transport = {
      peerId,
      addresses,
      start: (handlers: TransportHandlers) => {
        started.resolve(handlers)
        return Promise.resolve()
      },
      stop: () => Promise.resolve(),
      request: away,
      connect: away,
      disconnect: () => undefined,
      remotes: () => []
    }
    const ports = { clock: systemClock(), random: new SeededRandom(1), store: new MemoryStore() }
    const core = new PeerCore({ ...ports, transport, logger: silentLogger }, { vnodes: 4, version: 'test' })
    await core.start()
    await core.ready()
    return new ServingPeer(core, await started.promise, addresses)
  }

  /** Half of what is asked comes from a peer, the rest from a client. */
  async serve(body: Uint8Array): Promise<Uint8Array> {
    this.#asked += 1
    const isPeer = this.#asked % 2 === 0
    const from: Remote = {
      ...this.#handlers.greeting(),
      peerId: peerIdOf(3),
      role: isPeer ? 'peer' : 'client',
      life: isPeer ? '0123456789abcdef' : ''
    }
    const gaveUp = new AbortController()
    const timer = setTimeout(() => gaveUp.abort(), timeoutMs)
    try {
      return await this.#handlers.serve(body, { from, signal: gaveUp.signal, timeoutMs })
    } finally {
      clearTimeout(timer)
    }
  }

  /** The signed record of somebody else. */
  async strangersAddress(): Promise<Uint8Array> {
    return (await newAddressBook()).addresses.own()
  }

  stop(): Promise<void> {
    return this.#core.stop()
  }
}
