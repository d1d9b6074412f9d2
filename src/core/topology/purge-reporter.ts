/**
 * Tells the acceptors, now and then, that this member is ready for a purge: since when it is reconciled with
 * all, and how old the oldest is that a purge would drop. Used by a peer's life, fed by movement and the purger.
 */
import type { MemberId } from '../member.ts'
import type { Clock, Logger, Random, Store } from '../ports.ts'
import type { Calls } from '../rpc-types.ts'
import type { TopologyLog } from './log.ts'
import { pause } from './pause.ts'
import { stepsPerGrace, type PurgeReport } from './purge.ts'
import { tellAcceptors } from './reporter.ts'

/** Between two reports, in ms; jittered by half. A purge can wait for a minute, and a thousand members report. */
const reportEveryMs = 60_000

const microsecondsPerMs = 1000

/** What movement has reconciled. */
export interface ReconciledState {
  /** The epoch of all its sessions. */
  readonly epoch: number
  /**
   * Monotonic time in ms. In sessions of that epoch that began then or later, this member has made all ranges
   * that it replicates equal with each of their other replicas, both ways; it has seen after then that its store
   * holds no foreign record; and neither end had a damaged record among these.
   */
  readonly sinceMs: number
}

export interface PurgeReporterComponents {
  readonly clock: Clock
  readonly random: Random
  readonly calls: Calls
  readonly log: TopologyLog
  readonly store: Pick<Store, 'writeMeta'>
  /** Undefined where that cannot be said: then nothing is reported, and nothing purged. */
  readonly reconciled: () => ReconciledState | undefined
  /** See Purger.oldest. */
  readonly oldest: () => number | undefined
  readonly logger: Logger
}

export interface PurgeReporterInit {
  readonly self: MemberId
  readonly tombstoneGraceMs: number
}

export class PurgeReporter {
  readonly #components: PurgeReporterComponents
  readonly #self: MemberId
  readonly #reportEveryMs: number
  readonly #stop = new AbortController()
  #running: Promise<void> | undefined
  #stopListening: (() => void) | undefined
  /** Since when the store holds all that was accepted before the epoch in force; monotonic time in ms. */
  #settled: { readonly epoch: number; readonly atMs: number } | undefined

  constructor(components: PurgeReporterComponents, { self, tombstoneGraceMs }: PurgeReporterInit) {
    this.#components = components
    this.#self = self
    this.#reportEveryMs = Math.min(reportEveryMs, tombstoneGraceMs / stepsPerGrace)
  }

  start(): void {
    this.#stopListening ??= this.#components.log.onChange(() => void this.#settle())
    void this.#settle()
    this.#running ??= this.#run()
  }

  async stop(): Promise<void> {
    this.#stopListening?.()
    this.#stop.abort()
    await this.#running
  }

  async #run(): Promise<void> {
    const { clock, random } = this.#components
    const { signal } = this.#stop
    for (;;) {
      await pause(clock, this.#reportEveryMs * (0.75 + random.float() / 2), signal)
      if (signal.aborted) return
      // Where the disk failed at it when the epoch moved.
      await this.#settle()
      const epoch = this.#components.log.current?.epoch
      const report = this.#report()
      if (epoch === undefined || report === undefined) continue
      const { peerId, life } = this.#self
      await tellAcceptors(
        this.#components,
        { epoch, member: { peerId, life }, reconciled: { ...report } },
        signal
      )
    }
  }

  /** What there is to say of the epoch in force, if anything. */
  #report(): PurgeReport | undefined {
    const { clock, log, reconciled, oldest } = this.#components
    const topology = log.current
    const state = reconciled()
    const oldestUs = oldest()
    if (topology === undefined || topology.transition !== undefined) return undefined
    if (state === undefined || oldestUs === undefined) return undefined
    const settled = this.#settled
    if (state.epoch !== topology.epoch || settled?.epoch !== topology.epoch) return undefined
    if (state.sinceMs < settled.atMs) return undefined
    const agoMs = clock.monotonic() - state.sinceMs
    return { since: Math.floor((clock.now() - agoMs) * microsecondsPerMs), oldest: oldestUs }
  }

  /**
   * Sessions count that begin when all merges called at older epochs are on disk. One that is not yet could bring
   * a tombstone, of a delete that has ended long since, to this member alone; a get would spread it to a quorum,
   * and what it deletes would be back when it is purged.
   */
  async #settle(): Promise<void> {
    const { clock, log, store, logger } = this.#components
    const epoch = log.current?.epoch
    if (epoch === undefined || this.#settled?.epoch === epoch) return
    try {
      // Changes nothing, but takes its turn: the store deals with changes in the order of the calls.
      await store.writeMeta([])
      if (log.current?.epoch === epoch) this.#settled = { epoch, atMs: clock.monotonic() }
    } catch (error) {
      logger.debug('no purge at this epoch: the disk failed', { epoch, error: String(error) })
    }
  }
}
