/** The keys and values of a run, drawn from its seed. */
import { SeededRandom } from '../../test/simulation/random.ts'

/** Random bytes from which values are cut, so that making one costs nothing that counts. */
const poolBytes = 1024 * 1024

/** Puts under way while keys are stored before a measurement. */
const fillInFlight = 64

export interface WorkloadInit {
  readonly seed: number
  readonly keys: number
  readonly valueBytes: number
  /** Sets the keys apart from another workload's in the same store. */
  readonly prefix?: string
}

export interface FillInit {
  readonly signal: AbortSignal
  /** Stores what it can in so many ms; left out: all keys. */
  readonly maxMs?: number
  readonly inFlight?: number
}

export class Workload {
  readonly #random: SeededRandom
  readonly #pool: Uint8Array
  readonly #prefix: string
  readonly #valueBytes: number
  #keys: number

  constructor({ seed, keys, valueBytes, prefix = 'key' }: WorkloadInit) {
    this.#random = new SeededRandom(seed)
    this.#pool = this.#random.bytes(poolBytes + valueBytes)
    this.#prefix = prefix
    this.#keys = keys
    this.#valueBytes = valueBytes
  }

  /** Keys that are put and got. */
  get keys(): number {
    return this.#keys
  }

  /** One of the keys. */
  key(): string {
    return this.#keyOf(this.#random.integer(this.#keys))
  }

  value(): Uint8Array {
    const start = this.#random.integer(poolBytes)
    return this.#pool.subarray(start, start + this.#valueBytes)
  }

  /** True in so many of a hundred draws. */
  percent(share: number): boolean {
    return this.#random.chance(share / 100)
  }

  /** Puts every key once. Where time is short the keys are those that were put, at least one. */
  async fill(put: (key: string, value: Uint8Array) => Promise<unknown>, init: FillInit): Promise<void> {
    const { signal, maxMs = Infinity, inFlight = fillInFlight } = init
    const endAt = performance.now() + maxMs
    let begun = 0
    const putNext = async (): Promise<void> => {
      while (begun < this.#keys && (begun < inFlight || performance.now() < endAt)) {
        signal.throwIfAborted()
        await put(this.#keyOf(begun++), this.value())
      }
    }
    await Promise.all(Array.from({ length: inFlight }, putNext))
    this.#keys = begun
  }

  #keyOf(index: number): string {
    return `${this.#prefix} ${index}`
  }
}
