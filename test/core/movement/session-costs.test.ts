import { describe, expect, it } from 'vitest'

import { change, costOf, equalPair, oneSidedPair } from './session-figures.ts'

const count = 100_000

describe('what a session costs', () => {
  it('is a few hundred bytes where all is equal, and grows with what differs, not with what is held', async () => {
    const pair = await equalPair(count)
    expect(await costOf(pair)).toMatchObject({ moved: 0, requests: 1 })
    let time = 2
    for (const differing of [1, 10, 100, 1_000]) {
      await change(pair, differing, time++)
      const { moved, otherBytes } = await costOf(pair)
      expect(moved).toBe(differing)
      expect(otherBytes).toBeLessThan(differing * 90 * Math.log2(count / differing) + 300)
    }
    const equal = await costOf(pair)
    expect(equal.moved).toBe(0)
    expect(equal.otherBytes).toBeLessThan(300)
  })

  it.each(['a', 'b'] as const)('is little more than the records where only %s has any', async full => {
    const { moved, recordBytes, otherBytes } = await costOf(await oneSidedPair(full, 20_000))
    expect(moved).toBe(20_000)
    expect(otherBytes).toBeLessThan(0.1 * recordBytes)
  })
})
