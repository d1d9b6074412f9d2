/** A closed loop: so many operations are under way at all times, each followed by the next. */
import { setImmediate as nextTurn } from 'node:timers/promises'
import {
  build,
  decodeFromCompressedBase64,
  encodeIntoCompressedBase64,
  type Histogram
} from 'hdr-histogram-js'
import { ownProcessorMs } from './processor-time.ts'

/** Latencies are kept in microseconds, with three digits, up to a minute: the longest deadline. */
const histogramShape = {
  lowestDiscernibleValue: 1,
  highestTrackableValue: 60_000_000,
  numberOfSignificantValueDigits: 3
} as const

/** From so many failures on, a part of which most operations fail ends: it measures nothing. */
const maxFailures = 100

export interface PartInit {
  readonly inFlight: number
  readonly durationMs: number
  readonly signal: AbortSignal
}

/** What one part of a measurement has found. */
export interface Part {
  /** In microseconds, from call to answer, of the operations that succeeded. */
  readonly latencies: Histogram
  readonly tookMs: number
  /** Processor time of the process that asked, in ms. */
  readonly requesterMs: number
  readonly failures: number
}

/** Loads something for a while, from this process or from another. */
export type Load = (init: PartInit) => Promise<Part>

export function newHistogram(): Histogram {
  return build(histogramShape)
}

/** For another process. */
export function encodeHistogram(histogram: Histogram): string {
  return encodeIntoCompressedBase64(histogram)
}

export function decodeHistogram(text: string): Histogram {
  return decodeFromCompressedBase64(text)
}

/** Loads with this operation from this process. */
export function loadOf(operation: () => Promise<unknown>): Load {
  return init => runPart(operation, init)
}

/** Throws the last error where most operations fail, and the signal's reason once it is aborted. */
async function runPart(operation: () => Promise<unknown>, init: PartInit): Promise<Part> {
  const { inFlight, durationMs, signal } = init
  const latencies = newHistogram()
  let failures = 0
  let lastError: unknown
  const processorBefore = ownProcessorMs()
  const startedAt = performance.now()
  const oneAfterTheOther = async (): Promise<void> => {
    for (;;) {
      signal.throwIfAborted()
      const calledAt = performance.now()
      if (calledAt >= startedAt + durationMs) return
      try {
        await operation()
        latencies.recordValue((performance.now() - calledAt) * 1000)
      } catch (error) {
        failures++
        lastError = error
        if (failures > Math.max(maxFailures, latencies.totalCount)) throw error
        await nextTurn()
      }
    }
  }
  await Promise.all(Array.from({ length: inFlight }, oneAfterTheOther))
  if (failures > latencies.totalCount) throw lastError
  return {
    latencies,
    tookMs: performance.now() - startedAt,
    requesterMs: ownProcessorMs() - processorBefore,
    failures
  }
}
