/**
 * An ordered map from positions to items, for the memory store. Positions are hashes and so spread evenly:
 * a bucket for each value of their first 12 bits stays small (25 items of 100,000), and within a bucket a
 * sorted array is as quick to search as a tree and quicker to walk.
 *
 *     bucket 000: [000a.., 000f..]
 *     bucket 001: []
 *     ...
 *     bucket fff: [fff3..]
 *
 * Positions that are not spread make it a sorted array: slower, still right. A bit for each bucket that ever had an
 * item spares a walk over a small store the thousands that never did.
 */
import { comparePositions } from '../core/ring/position.ts'
import type { Segment } from './segments.ts'

const bucketBits = 12
const bucketCount = 1 << bucketBits
const wordBits = 32

export class PositionMap<T extends { readonly position: Uint8Array }> {
  /** Each is made when something comes into it: a small store has no room for thousands of empty ones. */
  readonly #buckets = new Array<T[] | undefined>(bucketCount).fill(undefined)
  /** Bit `number % 32` of word `number / 32`: whether the bucket is there. */
  readonly #present = new Uint32Array(bucketCount / wordBits)

  get(position: Uint8Array): T | undefined {
    const { bucket, index, found } = this.#find(position)
    return found ? bucket[index] : undefined
  }

  set(item: T): void {
    const { bucket, index, found } = this.#find(item.position)
    bucket.splice(index, found ? 1 : 0, item)
    const number = bucketNumber(item.position)
    this.#buckets[number] = bucket
    this.#present[Math.floor(number / wordBits)]! |= 1 << (number % wordBits)
  }

  delete(position: Uint8Array): void {
    const { bucket, index, found } = this.#find(position)
    if (found) bucket.splice(index, 1)
  }

  clear(): void {
    this.#buckets.fill(undefined)
    this.#present.fill(0)
  }

  /** The items of a segment in order of position. The map must not change meanwhile. */
  *within({ above, upTo }: Segment): Generator<T, void, undefined> {
    const first = above === undefined ? 0 : bucketNumber(above)
    const last = upTo === undefined ? bucketCount - 1 : bucketNumber(upTo)
    for (let number = this.#presentFrom(first); number <= last; number = this.#presentFrom(number + 1)) {
      for (const item of this.#buckets[number]!) {
        if (above !== undefined && number === first && comparePositions(item.position, above) <= 0) continue
        if (upTo !== undefined && number === last && comparePositions(item.position, upTo) > 0) return
        yield item
      }
    }
  }

  /** The first bucket from this one on that is there, or `bucketCount`. */
  #presentFrom(number: number): number {
    let word = Math.floor(number / wordBits)
    if (word >= this.#present.length) return bucketCount
    let bits = this.#present[word]! & (-1 << (number % wordBits))
    while (bits === 0) {
      if (++word >= this.#present.length) return bucketCount
      bits = this.#present[word]!
    }
    const lowest = wordBits - 1 - Math.clz32(bits & -bits)
    return word * wordBits + lowest
  }

  /** Where a position is in its bucket, or where it would be. */
  #find(position: Uint8Array): { bucket: T[]; index: number; found: boolean } {
    const bucket = this.#buckets[bucketNumber(position)] ?? []
    let low = 0
    let high = bucket.length
    while (low < high) {
      const middle = (low + high) >>> 1
      const order = comparePositions(bucket[middle]!.position, position)
      if (order === 0) return { bucket, index: middle, found: true }
      if (order < 0) low = middle + 1
      else high = middle
    }
    return { bucket, index: low, found: false }
  }
}

function bucketNumber(position: Uint8Array): number {
  return (position[0]! << 4) | (position[1]! >> 4)
}
