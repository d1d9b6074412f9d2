import { describe, expect, it } from 'vitest'
import { maxMembers } from '../../../src/core/limits.ts'
import { defaultHedgeMs, LatencyBook, maxHedgeMs, minHedgeMs } from '../../../src/core/register/latency.ts'
import { VirtualClock, VirtualTime } from '../../simulation/clock.ts'

function book(): { time: VirtualTime; latency: LatencyBook } {
  const time = new VirtualTime()
  return { time, latency: new LatencyBook({ clock: new VirtualClock(time) }) }
}

describe('the book of latencies', () => {
  it('tries a member of which it knows nothing, and waits for it a fixed time', () => {
    const { latency } = book()
    expect(latency.expectedMs('a')).toBe(0)
    expect(latency.hedgeMs('a')).toBe(defaultHedgeMs)
  })

  it('follows the mean, and waits longer for a member whose answers scatter', () => {
    const { latency } = book()
    for (let i = 0; i < 100; i++) {
      latency.note('steady', 40)
      latency.note('scattered', i % 2 === 0 ? 10 : 70)
    }
    expect(latency.expectedMs('steady')).toBeCloseTo(40)
    expect(latency.expectedMs('scattered')).toBeGreaterThan(30)
    expect(latency.hedgeMs('steady')).toBeCloseTo(40)
    expect(latency.hedgeMs('scattered')).toBeGreaterThan(120)
  })

  it('keeps the wait within its bounds', () => {
    const { latency } = book()
    for (let i = 0; i < 50; i++) latency.note('near', 0.1)
    latency.note('far', 60_000)
    expect(latency.hedgeMs('near')).toBe(minHedgeMs)
    expect(latency.hedgeMs('far')).toBe(maxHedgeMs)
  })

  it('forgets a slow member in time, so that it gets another chance', async () => {
    const { time, latency } = book()
    latency.note('a', 400)
    await time.run(9_000)
    expect(latency.expectedMs('a')).toBe(400)
    await time.run(2_000)
    expect(latency.expectedMs('a')).toBe(0)
  })

  it('remembers no more members than a topology can have', () => {
    const { latency } = book()
    for (let i = 0; i <= maxMembers; i++) latency.note(`m${i}`, 5)
    expect(latency.expectedMs('m0')).toBe(0)
    expect(latency.expectedMs('m1')).toBe(5)
    expect(latency.expectedMs(`m${maxMembers}`)).toBe(5)
  })
})
