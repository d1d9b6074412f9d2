/**
 * A peer as its user sees it, over the ports alone: checks what it is asked, answers from the life that runs
 * now, and puts together what others meet: its entrance and its routes. src/libp2p puts it on a real network.
 */
import type {
  AllowLists,
  CallOptions as UserCallOptions,
  Change,
  ChangeOptions,
  Events,
  GetResult,
  Key,
  Location,
  MemberInfo,
  OperationOptions,
  Peer,
  Plan,
  PlanOptions,
  PutOptions,
  PutResult,
  Restoration,
  RestoreOptions,
  Status
} from '../api.ts'
import { openAccess, type Access } from './access.ts'
import { checkCall, checkChange, checkKey, checkOperation, checkPut, checkValue } from './arguments.ts'
import type { CancelSignal } from './canceller.ts'
import { membersOf } from './describe.ts'
import { EventEmitter } from './emitter.ts'
import { Entrance } from './entrance.ts'
import { AnnulusError } from './errors.ts'
import { Orders } from './forward.ts'
import { KnownPeers } from './known-peers.ts'
import { limitedLogger } from './limited-logger.ts'
import { locate } from './locate.ts'
import type { MemberId } from './member.ts'
import { Ongoing, type OngoingOptions } from './ongoing.ts'
import { Membership, type MembershipInit } from './membership.ts'
import { peerRoutes, type PeerRoutesInit } from './peer-routes.ts'
import { planChange } from './plan/plan.ts'
import {
  ServeError,
  type Clock,
  type Greeting,
  type Logger,
  type Random,
  type Store,
  type Transport,
  type TransportHandlers
} from './ports.ts'
import { Present } from './present.ts'
import type { GetOutcome } from './register/get.ts'
import { Refusals } from './requests/refusals.ts'
import { toGetResult, toPutResult } from './results.ts'
import { orAbort, sleep } from './time.ts'
import type { PetitionWish } from './topology/petitioner.ts'
import type { ReconciledState } from './topology/purge-reporter.ts'
import type { Topology } from './topology/topology.ts'

const stoppedMessage = 'the peer has been stopped'

export interface PeerComponents {
  readonly clock: Clock
  readonly random: Random
  readonly transport: Transport
  readonly store: Store
  readonly logger: Logger
  /** Ends what the peer stands on, after all else has ended. */
  readonly release?: () => Promise<void>
  /** Who may connect, as what; everybody where it is left out. */
  readonly access?: Access
  /** Where a user may have begun to listen before; made here where left out. */
  readonly events?: EventEmitter
}

export interface PeerCoreInit extends Omit<MembershipInit, 'routes'>, PeerRoutesInit {}

export class PeerCore implements Peer {
  /** What `on` listens to. */
  readonly events: EventEmitter
  readonly #components: PeerComponents
  readonly #access: Access
  readonly #membership: Membership
  readonly #present: Present
  readonly #entrance: Entrance
  readonly #knownPeers: KnownPeers
  readonly #ongoing: Ongoing
  readonly #orders: Orders
  readonly #refusals: Refusals
  readonly #stop = new AbortController()
  #running: Promise<void> | undefined
  #closing: Promise<void> | undefined

  constructor(given: PeerComponents, init: PeerCoreInit) {
    const components = { ...given, logger: limitedLogger(given) }
    const { transport, access = openAccess(), events = new EventEmitter(components) } = components
    const orders = new Orders(components)
    const refusals = new Refusals(components)
    const present = new Present({
      membership: () => this.#membership,
      addresses: transport.addresses,
      stop: this.#stop.signal
    })
    this.#components = components
    this.#access = access
    this.#orders = orders
    this.#refusals = refusals
    this.#present = present
    this.events = events
    this.#ongoing = new Ongoing(components, { stopped: stoppedMessage })
    this.#membership = new Membership(
      { ...components, access, events, refusals },
      { ...init, routes: peerRoutes({ ...components, present, orders, refusals }, init) }
    )
    this.#entrance = new Entrance({ ...components, access, refusals, greeting: () => this.#greeting() })
    this.#knownPeers = new KnownPeers({
      ...components,
      addresses: transport.addresses,
      // By the log, which a peer that stops still has, and not by the life, which has ended then.
      members: () => this.#membership.log.current?.current.map(({ peerId }) => peerId),
      isMember: peerId => this.#membership.log.current?.hasPeer(peerId) ?? false
    })
    this.events.on('topology', () => this.#knownPeers.changed())
    // It has just asked around where the others listen.
    this.events.on('ready', () => this.#knownPeers.changed())
  }

  get peerId(): string {
    return this.#components.transport.peerId
  }

  get multiaddrs(): string[] {
    return this.#components.transport.addresses.multiaddrs(this.peerId)
  }

  on<K extends keyof Events>(event: K, listener: (event: Events[K]) => void): () => void {
    return this.events.on(event, listener)
  }

  /**
   * Reads the store, listens, and goes on in the background until the peer is a member and serves; see
   * `ready`. Throws ERR_CONFIG where the store belongs to another network or replication factor.
   */
  async start(): Promise<void> {
    await this.#membership.load()
    await this.#knownPeers.load()
    await this.#components.transport.start(this.#handlers())
    this.#running = this.#run()
  }

  /** Resolves when the peer is a member and serves. Throws what made it fail, ERR_STOPPED or ERR_ABORTED. */
  async ready(options: { readonly signal?: CancelSignal } = {}): Promise<void> {
    await orAbort(this.#membership.ready, options.signal, () => {
      return new AnnulusError('ERR_ABORTED', 'aborted while waiting to be ready')
    })
  }

  /**
   * Ends everything, though not before it has answered what it coordinates for clients, unless that takes long. The
   * store is closed when it resolves. The peer stays a member.
   */
  async stop(): Promise<void> {
    await Promise.all([this.#ongoing.stop(), this.#orders.end()])
    this.#stop.abort(new AnnulusError('ERR_STOPPED', stoppedMessage))
    await this.#running
    await this.#close()
  }

  async put(key: Key, value: Uint8Array, options?: PutOptions): Promise<PutResult> {
    const [checkedKey, checkedValue, put] = [checkKey(key), checkValue(value), checkPut(options)]
    const outcome = await this.#ongoing.run(put, async signal =>
      this.#present.life().coordinator.put(checkedKey, checkedValue, { ...put, signal })
    )
    return toPutResult(outcome)
  }

  async get(key: Key, options?: OperationOptions): Promise<GetResult | undefined> {
    return toGetResult(await this.read(key, options))
  }

  /** `get` with the version of what is not there any more, for who watches from within the process. */
  async read(key: Key, options?: OperationOptions): Promise<GetOutcome> {
    const [checkedKey, operation] = [checkKey(key), checkOperation(options)]
    return this.#ongoing.run(operation, async signal =>
      this.#present.life().coordinator.get(checkedKey, { ...operation, signal })
    )
  }

  async delete(key: Key, options?: OperationOptions): Promise<PutResult> {
    const [checkedKey, operation] = [checkKey(key), checkOperation(options)]
    const outcome = await this.#ongoing.run(operation, async signal =>
      this.#present.life().coordinator.delete(checkedKey, { ...operation, signal })
    )
    return toPutResult(outcome)
  }

  async locate(key: Key, options?: UserCallOptions): Promise<Location> {
    const checkedKey = checkKey(key)
    return this.#ongoing.run(limited(options), async () =>
      Promise.resolve(locate(this.#present.topology(), checkedKey))
    )
  }

  async members(options?: UserCallOptions): Promise<MemberInfo[]> {
    return this.#ongoing.run(limited(options), async () => Promise.resolve(this.membersNow()))
  }

  /** The same without waiting, for who watches from within the process. */
  membersNow(): MemberInfo[] {
    return membersOf(this.#present.view())
  }

  /** The topology on this peer's disk, undefined while it knows none; for who watches from within the process. */
  get topologyNow(): Topology | undefined {
    return this.#membership.log.current
  }

  /** The member that this peer is in its present life; for who watches from within the process. */
  get memberNow(): MemberId {
    return { peerId: this.peerId, life: this.#membership.identity.life }
  }

  /** How far its records are what they should be; for who watches from within the process. */
  get reconciledNow(): ReconciledState | undefined {
    return this.#membership.life?.mover.reconciled()
  }

  async status(options?: UserCallOptions): Promise<Status> {
    return this.#ongoing.run(limited(options), async signal => this.#present.status(signal))
  }

  async plan(change: Change, options?: PlanOptions): Promise<Plan> {
    return this.#ongoing.run(checkChange(options), async signal => {
      const { measurer } = this.#present.life()
      const topology = (): Promise<Topology> => Promise.resolve(this.#present.topology())
      return planChange(
        { topology, measure: (question, epoch) => measurer.inCluster(question, { epoch, signal }) },
        change,
        options
      )
    })
  }

  async *keys(options?: UserCallOptions): AsyncGenerator<Uint8Array, void> {
    let after: Uint8Array = new Uint8Array()
    for (let finished = false; !finished;) {
      // Between two pages it is the user who takes time, which does not count.
      const page = await this.#ongoing.run(limited(options), async signal =>
        this.#present.keysAfter(after, signal)
      )
      yield* page.keys
      after = page.after
      finished = page.finished
    }
  }

  /** Resolves when the topology shows the member gone. Throws ERR_REFUSED. */
  async leave(peerId?: string, options?: ChangeOptions): Promise<void> {
    await this.#change(() => ({ leave: this.#memberOf(peerId ?? this.peerId) }), options)
  }

  /** Resolves when the topology shows the member gone. Throws ERR_REFUSED. */
  async remove(peerId: string, options?: ChangeOptions & { readonly acceptLoss?: boolean }): Promise<void> {
    const acceptLoss = options?.acceptLoss ?? false
    await this.#change(() => ({ remove: this.#memberOf(peerId), acceptLoss }), options)
  }

  /** Throws ERR_INVALID, ERR_REFUSED. */
  async restore(survivors: readonly string[], options: RestoreOptions = {}): Promise<Restoration> {
    const { acceptLoss } = options
    return this.#ongoing.run(checkChange(options), async signal =>
      this.#present.life().restorer.restore({
        survivors,
        signal,
        ...(acceptLoss === undefined ? {} : { acceptLoss })
      })
    )
  }

  /** Throws ERR_INVALID, and then the lists in force stay. */
  setAllowed(lists: AllowLists): void {
    this.#access.set(lists)
  }

  async #change(wish: () => PetitionWish, options: ChangeOptions = {}): Promise<void> {
    const { onWaiting } = options
    await this.#ongoing.run(checkChange(options), async signal =>
      this.#present
        .life()
        .petitioner.petition(wish(), { signal, ...(onWaiting === undefined ? {} : { onWaiting }) })
    )
  }

  async #run(): Promise<void> {
    try {
      // Whoever has the peer from the same turn of the event loop can listen before anything happens.
      await sleep(this.#components.clock, 0)
      await this.#membership.run(this.#stop.signal)
      await this.#close()
    } catch (error) {
      await this.#close()
      this.events.emit('failed', { error: error instanceof Error ? error : new Error(String(error)) })
    }
  }

  #close(): Promise<void> {
    this.#closing ??= (async () => {
      const { transport, store, logger } = this.#components
      this.#stop.abort(new AnnulusError('ERR_STOPPED', stoppedMessage))
      await this.#ongoing.stop()
      this.#entrance.stop()
      this.#knownPeers.stop()
      await this.#knownPeers.save().catch((error: unknown) => {
        logger.debug('could not keep the addresses of the members', { error: String(error) })
      })
      await transport.stop()
      this.#refusals.stop()
      await store.close()
      await this.#components.release?.()
    })()
    return this.#closing
  }

  #handlers(): TransportHandlers {
    return {
      greeting: () => this.#greeting(),
      admit: remote => this.#entrance.admit(remote),
      serve: async (body, context) => {
        this.#entrance.ensureMayAsk(context.from)
        const life = this.#membership.life
        if (life === undefined)
          throw new ServeError('not-ready', 'this peer is between two lives, or stopping')
        return life.serve(body, context)
      },
      connected: remote => {
        this.#knownPeers.changed(remote.peerId)
        this.#membership.life?.liveness.heardFrom(remote)
      },
      disconnected: remote => this.#membership.life?.liveness.probeSoon(remote),
      refused: (peerId, kind, words) => this.#refusals.note(peerId, kind, words)
    }
  }

  #greeting(): Greeting {
    const { log, identity, network } = this.#membership
    const { current } = log
    return {
      network,
      clusterId: this.#membership.clusterId ?? '',
      generation: current?.generation ?? 0,
      role: 'peer',
      life: identity.life,
      boot: identity.boot,
      epoch: log.epoch
    }
  }

  #memberOf(peerId: string): MemberId {
    const member = this.#present.topology().currentLifeOf(peerId)
    if (member !== undefined) return member
    throw new AnnulusError('ERR_INVALID', `${peerId} is no member of this cluster; the status lists them`)
  }
}

/** A call that is to be over within its deadline. */
function limited(options: UserCallOptions | undefined): OngoingOptions {
  const { signal, deadlineMs } = checkCall(options)
  return { signal, limitMs: deadlineMs }
}
