import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { maxTime } from '../../../src/core/limits.ts'
import type { Clock } from '../../../src/core/ports.ts'
import { ClockRangeError, HybridClock } from '../../../src/core/record/hybrid-clock.ts'

class WallClock implements Clock {
  wallMs = 0
  now(): number {
    return this.wallMs
  }
  monotonic(): number {
    throw new Error('a hybrid clock reads wall time only')
  }
  after(): never {
    throw new Error('a hybrid clock sets no timers')
  }
}

describe('the hybrid clock', () => {
  it('shows wall time in microseconds where nothing newer was seen', () => {
    const clock = new WallClock()
    clock.wallMs = 1_700_000_000_000.25
    expect(new HybridClock({ clock }).next()).toBe(1_700_000_000_000_250)
  })

  it('grows with every call, whatever the wall clock does and whatever was seen', () => {
    const step = fc.record({
      wallMs: fc.integer({ min: 0, max: 2_000_000_000_000 }),
      after: fc.option(fc.integer({ min: 0, max: 2_000_000_000_000_000 }), { nil: undefined })
    })
    fc.assert(
      fc.property(fc.array(step), steps => {
        const clock = new WallClock()
        const hybrid = new HybridClock({ clock })
        let last = 0
        for (const { wallMs, after } of steps) {
          clock.wallMs = wallMs
          const time = hybrid.next(after)
          expect(time).toBeGreaterThan(last)
          expect(time).toBeGreaterThan(after ?? 0)
          expect(time).toBeGreaterThanOrEqual(wallMs * 1000)
          last = time
        }
      })
    )
  })

  it('stays close: it never runs further ahead than it has to', () => {
    const clock = new WallClock()
    const hybrid = new HybridClock({ clock })
    expect([hybrid.next(), hybrid.next(), hybrid.next(100), hybrid.next(50)]).toEqual([1, 2, 101, 102])
  })

  it('refuses times beyond the limit and goes on as before', () => {
    const clock = new WallClock()
    const hybrid = new HybridClock({ clock })
    expect(hybrid.next(maxTime - 1)).toBe(maxTime)
    const other = new HybridClock({ clock })
    expect(() => other.next(maxTime)).toThrow(ClockRangeError)
    expect(() => other.next(NaN)).toThrow(ClockRangeError)
    expect(other.next()).toBe(1)
    clock.wallMs = maxTime
    expect(() => other.next()).toThrow(/wall clock shows/)
  })
})
