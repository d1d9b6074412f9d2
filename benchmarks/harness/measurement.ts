/** What was measured of one case, in parts with others in between. */
import type { Histogram } from 'hdr-histogram-js'
import { newHistogram, type Load } from './load.ts'
import { processorMsOf } from './processor-time.ts'

export interface MeasurementInit {
  readonly load: Load
  readonly inFlight: number
  /** Ids of the processes whose processor time counts for the operations, besides the requester's. */
  readonly servers: readonly number[]
}

export interface AddInit {
  readonly warmUpMs: number
  readonly measureMs: number
  readonly signal: AbortSignal
}

export class Measurement {
  readonly inFlight: number
  readonly #load: Load
  readonly #servers: readonly number[]
  readonly #latencies: Histogram = newHistogram()
  /** Operations per second of each part, in order: what is held against the parts of another case. */
  readonly rates: number[] = []
  /** Operations that failed while it was measured. */
  failures = 0
  #measuredMs = 0
  #requesterMs = 0
  #serversMs: number | undefined = 0

  constructor({ load, inFlight, servers }: MeasurementInit) {
    this.#load = load
    this.inFlight = inFlight
    this.#servers = servers
  }

  get operationsPerSecond(): number {
    return (this.#latencies.totalCount * 1000) / this.#measuredMs
  }

  /** From call to answer, in microseconds. */
  percentileUs(percentile: number): number {
    return this.#latencies.getValueAtPercentile(percentile)
  }

  /** Processor time of the requesting process for one operation, in microseconds. */
  get requesterCpuUs(): number {
    return this.#each(this.#requesterMs)
  }

  /** Processor time of the processes that serve, together, for one operation, in microseconds; undefined where unknown. */
  get serversCpuUs(): number | undefined {
    return this.#serversMs === undefined ? undefined : this.#each(this.#serversMs)
  }

  /** Measures a part more. Throws where most operations fail. */
  async add({ warmUpMs, measureMs, signal }: AddInit): Promise<void> {
    const { inFlight } = this
    await this.#load({ inFlight, signal, durationMs: warmUpMs })
    const before = processorMsOf(this.#servers)
    const part = await this.#load({ inFlight, signal, durationMs: measureMs })
    const after = processorMsOf(this.#servers)
    this.#latencies.add(part.latencies)
    this.rates.push((part.latencies.totalCount * 1000) / part.tookMs)
    this.failures += part.failures
    this.#measuredMs += part.tookMs
    this.#requesterMs += part.requesterMs
    if (this.#serversMs === undefined || before === undefined || after === undefined) {
      this.#serversMs = undefined
    } else {
      this.#serversMs += after - before
    }
  }

  #each(ms: number): number {
    return (ms * 1000) / this.#latencies.totalCount
  }
}
