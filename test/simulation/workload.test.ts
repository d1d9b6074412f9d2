import { describe, expect, it } from 'vitest'
import { readersOf } from './run/workload.ts'

const peersOf = (count: number): number[] => Array.from({ length: count }, (_, i) => i)

describe('the reads at the end of a run', () => {
  it('go for every key through every peer, up to twenty peers', () => {
    for (const count of [1, 3, 20]) {
      for (let turn = 0; turn < 5; turn++)
        expect(readersOf(peersOf(count), turn, 5).toSorted((a, b) => a - b)).toEqual(peersOf(count))
    }
  })

  it('go through twenty of more at least, and through each of them', () => {
    for (const [count, keys] of [
      [21, 3],
      [300, 60],
      [1_000, 3],
      [1_000, 200]
    ] as const) {
      const readers = peersOf(keys).map(turn => readersOf(peersOf(count), turn, keys))
      for (const each of readers) expect(new Set(each).size).toBeGreaterThanOrEqual(20)
      expect(new Set(readers.flat()).size).toBe(count)
    }
  })
})
