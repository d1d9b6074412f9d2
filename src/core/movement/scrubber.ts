/**
 * Reads all that a member holds over and over, in ring order and at a modest rate, so that what has gone bad on its disk
 * is found also where nobody asks for it. A damaged record is repaired as one is that somebody has read (repairer.ts);
 * where one is gone without a trace, the fingerprints say so again, and reconciling brings it back. Runs beside the
 * mover, in each life.
 */
import type { Clock, Logger, Random, ScrubbedPart, Store } from '../ports.ts'
import { slotCount } from '../record/fingerprints.ts'
import { orAbort, sleep } from '../time.ts'
import { pause } from '../topology/pause.ts'

/** Bytes per second: a terabyte takes twelve days, and no disk or processor notices. */
export const defaultScrubBytesPerSecond = 1024 * 1024

/** A small record counts for so many bytes, as reading it costs more than its bytes do. */
const leastRecordBytes = 1024

/** Records, by the fingerprints, of the slots that are read in one go. */
const recordsAtOnce = 256

/** From the beginning of a pass to that of the next, in ms, at the least: what little there is need not be read so often. */
const leastPassMs = 60_000

/** How long it stands back while requests for keys are being served, in ms. */
const yieldMs = 5

/** The longest rest at a time, in ms, at whatever rate: far from what timers take at the most. */
const maxRestMs = 3_600_000

/** Before it goes on where reading failed, in ms. */
const failedPauseMs = 5_000

export interface ScrubberComponents {
  readonly store: Pick<Store, 'fingerprints' | 'scrub'>
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  /** Whether requests for keys are being served now. */
  readonly isBusy: () => boolean
  /** Told when the fingerprints were put right: what they hid is to be reconciled now. */
  readonly onMiscounted: () => void
}

export interface ScrubberInit {
  /** 0: nothing is ever read. Default: `defaultScrubBytesPerSecond`. */
  readonly bytesPerSecond?: number | undefined
}

export class Scrubber {
  readonly #components: ScrubberComponents
  readonly #bytesPerMs: number
  readonly #stop = new AbortController()
  #running: Promise<void> | undefined

  constructor(
    components: ScrubberComponents,
    { bytesPerSecond = defaultScrubBytesPerSecond }: ScrubberInit = {}
  ) {
    this.#components = components
    this.#bytesPerMs = bytesPerSecond / 1000
  }

  start(): void {
    if (this.#bytesPerMs > 0) this.#running ??= this.#run()
  }

  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#running
  }

  async #run(): Promise<void> {
    const { clock, random, store } = this.#components
    const { signal } = this.#stop
    // A peer that is started anew before a pass is over would never come to the ring's end.
    let slot = Math.floor(random.float() * slotCount)
    await orAbort(store.fingerprints.completed, signal, () => signal.reason).catch(() => undefined)
    while (!signal.aborted) {
      const untilMs = clock.monotonic() + leastPassMs * (0.75 + random.float() / 2)
      slot = await this.#pass(slot)
      await pause(clock, untilMs - clock.monotonic(), signal)
    }
  }

  /** Once around the ring. Gives where the next pass is to begin. */
  async #pass(start: number): Promise<number> {
    let slot = start
    for (let left = slotCount; left > 0;) {
      const end = this.#endOfStep(slot, Math.min(slotCount, slot + left))
      await this.#scrub(slot, end)
      if (this.#stop.signal.aborted) break
      left -= end - slot
      slot = end % slotCount
    }
    return slot
  }

  /** So far from a slot that there are some records to be read, or to the limit. */
  #endOfStep(first: number, limit: number): number {
    const { fingerprints } = this.#components.store
    let records = 0
    for (let slot = first; slot < limit; slot++) {
      records += fingerprints.sum(slot, slot + 1).count
      if (records >= recordsAtOnce) return slot + 1
    }
    return limit
  }

  async #scrub(first: number, end: number): Promise<void> {
    const { clock, store, logger, onMiscounted } = this.#components
    const { signal } = this.#stop
    try {
      const scrubbing = store.scrub(first, end, read => this.#pace(read))
      const { damaged, miscounted } = await orAbort(scrubbing, signal, () => signal.reason)
      if (damaged > 0) logger.info('has found damaged records on the disk', { records: damaged })
      if (miscounted === 0) return
      logger.warn('records had gone or come without a trace and will be reconciled', { slots: miscounted })
      onMiscounted()
    } catch (error) {
      if (signal.aborted) return
      logger.warn('reading what is on the disk failed and goes on behind it', { error: String(error) })
      await pause(clock, failedPauseMs, signal)
    }
  }

  /** Throws when this is stopped. */
  async #pace({ records, bytes }: ScrubbedPart): Promise<void> {
    const { clock, isBusy } = this.#components
    const restMs = Math.max(bytes, records * leastRecordBytes) / this.#bytesPerMs
    await sleep(clock, Math.min(maxRestMs, Math.max(restMs, isBusy() ? yieldMs : 0)), this.#stop.signal)
  }
}
