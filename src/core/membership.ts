/**
 * Keeps a peer a member: founds a cluster or joins one, comes back after a restart, and joins anew, with a new
 * life and an empty store, when the others removed it or its store lost what it had acknowledged.
 */
import type { Access } from './access.ts'
import type { CancelSignal } from './canceller.ts'
import { transitionOf } from './describe.ts'
import type { EventEmitter } from './emitter.ts'
import { AnnulusError } from './errors.ts'
import {
  hex,
  IdentityDamagedError,
  identityClusterName,
  identityNames,
  nextBoot,
  type Identity
} from './identity.ts'
import { knownPeerId, knownPeerNames } from './known-peers.ts'
import { Life, type LifeInit } from './life.ts'
import { askAround, greetOthers, keepInTouch, meet, tellOfStrangers } from './meeting.ts'
import type { MemberId } from './member.ts'
import type { Clock, Logger, Random, Store, Transport } from './ports.ts'
import { purgeTimeMs } from './record/purged.ts'
import type { PeerRoutes } from './requests/dispatcher.ts'
import type { Refusals } from './requests/refusals.ts'
import { AcceptorDamagedError } from './topology/acceptor.ts'
import { LogDamagedError, TopologyLog } from './topology/log.ts'
import type { Standing } from './topology/topology.ts'
import { sleep } from './time.ts'

/** Defaults of what a user may set; see the README. */
export const peerDefaults = { network: 'annulus', replicas: 3, vnodes: 128, removeAfterMs: 600_000 } as const

/** How long a peer that left goes on offering what is left on it, in ms, and the pause between two tries. */
const partingMs = 30_000
const partingPauseMs = 500

/** Bytes of a cluster's id. */
const clusterIdBytes = 16

export interface MembershipComponents {
  /** See DispatcherComponents. */
  readonly access?: Access
  readonly clock: Clock
  readonly random: Random
  readonly transport: Transport
  readonly store: Store
  readonly events: EventEmitter
  readonly logger: Logger
  /** Counts what others say wrongly. */
  readonly refusals: Refusals
}

export interface MembershipInit {
  readonly network?: string
  /** Undefined: 3 when founding, else whatever the cluster has. */
  readonly replicas?: number
  readonly vnodes?: number
  /** Multiaddrs to join. */
  readonly join?: readonly string[]
  readonly removeAfterMs?: number
  /** See LifeInit. Members may be given different ones: see topology/purge.ts. */
  readonly tombstoneGraceMs?: number
  /** See LifeInit. */
  readonly transferBytesPerSecond?: number
  /** See LifeInit. */
  readonly scrubBytesPerSecond?: number
  /** See LifeInit. */
  readonly maxDiskBytes?: number
  /** Requests that the peer serves itself. */
  readonly routes: PeerRoutes
}

export class Membership {
  readonly #components: MembershipComponents
  readonly #init: MembershipInit
  readonly #ready = Promise.withResolvers<undefined>()
  #log: TopologyLog
  #identity: Identity = { life: '', boot: 0 }
  #life: Life | undefined
  /** The others whose addresses were on disk at the start. */
  #knownPeerIds: readonly string[] = []
  /** The cluster of an earlier life that this peer did not leave. */
  #homeId: string | undefined
  /** Where the others of an earlier life listened. */
  #earlierContacts: readonly string[] = []

  constructor(components: MembershipComponents, init: MembershipInit) {
    this.#components = components
    this.#init = init
    this.#log = new TopologyLog(components)
    // Whoever waits gets the failure; nobody has to.
    this.#ready.promise.catch(() => undefined)
  }

  get log(): TopologyLog {
    return this.#log
  }

  get identity(): Identity {
    return this.#identity
  }

  /** What runs now; undefined between two lives and when stopped. */
  get life(): Life | undefined {
    return this.#life
  }

  get network(): string {
    return this.#init.network ?? peerDefaults.network
  }

  /** The cluster that this peer is in, or is to come back to; undefined while it may still join any. */
  get clusterId(): string | undefined {
    return this.#log.current?.clusterId ?? this.#homeId
  }

  /** Settles when the peer is a member and serves, or failed for good. */
  get ready(): Promise<void> {
    return this.#ready.promise
  }

  /**
   * Reads life and log from the store. Where something acknowledged is lost, an empty new life begins. Throws ERR_STORE
   * where nobody is known who would bring it back, and ERR_CONFIG where the settings are not those of the cluster in the store.
   */
  async load(): Promise<void> {
    const { store, transport } = this.#components
    const known = (await knownPeerNames(store)).map(knownPeerId)
    this.#knownPeerIds = known.filter(peerId => peerId !== transport.peerId)
    const home = await store.readMeta(identityClusterName)
    this.#homeId = home === undefined ? undefined : new TextDecoder().decode(home)
    // Where the store lost something, the log may still tell which cluster this peer belongs to.
    const damage = await this.#loadLog()
    const loss = store.loss ?? damage
    if (loss !== undefined) return this.#giveUp(loss)
    this.#checkSettings()
    const damagedIdentity = await this.#bootUnlessDamaged()
    if (damagedIdentity !== undefined) return this.#giveUp(damagedIdentity)
    const self = { peerId: transport.peerId, life: this.#identity.life }
    const standing = this.#log.current?.member(self)?.standing
    if (standing !== undefined && isOver(standing))
      await this.#reset(`its standing at the last stop: ${standing}`)
  }

  /** Resolves when the peer left or the signal aborted; throws what made it fail for good. */
  async run(signal: CancelSignal): Promise<void> {
    try {
      while ((await this.#live(signal)) === 'removed') await this.#reset('the others removed it')
    } catch (error) {
      this.#ready.reject(error)
      if (!signal.aborted) throw error
    } finally {
      this.#ready.reject(new AnnulusError('ERR_STOPPED', 'the peer has been stopped'))
    }
  }

  /** Reads the log from the store; says in words what is wrong with it where it is damaged. */
  async #loadLog(): Promise<string | undefined> {
    try {
      await this.#log.load()
      return undefined
    } catch (error) {
      if (error instanceof LogDamagedError) return error.message
      throw error
    }
  }

  /** One life, from its first request to its end. */
  async #live(stop: CancelSignal): Promise<'left' | 'removed'> {
    const { transport, events, logger } = this.#components
    const self = { peerId: transport.peerId, life: this.#identity.life }
    const isReturning = this.#log.current?.member(self) !== undefined
    // By hand: Node keeps what AbortSignal.any gives for ever where nobody aborts it, with all that listens to it.
    const end = new AbortController()
    const { signal } = end
    const onStop = (): void => end.abort(stop.reason)
    stop.addEventListener('abort', onStop)
    if (stop.aborted) onStop()
    const onDuplicate = (reason: string): void => end.abort(new AnnulusError('ERR_DUPLICATE', reason))
    const { tombstoneGraceMs, transferBytesPerSecond, scrubBytesPerSecond, maxDiskBytes } = this.#init
    const life = new Life(
      { ...this.#components, log: this.#log },
      {
        self,
        ...(tombstoneGraceMs === undefined ? {} : { tombstoneGraceMs }),
        ...(transferBytesPerSecond === undefined ? {} : { transferBytesPerSecond }),
        ...(scrubBytesPerSecond === undefined ? {} : { scrubBytesPerSecond }),
        ...(maxDiskBytes === undefined ? {} : { maxDiskBytes }),
        boot: this.#identity.boot,
        removeAfterMs: this.#init.removeAfterMs ?? peerDefaults.removeAfterMs,
        isReturning,
        onTransfer: event => this.#components.events.emit('transfer', event),
        onPurged: (purgedBefore, records) =>
          this.#components.events.emit('purged', { before: purgeTimeMs(purgedBefore), records }),
        routes: this.#init.routes,
        onDuplicate
      }
    )
    try {
      await life.load()
      this.#life = life
      life.liveness.onChange(({ peerId }, liveness) => events.emit('liveness', { peerId, liveness }))
      const standing = await this.#reside(life, { isReturning, signal, onDuplicate })
      logger.info('is no member any more', { standing })
      if (standing === 'left') await this.#handOverTheRest(life, signal)
      events.emit('gone', { standing })
      return standing
    } catch (error) {
      // What the acceptor promised is unreadable: this life must never vote again.
      if (!(error instanceof AcceptorDamagedError)) throw error
      this.#ensureOthers(error.message)
      return 'removed'
    } finally {
      stop.removeEventListener('abort', onStop)
      end.abort()
      this.#earlierContacts = this.#contacts()
      await life.stop()
      this.#life = undefined
    }
  }

  /** Founds, joins or comes back; serves; and resolves with how the membership ended. */
  async #reside(
    life: Life,
    init: Pick<LifeInit, 'isReturning' | 'onDuplicate'> & { readonly signal: CancelSignal }
  ): Promise<'left' | 'removed'> {
    const { isReturning, onDuplicate, signal } = init
    const { transport, events } = this.#components
    const parts = { ...this.#components, calls: life.calls, log: this.#log }
    const onWaiting = (reason: string): void => events.emit('waiting', { reason })
    if (this.#log.current === undefined) {
      const addresses = this.#contacts()
      if (addresses.length === 0) await this.#foundUnlessElsewhere(life.self)
      else await meet(parts, { addresses, hasHome: this.#homeId !== undefined, signal, onWaiting })
      this.#checkSettings()
    } else {
      this.#components.logger.info('comes back with the life it had', { epoch: this.#log.epoch })
      await greetOthers(parts, { others: life.others(), signal })
      void tellOfStrangers(parts, { addresses: this.#init.join ?? [], others: life.others(), signal })
    }
    life.start()
    const [addresses, others] = [() => this.#contacts(), () => life.others()]
    void keepInTouch(parts, { addresses, others, onDuplicate, signal })
    if (!isReturning && this.#log.current?.member(life.self) === undefined) {
      const join = { id: life.self, vnodes: this.#init.vnodes ?? peerDefaults.vnodes }
      await life.petitioner.petition({ join, joinReplicas: this.#init.replicas ?? 0 }, { signal, onWaiting })
    }
    const standing = await this.#until(life.self, now => now !== 'joining', signal)
    if (isOver(standing)) return standing === 'left' ? 'left' : 'removed'
    await askAround(parts, { liveness: life.liveness, signal })
    this.#ready.resolve(undefined)
    events.emit('ready', {
      peerId: life.self.peerId,
      multiaddrs: transport.addresses.multiaddrs(life.self.peerId)
    })
    return (await this.#until(life.self, isOver, signal)) === 'left' ? 'left' : 'removed'
  }

  /** Throws ERR_CONFIG where this peer belongs to a cluster already: another one would answer for the same keys. */
  async #foundUnlessElsewhere(self: MemberId): Promise<void> {
    const { random, logger } = this.#components
    if (this.#homeId !== undefined) {
      throw new AnnulusError(
        'ERR_CONFIG',
        `this peer belongs to the cluster ${this.#homeId} and knows no address of its members; have it join one of them`
      )
    }
    const clusterId = hex(random.bytes(clusterIdBytes))
    await this.#log.found({
      clusterId,
      network: this.network,
      replicas: this.#init.replicas ?? peerDefaults.replicas,
      founder: { ...self, vnodes: this.#init.vnodes ?? peerDefaults.vnodes }
    })
    logger.info('has founded a cluster', { clusterId })
  }

  /** Waits until the log shows this member with a standing that will do, and gives it. */
  async #until(
    self: MemberId,
    isDone: (standing: Standing) => boolean,
    signal: CancelSignal
  ): Promise<Standing> {
    for (;;) {
      // A log that has forgotten this member has forgotten that it removed it.
      const standing = this.#log.current?.member(self)?.standing ?? 'removed'
      if (isDone(standing)) return standing
      await nextChange(this.#log, signal)
    }
  }

  /** The others have all that was acknowledged; what only this store holds is offered for a while too. */
  async #handOverTheRest(life: Life, signal: CancelSignal): Promise<void> {
    const { clock, logger } = this.#components
    const untilMs = clock.monotonic() + partingMs
    await life.mover.stop()
    while (clock.monotonic() < untilMs) {
      try {
        if (await life.mover.handOverNow(signal)) return
      } catch (error) {
        signal.throwIfAborted()
        logger.debug('a pass of handing over failed', { error: String(error) })
      }
      await sleep(clock, partingPauseMs, signal)
    }
    logger.warn('leaves with records that not all of their replicas took')
  }

  /** Something acknowledged is lost: what the store holds may be outdated, so the others are to bring it all anew. */
  async #giveUp(loss: string): Promise<void> {
    this.#ensureOthers(loss)
    await this.#reset(loss)
  }

  /** Where nobody else may have it, what the store still holds is all there is. Throws ERR_STORE then. */
  #ensureOthers(loss: string): void {
    const others = this.#log.current?.current.filter(
      ({ peerId }) => peerId !== this.#components.transport.peerId
    )
    const isAlone = others?.length === 0 || this.#knownPeerIds.length === 0
    if (!isAlone || (this.#init.join ?? []).length > 0) return
    throw new AnnulusError(
      'ERR_STORE',
      `the store has lost something that was acknowledged (${loss}), and no address is known of another member that could ` +
        'bring it back; nothing was changed. Where there are others, join one of them; where this was the only one, ' +
        'see "A peer alone" in docs/operations.md'
    )
  }

  /** Empties the store but for the peer's identity and where the others listen, and begins a new life. */
  async #reset(why: string): Promise<void> {
    const { store, transport, logger } = this.#components
    logger.warn('joins anew with an empty store', { why })
    for (const { peerId } of transport.remotes()) transport.disconnect(peerId)
    const standing = this.#log.current?.member({
      peerId: transport.peerId,
      life: this.#identity.life
    })?.standing
    // Who left may go anywhere; who was removed, or lost its records, is to be back where it was.
    this.#homeId = standing === 'left' ? undefined : this.clusterId
    await this.#log.end()
    const home = this.#homeId === undefined ? undefined : new TextEncoder().encode(this.#homeId)
    await store.writeMeta([[identityClusterName, home]])
    await store.clear([...identityNames, identityClusterName, ...(await knownPeerNames(store))])
    this.#log = new TopologyLog(this.#components)
    await this.#boot()
  }

  /** Says in words what is wrong where the life or its boot number is damaged. */
  async #bootUnlessDamaged(): Promise<string | undefined> {
    try {
      await this.#boot()
      return undefined
    } catch (error) {
      if (error instanceof IdentityDamagedError) return error.message
      throw error
    }
  }

  async #boot(): Promise<void> {
    const { store, random, events } = this.#components
    this.#identity = await nextBoot(store, random)
    this.#log.onChange(topology =>
      events.emit('topology', {
        epoch: topology.epoch,
        transition: transitionOf(topology, this.#life?.steward.waiting ?? [])
      })
    )
  }

  /** Multiaddrs at which a peer of the cluster may be found. */
  #contacts(): readonly string[] {
    const { addresses } = this.#components.transport
    const others = this.#life?.others().map(({ peerId }) => peerId) ?? []
    const known = [...others, ...this.#knownPeerIds].flatMap(peerId => addresses.multiaddrs(peerId))
    return [...new Set([...(this.#init.join ?? []), ...known, ...this.#earlierContacts])]
  }

  #checkSettings(): void {
    const topology = this.#log.current
    if (topology === undefined) return
    const { replicas } = this.#init
    if (topology.network !== this.network) {
      throw new AnnulusError(
        'ERR_CONFIG',
        `this peer belongs to the network "${topology.network}", not "${this.network}"; start it with the former, or with another data folder`
      )
    }
    if (replicas !== undefined && topology.replicas !== replicas) {
      throw new AnnulusError(
        'ERR_CONFIG',
        `the cluster keeps ${topology.replicas} replicas of each record, not ${replicas}; leave the setting out or give ${topology.replicas}`
      )
    }
  }
}

function isOver(standing: Standing): boolean {
  return standing === 'left' || standing === 'removed'
}

/** Resolves at the log's next change; throws the signal's reason when that aborts first. */
async function nextChange(log: TopologyLog, signal: CancelSignal): Promise<void> {
  signal.throwIfAborted()
  await new Promise<void>((resolve, reject) => {
    const finish = (settle: () => void): void => {
      stopListening()
      signal.removeEventListener('abort', abort)
      settle()
    }
    const abort = (): void => finish(() => reject(signal.reason))
    const stopListening = log.onChange(() => finish(resolve))
    signal.addEventListener('abort', abort)
  })
}
