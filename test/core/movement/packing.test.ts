import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { maxTime } from '../../../src/core/limits.ts'
import {
  packDifferences,
  packFingerprints,
  packHeads,
  packSums,
  unpackDifferences,
  unpackFingerprints,
  unpackHeads,
  unpackSums
} from '../../../src/core/movement/packing.ts'
import { maxRecordBytes } from '../../../src/core/record/codec.ts'

const badRequest = expect.objectContaining({ name: 'ServeError', code: 'bad-request' }) as Error
const uint32 = fc.integer({ min: 0, max: 0xffffffff })
const anySum = fc.record({ count: uint32, low: uint32, high: uint32 })
const anyHead = fc.record({
  position: fc.uint8Array({ minLength: 32, maxLength: 32 }),
  version: fc.record({
    time: fc.integer({ min: 0, max: maxTime }),
    writer: fc.uint8Array({ minLength: 16, maxLength: 16 }),
    rmw: uint32
  }),
  kind: fc.constantFrom('value' as const, 'tombstone' as const),
  size: fc.integer({ min: 0, max: maxRecordBytes })
})

describe('what sessions pack', () => {
  it('comes out as it went in', () => {
    fc.assert(
      fc.property(fc.array(anySum), fc.array(anyHead), (sums, heads) => {
        expect(unpackSums(packSums(sums), sums.length)).toEqual(sums)
        const fingerprints = sums.map(({ low, high }) => ({ low, high }))
        expect(unpackFingerprints(packFingerprints(fingerprints), sums.length)).toEqual(fingerprints)
        expect(unpackHeads(packHeads(heads), heads.length)).toEqual(heads)
        const differences = sums.map(({ count }, i) => ({ index: 3 * i, count }))
        expect(unpackDifferences(packDifferences(differences), 3 * sums.length)).toEqual(differences)
      })
    )
  })

  it('is refused where there is more of it, or less, than there may be', () => {
    const sums = [1, 2].map(count => ({ count, low: count, high: count }))
    for (const count of [0, 1, 3]) expect(() => unpackSums(packSums(sums), count)).toThrow(badRequest)
    expect(() => unpackFingerprints(packFingerprints(sums), 1)).toThrow(badRequest)
    expect(() => unpackFingerprints(new Uint8Array(9), 5)).toThrow(badRequest)
    expect(() => unpackDifferences(packDifferences([{ index: 4, count: 1 }]), 4)).toThrow(badRequest)
    const [head] = fc.sample(anyHead, { numRuns: 1, seed: 1 })
    expect(() => unpackHeads(packHeads([head!, head!]), 1)).toThrow(badRequest)
    expect(() => unpackHeads(packHeads([head!]).subarray(0, -1), 1)).toThrow(badRequest)
  })

  it('is refused, whatever bytes come, or comes to something that is within bounds', () => {
    const tried = (action: () => unknown): unknown => {
      try {
        return action()
      } catch (error) {
        expect(error).toEqual(badRequest)
        return undefined
      }
    }
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), bytes => {
        tried(() => unpackSums(bytes, 5))
        tried(() => unpackDifferences(bytes, 16))
        const heads = tried(() => unpackHeads(bytes, 3)) as ReturnType<typeof unpackHeads> | undefined
        for (const { version } of heads ?? []) expect(version.time).toBeLessThanOrEqual(maxTime)
      })
    )
  })
})
