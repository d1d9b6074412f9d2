/**
 * `annulus(init)`: the peer as a service of a libp2p node that its user already has. The node needs a TCP-like
 * transport, an encrypter, a muxer and identify; its peer id is the peer's.
 */
import { serviceCapabilities, serviceDependencies, type Startable } from '@libp2p/interface'
import { accessOf } from './access-lists.ts'
import type {
  AllowLists,
  CallOptions,
  Change,
  ChangeOptions,
  Events,
  GetResult,
  Key,
  Location,
  MemberInfo,
  OperationOptions,
  Peer,
  PeerInit,
  Plan,
  PlanOptions,
  PutOptions,
  PutResult,
  Restoration,
  RestoreOptions,
  Status
} from './api.ts'
import type { Access } from './core/access.ts'
import { AnnulusError } from './core/errors.ts'
import { EventEmitter } from './core/emitter.ts'
import type { Store } from './core/ports.ts'
import { identityOwnerName } from './core/identity.ts'
import { PeerCore } from './core/peer.ts'
import { systemClock, systemRandom } from './libp2p/system.ts'
import { Libp2pTransport, type TransportComponents, type TransportInit } from './libp2p/transport.ts'
import { checkPeerInit, peerCoreInit } from './settings.ts'
import { silentLogger } from './silent-logger.ts'
import { openLevelStore } from './storage/level.ts'
import { MemoryStore } from './storage/memory.ts'

/** Settings of the service: what concerns the node itself is the node's. */
export interface ServiceInit
  extends
    Omit<PeerInit, 'listen' | 'announce' | 'networkKey'>,
    Pick<TransportInit, 'protocolPrefix' | 'logPrefix'> {}

/** For the field of that name among a libp2p node's `services`. */
export function annulus(init: ServiceInit = {}): (components: TransportComponents) => AnnulusService {
  checkPeerInit(init)
  return components => new AnnulusService(components, init)
}

/** A peer whose start and stop are those of the libp2p node it is part of. */
export class AnnulusService implements Peer, Startable {
  readonly [serviceCapabilities]: readonly string[]
  // Signed addresses are only as good as what identify finds out about them.
  readonly [serviceDependencies] = ['@libp2p/identify']
  readonly peerId: string
  readonly #components: TransportComponents
  readonly #init: ServiceInit
  /** Outlives the peer, so that one may listen before the node starts and after it was started anew. */
  readonly #events: EventEmitter
  readonly #access: Access
  #peer: PeerCore | undefined

  constructor(components: TransportComponents, init: ServiceInit) {
    this[serviceCapabilities] = [`${init.protocolPrefix ?? '/annulus'}/1.0.0`]
    this.peerId = components.peerId.toString()
    this.#components = components
    this.#init = init
    this.#events = new EventEmitter({ logger: init.logger ?? silentLogger })
    this.#access = accessOf(init, init.logger ?? silentLogger)
  }

  /** libp2p calls it before the node listens: there is nothing to do yet. */
  start(): void {
    // See afterStart.
  }

  /** libp2p calls it when the node listens. Throws ERR_CONFIG, ERR_STORE, ERR_STORE_LOCKED. */
  async afterStart(): Promise<void> {
    const { data, logger = silentLogger } = this.#init
    const store = data === undefined ? new MemoryStore() : await openLevelStore(data, { logger })
    try {
      await claim(store, this.peerId)
      this.#peer = new PeerCore(
        {
          transport: new Libp2pTransport(this.#components, this.#init),
          store,
          clock: systemClock(),
          random: systemRandom,
          logger,
          events: this.#events,
          access: this.#access
        },
        peerCoreInit(this.#init)
      )
      await this.#peer.start()
    } catch (error) {
      await store.close()
      throw error
    }
  }

  /** libp2p calls it while the node still has its connections. */
  async beforeStop(): Promise<void> {
    await this.#peer?.stop()
  }

  /** Ends the peer; the node goes on. */
  async stop(): Promise<void> {
    await this.#peer?.stop()
  }

  get multiaddrs(): string[] {
    return this.#peer?.multiaddrs ?? []
  }

  on<K extends keyof Events>(event: K, listener: (event: Events[K]) => void): () => void {
    return this.#events.on(event, listener)
  }

  setAllowed(lists: AllowLists): void {
    this.#access.set(lists)
  }

  async ready(options?: { readonly signal?: AbortSignal }): Promise<void> {
    await this.#started().ready(options)
  }

  async put(key: Key, value: Uint8Array, options?: PutOptions): Promise<PutResult> {
    return this.#started().put(key, value, options)
  }

  async get(key: Key, options?: OperationOptions): Promise<GetResult | undefined> {
    return this.#started().get(key, options)
  }

  async delete(key: Key, options?: OperationOptions): Promise<PutResult> {
    return this.#started().delete(key, options)
  }

  async locate(key: Key, options?: CallOptions): Promise<Location> {
    return this.#started().locate(key, options)
  }

  async members(options?: CallOptions): Promise<MemberInfo[]> {
    return this.#started().members(options)
  }

  async status(options?: CallOptions): Promise<Status> {
    return this.#started().status(options)
  }

  async plan(change: Change, options?: PlanOptions): Promise<Plan> {
    return this.#started().plan(change, options)
  }

  async *keys(options?: CallOptions): AsyncGenerator<Uint8Array, void> {
    yield* this.#started().keys(options)
  }

  async leave(peerId?: string, options?: ChangeOptions): Promise<void> {
    await this.#started().leave(peerId, options)
  }

  async remove(peerId: string, options?: ChangeOptions & { readonly acceptLoss?: boolean }): Promise<void> {
    await this.#started().remove(peerId, options)
  }

  async restore(survivors: readonly string[], options?: RestoreOptions): Promise<Restoration> {
    return this.#started().restore(survivors, options)
  }

  #started(): PeerCore {
    if (this.#peer !== undefined) return this.#peer
    throw new AnnulusError('ERR_STOPPED', 'the libp2p node has not been started')
  }
}

/** A data folder belongs to one peer id for good: its records lie where that peer's tokens are. */
async function claim(store: Store, peerId: string): Promise<void> {
  const owner = await store.readMeta(identityOwnerName)
  if (owner === undefined) return store.writeMeta([[identityOwnerName, new TextEncoder().encode(peerId)]])
  const name = new TextDecoder().decode(owner)
  if (name === peerId) return
  throw new AnnulusError(
    'ERR_STORE',
    `the data folder belongs to the peer ${name}, not to ${peerId}; give it another one`
  )
}
