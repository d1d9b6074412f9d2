/**
 * A client: no member, stores nothing. It learns the topology from a peer and coordinates its own requests
 * with the same code as a peer does; what it cannot reach itself, or all where it is told so, it has a peer
 * coordinate for it.
 */
import type {
  CallOptions as UserCallOptions,
  Change,
  ChangeOptions,
  Client,
  GetResult,
  Key,
  Location,
  MemberInfo,
  OperationOptions,
  Plan,
  PlanOptions,
  PutOptions,
  PutResult,
  Restoration,
  RestoreOptions,
  Status
} from '../api.ts'
import { openAccess } from './access.ts'
import {
  checkCall,
  checkChange,
  checkKey,
  checkOperation,
  checkPut,
  checkValue,
  type CheckedOptions
} from './arguments.ts'
import { ClientChanges, type Wish } from './client-changes.ts'
import { ClientOrders, type Ways } from './client-orders.ts'
import { Contact } from './contact.ts'
import { fromJson, membersOf } from './describe.ts'
import { refusalOf } from './entrance.ts'
import { AnnulusError } from './errors.ts'
import { toForwardedGet, toForwardedPut, type Order } from './forward.ts'
import { limitedLogger } from './limited-logger.ts'
import { locate } from './locate.ts'
import type { MemberId } from './member.ts'
import { Ongoing } from './ongoing.ts'
import { peerDefaults } from './membership.ts'
import { EpochMovedError } from './movement/ask.ts'
import { fromRangesMeasured, toMeasureRanges, type Measured, type Question } from './plan/measure.ts'
import { planChange } from './plan/plan.ts'
import type { Clock, Greeting, Logger, Random, Store, Transport, TransportError } from './ports.ts'
import { fromRestoreAnswer, toRestore } from './restore-calls.ts'
import { Coordinator } from './register/coordinator.ts'
import { HybridClock } from './record/hybrid-clock.ts'
import { writerBytes } from './record/version.ts'
import { CatchUp } from './requests/catch-up.ts'
import { RemoteCalls } from './requests/calls.ts'
import { Dispatcher } from './requests/dispatcher.ts'
import { Refusals } from './requests/refusals.ts'
import { toGetResult, toPutResult } from './results.ts'
import { TopologyLog } from './topology/log.ts'
import type { Topology } from './topology/topology.ts'

/** How long a peer has for a restore, in ms: it asks all members, up to three times, and tells the survivors. */
const restoreTimeoutMs = 15_000

/** How long one question of a plan may take, in ms: the peer asked may try several replicas. */
const measureTimeoutMs = 10_000

export interface ClientComponents {
  readonly clock: Clock
  readonly random: Random
  readonly transport: Transport
  /** Holds the log while the client lives; in memory. */
  readonly store: Store
  readonly logger: Logger
  /** Ends what the client stands on, after all else has ended. */
  readonly release?: () => Promise<void>
}

export interface ClientCoreInit {
  /** Multiaddrs of peers, tried in order. */
  readonly peers: readonly string[]
  readonly network?: string
  readonly mode?: 'direct' | 'forward'
}

export class ClientCore implements Client {
  readonly #components: ClientComponents
  readonly #init: ClientCoreInit
  readonly #log: TopologyLog
  readonly #calls: RemoteCalls
  readonly #contact: Contact
  readonly #coordinator: Coordinator
  readonly #orders: ClientOrders
  readonly #changes: ClientChanges
  readonly #dispatcher: Dispatcher
  readonly #ongoing: Ongoing
  readonly #refusals: Refusals
  #closing: Promise<void> | undefined

  constructor(given: ClientComponents, init: ClientCoreInit) {
    const components = { ...given, logger: limitedLogger(given) }
    const { clock, random, transport, logger } = components
    this.#components = components
    this.#init = init
    this.#ongoing = new Ongoing(components, { stopped: 'the client has been closed' })
    this.#log = new TopologyLog(components)
    this.#refusals = new Refusals(components)
    const refusals = this.#refusals
    this.#calls = new RemoteCalls(
      { transport, log: this.#log, logger, refusals },
      { onFailure: (to, error) => isUndialable(error) && this.#contact.failedToReach(to.peerId) }
    )
    this.#contact = new Contact({ clock, transport, calls: this.#calls, log: this.#log, logger }, init)
    this.#coordinator = new Coordinator(
      {
        clock,
        hybridClock: new HybridClock({ clock }),
        random,
        calls: this.#calls,
        topology: this.#log,
        livenessOf: member => this.#contact.livenessOf(member),
        logger
      },
      { writer: random.bytes(writerBytes) }
    )
    const contact = this.#contact
    this.#orders = new ClientOrders(
      { clock, contact, log: this.#log },
      { forwardsAll: init.mode === 'forward' }
    )
    this.#changes = new ClientChanges({ clock, contact, topology: () => this.#topology() })
    const catchUp = new CatchUp({ calls: this.#calls, log: this.#log, logger })
    const fetchLog = { atEpoch: false, roles: 'all', serve: () => Promise.resolve({ done: {} }) } as const
    const parts = { log: this.#log, catchUp, access: openAccess(), logger, refusals }
    this.#dispatcher = new Dispatcher(parts, { fetchLog })
  }

  get peerId(): string {
    return this.#components.transport.peerId
  }

  /** Reaches a peer and learns the topology. Throws ERR_UNREACHABLE, ERR_CONFIG, ERR_FORBIDDEN. */
  async start(options?: UserCallOptions): Promise<void> {
    await this.#components.transport.start({
      greeting: () => this.#greeting(),
      admit: remote => refusalOf(this.#greeting(), remote),
      serve: (body, context) => this.#dispatcher.serve(body, context),
      connected: () => undefined,
      disconnected: remote => this.#contact.lost(remote),
      refused: (peerId, kind, words) => this.#refusals.note(peerId, kind, words)
    })
    await this.#contact.refresh(checkCall(options))
  }

  /** Ends all that is under way. Closing again waits for the same end. */
  close(): Promise<void> {
    this.#closing ??= (async () => {
      this.#contact.stop()
      await this.#ongoing.stop()
      await this.#components.transport.stop()
      this.#refusals.stop()
      await this.#components.store.close()
      await this.#components.release?.()
    })()
    return this.#closing
  }

  async put(key: Key, value: Uint8Array, options?: PutOptions): Promise<PutResult> {
    const order = {
      operation: 'put',
      key: checkKey(key),
      value: checkValue(value),
      options: checkPut(options)
    } as const
    return this.#carryOut(order, {
      coordinate: async left =>
        toPutResult(await this.#coordinator.put(order.key, order.value, { ...order.options, ...left })),
      fromAnswer: toForwardedPut
    })
  }

  async get(key: Key, options?: OperationOptions): Promise<GetResult | undefined> {
    const order = { operation: 'get', key: checkKey(key), options: checkOperation(options) } as const
    return this.#carryOut(order, {
      coordinate: async left =>
        toGetResult(await this.#coordinator.get(order.key, { ...order.options, ...left })),
      fromAnswer: toForwardedGet
    })
  }

  async delete(key: Key, options?: OperationOptions): Promise<PutResult> {
    const order = { operation: 'delete', key: checkKey(key), options: checkOperation(options) } as const
    return this.#carryOut(order, {
      coordinate: async left =>
        toPutResult(await this.#coordinator.delete(order.key, { ...order.options, ...left })),
      fromAnswer: toForwardedPut
    })
  }

  async locate(key: Key, options?: UserCallOptions): Promise<Location> {
    const checked = checkKey(key)
    return this.#asking(options, async left => {
      await this.#contact.refresh(left)
      return locate(this.#topology(), checked)
    })
  }

  async members(options?: UserCallOptions): Promise<MemberInfo[]> {
    return this.#asking(options, async left => {
      await this.#contact.refresh(left)
      return membersOf({
        topology: this.#topology(),
        addresses: this.#components.transport.addresses,
        livenessOf: member => this.#contact.livenessOf(member)
      })
    })
  }

  async status(options?: UserCallOptions): Promise<Status> {
    return this.#asking(options, async left => {
      const { description } = await this.#contact.ask({ describe: { cluster: true } }, left)
      if (description === undefined) throw noAnswer('a status')
      // Shown, never acted on; the peer that made it is trusted with more than that.
      return fromJson(description.json) as Status
    })
  }

  async plan(change: Change, options?: PlanOptions): Promise<Plan> {
    return this.#ongoing.run(checkChange(options), async signal => {
      const call = { deadlineMs: measureTimeoutMs, signal }
      const topology = async (): Promise<Topology> => {
        await this.#contact.refresh(call)
        return this.#topology()
      }
      const measure = (question: Question, epoch: number): Promise<Measured> =>
        this.#measure(question, epoch, call)
      return planChange({ topology, measure }, change, options)
    })
  }

  async #measure(question: Question, epoch: number, call: CheckedOptions): Promise<Measured> {
    const response = await this.#contact.ask({ measureRanges: toMeasureRanges(question, true) }, call)
    const measured = fromRangesMeasured(response.rangesMeasured, question)
    if (response.epoch === epoch && measured !== undefined) return measured
    throw new EpochMovedError(`the peer asked is at epoch ${response.epoch}, or no more at ${epoch}`)
  }

  async *keys(options?: UserCallOptions): AsyncGenerator<Uint8Array, void> {
    let after: Uint8Array = new Uint8Array()
    for (let finished = false; !finished;) {
      const page = await this.#asking(options, async left => {
        const { keyPage } = await this.#contact.ask({ listKeys: { after, cluster: true } }, left)
        if (keyPage === undefined) throw noAnswer('a listing')
        return keyPage
      })
      yield* page.keys
      after = page.after
      finished = page.finished
    }
  }

  async leave(peerId?: string, options?: ChangeOptions): Promise<void> {
    await this.#change(peerId, leave => ({ leave, acceptLoss: false }), options)
  }

  async remove(peerId: string, options?: ChangeOptions & { readonly acceptLoss?: boolean }): Promise<void> {
    const acceptLoss = options?.acceptLoss ?? false
    await this.#change(peerId, remove => ({ remove, acceptLoss }), options)
  }

  /** The peer that answers first declares it, or refuses: of another one that is asked after it, the same is true. */
  async restore(survivors: readonly string[], options: RestoreOptions = {}): Promise<Restoration> {
    return this.#ongoing.run(checkChange(options), async signal => {
      const call = { deadlineMs: restoreTimeoutMs, signal }
      const { restore } = await this.#contact.ask({ restore: toRestore(survivors, options) }, call)
      if (restore === undefined) throw noAnswer('what becomes of the cluster')
      return fromRestoreAnswer(restore)
    })
  }

  /** A call that asks something and changes nothing; `ask` is told what time is left and its signal. */
  #asking<T>(options: UserCallOptions | undefined, ask: (left: CheckedOptions) => Promise<T>): Promise<T> {
    const { deadlineMs, signal: given } = checkCall(options)
    return this.#ongoing.run({ signal: given }, signal => ask({ deadlineMs, signal }))
  }

  /** Has an operation coordinated, here or by a peer, and gives its outcome. */
  #carryOut<T>(order: Order, ways: Ways<T>): Promise<T> {
    const deadlineAt = this.#components.clock.monotonic() + order.options.deadlineMs
    return this.#ongoing.run(order.options, signal =>
      this.#orders.carryOut(order, ways, { deadlineAt, signal })
    )
  }

  #change(
    peerId: string | undefined,
    wish: (member: MemberId) => Wish,
    options?: ChangeOptions
  ): Promise<void> {
    return this.#ongoing.run(checkChange(options), signal =>
      this.#changes.change(peerId, wish, { ...options, signal })
    )
  }

  #topology(): Topology {
    if (this.#log.current !== undefined) return this.#log.current
    throw new AnnulusError('ERR_UNREACHABLE', 'the peer asked is not in a cluster yet')
  }

  #greeting(): Greeting {
    const { current, epoch } = this.#log
    return {
      network: this.#init.network ?? peerDefaults.network,
      clusterId: current?.clusterId ?? '',
      generation: current?.generation ?? 0,
      role: 'client',
      life: '',
      boot: 0,
      epoch
    }
  }
}

function noAnswer(what: string): AnnulusError {
  return new AnnulusError('ERR_INTERNAL', `the peer did not answer with ${what}`)
}

/** Whether a request failed since no channel could be opened; a dial that nobody answers takes its whole time. */
function isUndialable({ failure, delivered }: TransportError): boolean {
  return failure === 'unreachable' || (failure === 'timeout' && !delivered)
}
