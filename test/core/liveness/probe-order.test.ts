import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ProbeOrder } from '../../../src/core/liveness/probe-order.ts'
import { Redials } from '../../../src/core/liveness/redials.ts'
import { SeededRandom } from '../../simulation/random.ts'

const all = (): boolean => true

describe('the order of probes (SWIM, section 4.3)', () => {
  test('each round visits all once, and each member comes within 2n - 1 turns', () => {
    fc.assert(
      fc.property(fc.integer(), fc.integer({ min: 1, max: 12 }), (seed, count) => {
        const order = new ProbeOrder({ random: new SeededRandom(seed) })
        const keys = Array.from({ length: count }, (_, i) => String(i))
        order.change({ added: keys, removed: [] })
        for (let round = 0; round < 4; round++) {
          expect(keys.map(() => order.next(all)).toSorted()).toEqual(keys.toSorted())
        }
      })
    )
  })

  test('who leaves is not visited again, who comes is visited within the round after', () => {
    const order = new ProbeOrder({ random: new SeededRandom(1) })
    order.change({ added: ['a', 'b', 'c'], removed: [] })
    order.next(all)
    order.change({ added: ['d'], removed: ['a'] })
    const visited = Array.from({ length: 6 }, () => order.next(all))
    expect(visited).not.toContain('a')
    expect(visited).toContain('d')
  })

  test('whoever is not eligible is passed over; with nobody eligible there is nobody', () => {
    const order = new ProbeOrder({ random: new SeededRandom(1) })
    order.change({ added: ['a', 'b', 'c'], removed: [] })
    for (let i = 0; i < 5; i++) expect(order.next(key => key === 'b')).toBe('b')
    expect(order.next(() => false)).toBe(undefined)
  })
})

describe('redials', () => {
  test('go on for ever, ever less often up to the limit, never in step', () => {
    const redials = new Redials({ random: new SeededRandom(1) }, { redialMinMs: 1_000, redialMaxMs: 5_000 })
    redials.add('a', 0)
    const triedMs: number[] = []
    for (let nowMs = 0; nowMs < 3_600_000; nowMs += 100) {
      if (redials.takeDue(nowMs, 8).length > 0) triedMs.push(nowMs)
    }
    const pausesMs = triedMs.map((atMs, i) => atMs - (triedMs[i - 1] ?? 0))
    expect(pausesMs[0]).toBeLessThanOrEqual(1_100)
    expect(Math.max(...pausesMs)).toBeLessThanOrEqual(5_100)
    expect(Math.min(...pausesMs.slice(3))).toBeGreaterThanOrEqual(2_500)
    expect(new Set(pausesMs).size).toBeGreaterThan(10)
    expect(triedMs.at(-1)).toBeGreaterThan(3_590_000)
  })

  test('take only so many at a time, and lose none', () => {
    const redials = new Redials({ random: new SeededRandom(1) }, { redialMinMs: 1_000, redialMaxMs: 5_000 })
    for (const key of ['a', 'b', 'c']) redials.add(key, 0)
    const first = redials.takeDue(2_000, 2)
    expect([...first, ...redials.takeDue(2_000, 2)].toSorted()).toEqual(['a', 'b', 'c'])
    redials.delete('a')
    expect(redials.takeDue(60_000, 8).toSorted()).toEqual(['b', 'c'])
  })
})
