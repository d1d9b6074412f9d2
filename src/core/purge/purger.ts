/**
 * Drops what has been purged from this member's store, in the background, and knows the oldest record that a
 * later purge would drop. What there is to drop follows from the store and the topology alone, so after a
 * restart it begins again and finds what is left.
 */
import type { CancelSignal } from '../canceller.ts'
import type { Clock, Logger, Random, Store } from '../ports.ts'
import { endOf } from '../record/purged.ts'
import type { RecordHead } from '../record/record.ts'
import { wholeRing } from '../ring/range.ts'
import { stepsPerGrace } from '../topology/purge.ts'
import type { TopologyLog } from '../topology/log.ts'
import { linked, pause } from '../topology/pause.ts'

/** Heads looked at in one go, in which nothing else is read from the store. */
const batchRecords = 256

/** Between two such goes, in ms: a million records take 40 s, and requests hardly notice. */
const batchPauseMs = 10

/** Before a sweep that failed is made again, in ms. */
const retryMs = 5_000

export interface PurgerComponents {
  readonly clock: Clock
  readonly random: Random
  /** The store as it is, what has been purged included. */
  readonly store: Pick<Store, 'heads' | 'drop' | 'writeMeta'>
  readonly log: Pick<TopologyLog, 'current'> & { onChange(listener: () => void): () => void }
  readonly logger: Logger
  /** Told when what a purge made an end of has been dropped here: before what time, and how many records. */
  readonly onPurged?: ((purgedBefore: number, records: number) => void) | undefined
}

export interface PurgerInit {
  readonly tombstoneGraceMs: number
}

export class Purger {
  readonly #components: PurgerComponents
  readonly #sweepEveryMs: number
  readonly #stop = new AbortController()
  #wake: (() => void) | undefined
  #running: Promise<void> | undefined
  #stopListening: (() => void) | undefined
  /** What the latest whole sweep came to. */
  #swept: { readonly purgedBefore: number; readonly oldest: number } | undefined

  constructor(components: PurgerComponents, { tombstoneGraceMs }: PurgerInit) {
    this.#components = components
    this.#sweepEveryMs = tombstoneGraceMs / stepsPerGrace
  }

  start(): void {
    this.#stopListening ??= this.#components.log.onChange(() => {
      if (this.#isBehind) this.#wake?.()
    })
    this.#running ??= this.#run()
  }

  async stop(): Promise<void> {
    this.#stopListening?.()
    this.#stop.abort()
    await this.#running
  }

  /**
   * A purge of all before a later time than this drops something here: microseconds since 1970, rounded up; 0
   * where none does. Undefined while what the latest purge made an end of is still being dropped.
   */
  get oldest(): number | undefined {
    return this.#isBehind ? undefined : this.#swept?.oldest
  }

  get #purgedBefore(): number {
    return this.#components.log.current?.purgedBefore ?? 0
  }

  get #isBehind(): boolean {
    return this.#purgedBefore > (this.#swept?.purgedBefore ?? 0)
  }

  async #run(): Promise<void> {
    const { random, logger } = this.#components
    const { signal } = this.#stop
    // Where nothing was ever purged, a start has better things to do.
    let restMs = this.#isBehind ? 0 : this.#sweepEveryMs * random.float()
    for (;;) {
      await this.#rest(restMs)
      if (signal.aborted) return
      restMs = this.#sweepEveryMs * (0.75 + random.float() / 2)
      try {
        await this.#sweep(signal)
      } catch (error) {
        logger.warn('dropping what was purged failed and will be tried again', { error: String(error) })
        restMs = retryMs
      }
      // Another purge may have come into force meanwhile.
      if (restMs !== retryMs && this.#isBehind) restMs = 0
    }
  }

  async #sweep(signal: CancelSignal): Promise<void> {
    const { clock, store, logger, onPurged } = this.#components
    const purgedBefore = this.#purgedBefore
    let oldest = Infinity
    let dropped = 0
    // Behind all merges that were called at an older epoch: what they bring must not be passed over.
    await store.writeMeta([])
    for await (const heads of this.#pages(signal)) {
      const drops: Array<Promise<boolean>> = []
      for (const head of heads) {
        const end = endOf(head) ?? Infinity
        if (end < purgedBefore) drops.push(store.drop(head.position, head.version))
        else oldest = Math.min(oldest, end)
      }
      dropped += (await Promise.all(drops)).filter(Boolean).length
      await pause(clock, batchPauseMs, signal)
      if (signal.aborted) return
    }
    this.#swept = { purgedBefore, oldest: oldest === Infinity ? 0 : Math.ceil(oldest) }
    if (dropped === 0) return
    logger.info('has dropped what was purged', { records: dropped })
    onPurged?.(purgedBefore, dropped)
  }

  async *#pages(signal: CancelSignal): AsyncGenerator<RecordHead[], void> {
    const { store } = this.#components
    let heads = await store.heads(wholeRing, { limit: batchRecords })
    while (heads.length > 0 && !signal.aborted) {
      yield heads
      if (heads.length < batchRecords) return
      heads = await store.heads(wholeRing, { limit: batchRecords, after: heads.at(-1)!.position })
    }
  }

  /** Until the time is up, or a purge comes into force. */
  async #rest(ms: number): Promise<void> {
    const woken = linked(this.#stop.signal)
    this.#wake = woken.abort
    await pause(this.#components.clock, ms, woken.signal)
    this.#wake = undefined
    woken.release()
  }
}
