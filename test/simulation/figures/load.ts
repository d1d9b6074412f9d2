/** What lies in a cluster and is put into it while its ring changes: records of mixed sizes, at a steady pace. */
import { formatPosition, positionOf } from '../../../src/core/ring/position.ts'
import type { SimulatedCluster } from '../cluster.ts'
import { SeededRandom } from '../random.ts'

/** Sizes of values, in bytes: each doubling between is as likely, so most are small and most bytes are in large ones. */
const minValueBytes = 64
const defaultMaxValueBytes = 16 * 1024

/** Puts under way while a cluster is filled: enough to keep it busy, and far from its limits. */
const fillAtOnce = 64

export interface LoadInit {
  readonly seed: number
  /** That lie there before the ring changes. */
  readonly records: number
  /** From one put to the next while it changes, in ms; every second one overwrites. Undefined: nobody writes. */
  readonly putEveryMs?: number
  /** Default 16 KiB. */
  readonly maxValueBytes?: number
}

/** What was put while it was going on. */
export interface Written {
  readonly puts: number
  /** Positions of keys that had a record before, as `formatPosition` shows them. */
  readonly overwritten: ReadonlySet<string>
}

export class Load {
  /** Keys that have a record. */
  keys = 0
  readonly #cluster: SimulatedCluster
  readonly #init: LoadInit
  readonly #random: SeededRandom
  #isOver = true
  #written: Promise<Written> = Promise.resolve({ puts: 0, overwritten: new Set() })

  constructor(cluster: SimulatedCluster, init: LoadInit) {
    this.#cluster = cluster
    this.#init = init
    this.#random = new SeededRandom(init.seed).fork('load')
  }

  async fill(): Promise<void> {
    while (this.keys < this.#init.records) {
      const count = Math.min(fillAtOnce, this.#init.records - this.keys)
      const puts = Array.from({ length: count }, () => this.#put(this.keys++))
      await this.#cluster.time.settle(Promise.all(puts))
    }
  }

  begin(): void {
    const { putEveryMs } = this.#init
    if (putEveryMs === undefined) return
    this.#isOver = false
    this.#written = this.#write(putEveryMs)
  }

  /** When the last put is acknowledged. Throws what a put throws. */
  async end(): Promise<Written> {
    this.#isOver = true
    return this.#cluster.time.settle(this.#written)
  }

  async #write(everyMs: number): Promise<Written> {
    const overwritten = new Set<string>()
    const existing = this.keys
    let puts = 0
    while (!this.#isOver) {
      const isNew = puts % 2 === 0
      const index = isNew ? this.keys++ : this.#random.integer(existing)
      await this.#put(index)
      if (!isNew) overwritten.add(formatPosition(positionOf(keyOf(index))))
      puts++
      await this.#cluster.pause(everyMs)
    }
    return { puts, overwritten }
  }

  /** Through one of those that are up, which the peer that joins or leaves is not for all of the time. */
  async #put(index: number): Promise<void> {
    const up = this.#cluster.running.filter(({ core }) => {
      const { topologyNow, memberNow } = core
      return topologyNow?.member(memberNow)?.standing === 'up'
    })
    const { maxValueBytes = defaultMaxValueBytes } = this.#init
    const value = this.#random.bytes(
      Math.floor(minValueBytes * (maxValueBytes / minValueBytes) ** this.#random.float())
    )
    await this.#cluster.ask(this.#random.pick(up), core => core.put(keyOf(index), value))
  }
}

function keyOf(index: number): Uint8Array {
  return new TextEncoder().encode(`key ${index}`)
}
