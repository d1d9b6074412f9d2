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
 * Positions that are not spread make it a sorted array: slower, still right.
 */
import { comparePositions } from '../core/ring/position.ts'
import type { Segment } from './segments.ts'

const bucketBits = 12
const bucketCount = 1 << bucketBits
const none: readonly never[] = []

export class PositionMap<T extends { readonly position: Uint8Array }> {
  /** Each is made when something comes into it: a small store has no room for thousands of empty ones. */
  readonly #buckets = new Array<T[] | undefined>(bucketCount).fill(undefined)

  get(position: Uint8Array): T | undefined {
    const { bucket, index, found } = this.#find(position)
    return found ? bucket[index] : undefined
  }

  set(item: T): void {
    const { bucket, index, found } = this.#find(item.position)
    bucket.splice(index, found ? 1 : 0, item)
    this.#buckets[bucketNumber(item.position)] = bucket
  }

  delete(position: Uint8Array): void {
    const { bucket, index, found } = this.#find(position)
    if (found) bucket.splice(index, 1)
  }

  clear(): void {
    this.#buckets.fill(undefined)
  }

  /** The items of a segment in order of position. The map must not change meanwhile. */
  *within({ above, upTo }: Segment): Generator<T, void, undefined> {
    const first = above === undefined ? 0 : bucketNumber(above)
    const last = upTo === undefined ? bucketCount - 1 : bucketNumber(upTo)
    for (let number = first; number <= last; number++) {
      for (const item of this.#buckets[number] ?? none) {
        if (above !== undefined && number === first && comparePositions(item.position, above) <= 0) continue
        if (upTo !== undefined && number === last && comparePositions(item.position, upTo) > 0) return
        yield item
      }
    }
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
