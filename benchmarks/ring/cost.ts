/** What a ring costs, in turn with other rings: a lookup of a key's replicas, and a change of the peers. */
import { build, type Histogram } from 'hdr-histogram-js'
import { ownProcessorMs } from '../harness/processor-time.ts'
import { median } from '../harness/ratios.ts'
import type { Contender, MadeRing } from './contenders.ts'

/** Lookups timed at once: one alone is shorter than the clock's steps. */
const batch = 100
const rounds = 5
/** Joins measured on a small ring, and on a large one, where one takes long. */
const joinCount = { small: 15, large: 5 }
const largeRing = 1_000

export interface RingCost {
  readonly name: string
  readonly peers: number
  readonly lookupsPerSecond: number
  /** Of batches of lookups, for one lookup each, in ns. */
  readonly p50Ns: number
  readonly p99Ns: number
  readonly p999Ns: number
  readonly cpuNs: number
  readonly foundMs: number
  /** The median of a join and the first lookup after it, in ms. */
  readonly joinMs: number
  /** Lookups per second of each part, and ms of each join: for ratios. */
  readonly rates: readonly number[]
  readonly joins: readonly number[]
}

/** All contenders at one size, their parts in turn. */
export function costs(contenders: readonly Contender[], peers: number, keys: readonly string[]): RingCost[] {
  const subjects = contenders.map(contender => new Subject(contender, peers))
  for (const subject of subjects) subject.lookups(keys, false)
  for (let round = 0; round < rounds; round++) for (const subject of subjects) subject.lookups(keys, true)
  const joins = peers < largeRing ? joinCount.small : joinCount.large
  for (let i = 0; i < joins; i++) for (const subject of subjects) subject.join(peers + i, keys[0]!)
  return subjects.map(subject => subject.cost(peers))
}

class Subject {
  readonly #name: string
  readonly #latencies: Histogram = build({ highestTrackableValue: 1e10, numberOfSignificantValueDigits: 3 })
  readonly #foundMs: number
  readonly #rates: number[] = []
  readonly #joins: number[] = []
  #ring: MadeRing
  #cpuMs = 0
  #count = 0

  constructor({ name, make }: Contender, peers: number) {
    this.#name = name
    const startedAt = performance.now()
    this.#ring = make(peers)
    this.#ring.lookup('first')
    this.#foundMs = performance.now() - startedAt
  }

  lookups(keys: readonly string[], counts: boolean): void {
    const { lookup } = this.#ring
    const cpuBefore = ownProcessorMs()
    const startedAt = performance.now()
    for (let first = 0; first < keys.length; first += batch) {
      const batchStartedAt = performance.now()
      for (let i = first; i < first + batch; i++) lookup(keys[i]!)
      if (counts) this.#latencies.recordValue(((performance.now() - batchStartedAt) * 1e6) / batch)
    }
    if (!counts) return
    this.#rates.push((keys.length * 1000) / (performance.now() - startedAt))
    this.#cpuMs += ownProcessorMs() - cpuBefore
    this.#count += keys.length
  }

  join(index: number, key: string): void {
    const startedAt = performance.now()
    this.#ring = this.#ring.join(index)
    this.#ring.lookup(key)
    this.#joins.push(performance.now() - startedAt)
  }

  cost(peers: number): RingCost {
    const percentile = (percent: number): number => this.#latencies.getValueAtPercentile(percent)
    return {
      name: this.#name,
      peers,
      lookupsPerSecond: Math.round(median(this.#rates) ?? 0),
      p50Ns: percentile(50),
      p99Ns: percentile(99),
      p999Ns: percentile(99.9),
      cpuNs: Math.round((this.#cpuMs * 1e6) / this.#count),
      foundMs: this.#foundMs,
      joinMs: median(this.#joins) ?? 0,
      rates: this.#rates,
      joins: this.#joins
    }
  }
}
