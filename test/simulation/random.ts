/** Seeded randomness for the virtual world: the Random port by xoshiro128** (Blackman and Vigna 2018). */
import type { Random } from '../../src/core/ports.ts'

export class SeededRandom implements Random {
  readonly #state = new Uint32Array(4)

  constructor(seed: number) {
    // splitmix32 spreads a small seed over the state, which must not be all zero.
    let s = seed >>> 0
    for (let i = 0; i < 4; i++) {
      s = (s + 0x9e3779b9) >>> 0
      let z = s
      z = Math.imul(z ^ (z >>> 16), 0x85ebca6b)
      z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35)
      this.#state[i] = z ^ (z >>> 16)
    }
  }

  /** A stream of its own, so that draws in one do not shift another. */
  fork(label: string): SeededRandom {
    let hash = 0x811c9dc5
    for (let i = 0; i < label.length; i++) hash = Math.imul(hash ^ label.charCodeAt(i), 0x01000193)
    return new SeededRandom((this.#next() ^ hash) >>> 0)
  }

  float(): number {
    return this.#next() / 2 ** 32
  }

  bytes(count: number): Uint8Array {
    return Uint8Array.from({ length: count }, () => this.#next() >>> 24)
  }

  /** A whole number in [0, below). */
  integer(below: number): number {
    return Math.floor(this.float() * below)
  }

  pick<T>(items: readonly T[]): T {
    const item = items[this.integer(items.length)]
    if (item === undefined) throw new RangeError('nothing to pick from')
    return item
  }

  /** True with probability `p`. */
  chance(p: number): boolean {
    return this.float() < p
  }

  #next(): number {
    const s = this.#state
    const result = Math.imul(rotateLeft(Math.imul(s[1]!, 5), 7), 9) >>> 0
    const t = s[1]! << 9
    s[2]! ^= s[0]!
    s[3]! ^= s[1]!
    s[1]! ^= s[2]!
    s[0]! ^= s[3]!
    s[2]! ^= t
    s[3] = rotateLeft(s[3]!, 11)
    return result
  }
}

function rotateLeft(x: number, bits: number): number {
  return (x << bits) | (x >>> (32 - bits))
}
