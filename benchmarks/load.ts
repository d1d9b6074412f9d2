/** A closed loop: so many operations are under way at all times, each followed by the next. */
import { build, type Histogram } from 'hdr-histogram-js'
import { ownProcessorMs, processorMsOf } from './processor-time.ts'

/** Latencies are kept in microseconds, with three digits, up to a minute: the longest deadline. */
const histogramShape = {
  lowestDiscernibleValue: 1,
  highestTrackableValue: 60_000_000,
  numberOfSignificantValueDigits: 3
} as const

export interface LoadInit {
  readonly inFlight: number
  readonly warmUpMs: number
  readonly measureMs: number
  readonly signal: AbortSignal
}

/** What was measured of one case, of any number of parts. */
export class Measurement {
  readonly #latencies: Histogram = build(histogramShape)
  readonly #others: readonly number[]
  #measuredMs = 0
  #ownMs = 0
  #othersMs: number | undefined = 0

  /** `others`: ids of the processes whose processor time counts for the operations, besides this one's. */
  constructor(others: readonly number[]) {
    this.#others = others
  }

  get operationsPerSecond(): number {
    return (this.#latencies.totalCount * 1000) / this.#measuredMs
  }

  /** From call to answer, in microseconds. */
  percentileUs(percentile: number): number {
    return this.#latencies.getValueAtPercentile(percentile)
  }

  /** Processor time of this process for one operation, in microseconds. */
  get ownProcessorUs(): number {
    return this.#each(this.#ownMs)
  }

  /** Processor time of the other processes for one operation, in microseconds; undefined where unknown. */
  get othersProcessorUs(): number | undefined {
    return this.#othersMs === undefined ? undefined : this.#each(this.#othersMs)
  }

  /** Runs a part more. The first operation that fails ends it with its error. */
  async add(operation: () => Promise<unknown>, init: LoadInit): Promise<void> {
    const { inFlight, warmUpMs, measureMs, signal } = init
    await loop(operation, { inFlight, signal, durationMs: warmUpMs })
    const ownBefore = ownProcessorMs()
    const othersBefore = processorMsOf(this.#others)
    const startedAt = performance.now()
    const took = (ms: number): void => this.#latencies.recordValue(ms * 1000)
    await loop(operation, { inFlight, signal, durationMs: measureMs, took })
    this.#measuredMs += performance.now() - startedAt
    this.#ownMs += ownProcessorMs() - ownBefore
    const othersAfter = processorMsOf(this.#others)
    if (this.#othersMs === undefined || othersBefore === undefined || othersAfter === undefined) {
      this.#othersMs = undefined
    } else {
      this.#othersMs += othersAfter - othersBefore
    }
  }

  #each(ms: number): number {
    return (ms * 1000) / this.#latencies.totalCount
  }
}

interface LoopInit {
  readonly inFlight: number
  readonly durationMs: number
  readonly signal: AbortSignal
  /** Told how long each operation took, in ms. */
  readonly took?: (ms: number) => void
}

/** Begins operations for so long; resolves when the last has ended. */
export async function loop(operation: () => Promise<unknown>, init: LoopInit): Promise<void> {
  const { inFlight, durationMs, signal, took } = init
  const endAt = performance.now() + durationMs
  const oneAfterTheOther = async (): Promise<void> => {
    for (;;) {
      signal.throwIfAborted()
      const calledAt = performance.now()
      if (calledAt >= endAt) return
      await operation()
      took?.(performance.now() - calledAt)
    }
  }
  await Promise.all(Array.from({ length: inFlight }, oneAfterTheOther))
}
