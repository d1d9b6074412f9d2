/**
 * Everything that a peer runs in one of its lives, put together over the ports: the log's acceptor and
 * steward, liveness, registers and movement; life-routes.ts has the table of requests that they serve. A peer that is
 * removed and joins anew gets another one of these.
 */
import { hash } from 'node:crypto'
import type { TransferEvent } from '../api.ts'
import { openAccess, type Access } from './access.ts'
import { lifeRoutes } from './life-routes.ts'
import { memberKey, type MemberId } from './member.ts'
import type { Clock, Logger, Random, ServeContext, Store, Transport } from './ports.ts'
import type { CallOptions, RequestBody, ResponseBody } from './rpc-types.ts'
import { Quota } from './quota.ts'
import { Restorer } from './restore.ts'
import { Purger } from './purge/purger.ts'
import { VisibleStore } from './purge/visible-store.ts'
import { Coordinator } from './register/coordinator.ts'
import { Replica } from './register/replica.ts'
import { HybridClock } from './record/hybrid-clock.ts'
import { writerBytes } from './record/version.ts'
import { Liveness } from './liveness/liveness.ts'
import { Admission } from './movement/admission.ts'
import { domainsFollowing, type Domains } from './movement/domains.ts'
import { Mover } from './movement/mover.ts'
import { NodeSums } from './movement/node-sums.ts'
import { Scrubber } from './movement/scrubber.ts'
import { ReconcileResponder } from './movement/reconcile-responder.ts'
import { MovementSource } from './movement/source.ts'
import { RegisterLoad } from './movement/register-load.ts'
import { Throttle } from './movement/throttle.ts'
import { Measurer } from './plan/measurer.ts'
import { CatchUp } from './requests/catch-up.ts'
import { Dispatcher, type LifeRoutes, type PeerRoutes } from './requests/dispatcher.ts'
import { RemoteCalls } from './requests/calls.ts'
import type { Refusals } from './requests/refusals.ts'
import { SentRecords } from './requests/sent-records.ts'
import { Acceptor } from './topology/acceptor.ts'
import type { TopologyLog } from './topology/log.ts'
import { Petitioner } from './topology/petitioner.ts'
import { Proposer } from './topology/proposer.ts'
import { defaultTombstoneGraceMs } from './topology/purge.ts'
import { PurgeReporter } from './topology/purge-reporter.ts'
import { Reporter } from './topology/reporter.ts'
import { Steward } from './topology/steward.ts'

export interface LifeComponents {
  /** See DispatcherComponents. */
  readonly access?: Access
  readonly clock: Clock
  readonly random: Random
  readonly transport: Transport
  readonly store: Store
  readonly log: TopologyLog
  readonly logger: Logger
  /** Counts what others say wrongly; outlives the life. */
  readonly refusals: Refusals
}

export interface LifeInit {
  readonly self: MemberId
  readonly boot: number
  /** After so many ms of being down a member is removed; 0: never. */
  readonly removeAfterMs: number
  /** How old a tombstone or an expired record is before a purge is tried, in ms. Default 24 h. */
  readonly tombstoneGraceMs?: number
  /** What records it sends and fetches in bulk may take, in bytes per second. Default 32 MiB. */
  readonly transferBytesPerSecond?: number
  /** At what rate it reads its records to find what has gone bad, in bytes per second; 0: never. Default 1 MiB. */
  readonly scrubBytesPerSecond?: number
  /** Bytes of records that it may hold. Default: any number. */
  readonly maxDiskBytes?: number
  /** True where this member may have missed writes. */
  readonly isReturning: boolean
  readonly onTransfer?: (event: TransferEvent) => void
  /** See Purger. */
  readonly onPurged?: (purgedBefore: number, records: number) => void
  /** Requests that concern the peer as a whole rather than one of its parts. */
  readonly routes: PeerRoutes
  /** Another process runs as this peer: a copied data folder. This life must end. */
  readonly onDuplicate: (reason: string) => void
}

export class Life {
  readonly self: MemberId
  readonly boot: number
  readonly liveness: Liveness
  readonly coordinator: Coordinator
  readonly petitioner: Petitioner
  readonly mover: Mover
  readonly measurer: Measurer
  readonly restorer: Restorer
  readonly calls: RemoteCalls
  readonly sent: SentRecords
  readonly quota: Quota
  readonly dispatcher: Dispatcher
  readonly steward: Steward
  readonly #components: LifeComponents
  readonly #acceptor: Acceptor
  readonly #proposer: Proposer
  readonly #store: Store
  readonly #purger: Purger
  readonly #scrubber: Scrubber
  readonly #purgeReporter: PurgeReporter
  readonly #domains: () => Domains | undefined
  readonly #sums: NodeSums
  readonly #load = new RegisterLoad()
  readonly #throttle: Throttle
  #forgetLog: (() => void) | undefined

  constructor(components: LifeComponents, init: LifeInit) {
    const { clock, random, transport, store, log, logger, refusals } = components
    const { self, boot, tombstoneGraceMs = defaultTombstoneGraceMs } = init
    this.self = self
    this.boot = boot
    this.#components = components

    this.sent = new SentRecords({ logger })
    const calls = new RemoteCalls(
      { transport, log, logger, sent: this.sent, refusals },
      {
        self,
        serveLocally: (request, options) => this.#serveOwn(request, options),
        onFailure: (to, error) => {
          if (error.refusal?.code === 'duplicate') init.onDuplicate(error.refusal.reason)
          if (error.failure === 'timeout' || error.failure === 'lost') liveness.probeSoon(to)
        }
      }
    )
    const liveness = new Liveness(
      { clock, random, calls, addresses: transport.addresses, logger, refusals },
      { self, boot, onReturn: () => this.mover.refresh() }
    )
    liveness.onChange((member, state) => {
      if (state === 'alive') this.mover.reachable(member)
    })
    const acceptor = new Acceptor({ store, log }, { self })
    const proposer = new Proposer({ clock, random, calls, log, logger }, { self, boot })
    const reporter = new Reporter({ clock, random, calls, log, logger }, { self })
    this.calls = calls
    this.liveness = liveness
    this.#acceptor = acceptor
    this.#proposer = proposer
    this.petitioner = new Petitioner({ clock, random, calls, log, logger })
    this.steward = new Steward(
      { clock, random, log, proposer, liveness, logger },
      { self, removeAfterMs: init.removeAfterMs, tombstoneGraceMs }
    )
    this.quota = new Quota({ store, clock, logger }, { maxBytes: init.maxDiskBytes })
    this.#store = new VisibleStore({ store, topology: () => log.current, quota: this.quota }, { self })
    this.#purger = new Purger(
      { clock, random, store, log, logger, onPurged: init.onPurged },
      { tombstoneGraceMs }
    )
    this.#purgeReporter = new PurgeReporter(
      {
        clock,
        random,
        calls,
        log,
        store,
        reconciled: () => this.mover.reconciled(),
        oldest: () => this.#purger.oldest,
        logger
      },
      { self, tombstoneGraceMs }
    )
    this.coordinator = new Coordinator(
      {
        clock,
        hybridClock: new HybridClock({ clock }),
        random,
        calls,
        topology: log,
        livenessOf: member => liveness.livenessOf(member),
        logger
      },
      { self, writer: writerOf(self, boot) }
    )
    this.#domains = domainsFollowing(self, () => log.current)
    this.#sums = new NodeSums({ store: this.#store })
    this.#throttle = new Throttle(
      { clock },
      { isBusy: () => this.#load.isBusy, bytesPerSecond: init.transferBytesPerSecond }
    )
    this.mover = new Mover(
      {
        calls,
        store: this.#store,
        sums: this.#sums,
        throttle: this.#throttle,
        clock,
        random,
        logger,
        domains: this.#domains,
        isAlive: member => liveness.isAlive(member),
        report: (epoch, signal) => reporter.report(epoch, signal),
        onTransfer: init.onTransfer
      },
      { self, isReturning: init.isReturning }
    )
    this.#scrubber = new Scrubber(
      {
        // The store as it is: what has been purged lies there until it is dropped.
        store,
        clock,
        random,
        logger,
        isBusy: () => this.#load.isBusy,
        onMiscounted: () => this.mover.refresh()
      },
      { bytesPerSecond: init.scrubBytesPerSecond }
    )
    this.measurer = new Measurer(
      {
        calls,
        store: this.#store,
        topology: () => log.current,
        livenessOf: member => liveness.livenessOf(member),
        logger
      },
      { self }
    )
    this.restorer = new Restorer({ calls, log, random, liveness, logger }, { self })
    const catchUp = new CatchUp({ calls, log, logger })
    const access = components.access ?? openAccess()
    this.dispatcher = new Dispatcher(
      { log, catchUp, access, logger, sent: this.sent, refusals },
      { ...this.#routes(), ...init.routes }
    )
  }

  /** Reads what the acceptor promised. Throws where that is damaged: this life must not go on then. */
  async load(): Promise<void> {
    await this.#acceptor.load()
  }

  start(): void {
    const { log } = this.#components
    this.#forgetLog = log.onChange(() => this.#followLog())
    this.#followLog()
    this.liveness.start()
    this.steward.start()
    this.mover.start()
    this.#scrubber.start()
    this.#purger.start()
    this.#purgeReporter.start()
  }

  async stop(): Promise<void> {
    this.#forgetLog?.()
    this.steward.stop()
    this.liveness.stop()
    await this.mover.stop()
    await this.#scrubber.stop()
    await this.#purgeReporter.stop()
    await this.#purger.stop()
    await this.#proposer.stop()
  }

  /** The transport's `serve`. */
  serve(body: Uint8Array, context: ServeContext): Promise<Uint8Array> {
    return this.dispatcher.serve(body, context)
  }

  /** The others that count for a ring in force, each in its newest life. */
  others(): MemberId[] {
    const { log } = this.#components
    return log.current?.newestLives.filter(({ peerId }) => peerId !== this.self.peerId) ?? []
  }

  #followLog(): void {
    this.liveness.setMembers(this.others())
    this.mover.topologyChanged()
  }

  #routes(): LifeRoutes {
    const { clock, log, logger, refusals, transport } = this.#components
    const store = this.#store
    const admission = new Admission({ throttle: this.#throttle })
    return lifeRoutes({
      self: this.self,
      log,
      acceptor: this.#acceptor,
      steward: this.steward,
      petitioner: this.petitioner,
      liveness: this.liveness,
      addresses: transport.addresses,
      others: () => this.others(),
      replica: new Replica({ store, logger, quota: this.quota, clock, refusals }),
      load: this.#load,
      source: new MovementSource({ store, admission }),
      responder: new ReconcileResponder({
        store,
        sums: this.#sums,
        admission,
        domains: this.#domains,
        onEqual: member => this.mover.foundEqual(member)
      }),
      measurer: this.measurer
    })
  }

  #serveOwn(request: RequestBody, options: CallOptions): Promise<ResponseBody> {
    const { log, transport } = this.#components
    const from = {
      ...this.self,
      peerId: transport.peerId,
      network: log.current?.network ?? '',
      clusterId: log.current?.clusterId ?? '',
      generation: log.current?.generation ?? 0,
      role: 'peer' as const,
      boot: this.boot,
      epoch: log.epoch
    }
    const signal = options.signal ?? new AbortController().signal
    return this.dispatcher.serveLocally(request, { from, signal, timeoutMs: options.timeoutMs })
  }
}

/** 16 bytes that no other peer, life or boot has: a stamp is never used twice. */
function writerOf(self: MemberId, boot: number): Uint8Array {
  return hash('sha256', `${memberKey(self)}/${boot}`, 'buffer').subarray(0, writerBytes)
}
