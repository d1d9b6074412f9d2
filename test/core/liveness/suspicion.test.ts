import { describe, expect, test } from 'vitest'
import { lan } from '../../../src/core/liveness/defaults.ts'
import { Suspicion, suspicionBounds, suspicionMs } from '../../../src/core/liveness/suspicion.ts'
import { VirtualClock, VirtualTime } from '../../simulation/clock.ts'

describe('the time of a suspicion (Lifeguard, section IV-B)', () => {
  // Worked by hand: max - (max - min) log(c + 1) / log(k + 1), at least min.
  test.each([
    { minMs: 4_000, maxMs: 24_000, expected: 2, confirmations: 0, ms: 24_000 },
    { minMs: 4_000, maxMs: 24_000, expected: 2, confirmations: 1, ms: 11_381.4 },
    { minMs: 4_000, maxMs: 24_000, expected: 2, confirmations: 2, ms: 4_000 },
    { minMs: 4_000, maxMs: 24_000, expected: 2, confirmations: 9, ms: 4_000 },
    { minMs: 2_000, maxMs: 30_000, expected: 3, confirmations: 1, ms: 16_000 },
    { minMs: 2_000, maxMs: 30_000, expected: 3, confirmations: 2, ms: 7_810.5 },
    { minMs: 4_000, maxMs: 24_000, expected: 1, confirmations: 0, ms: 24_000 },
    { minMs: 4_000, maxMs: 24_000, expected: 1, confirmations: 1, ms: 4_000 },
    { minMs: 4_000, maxMs: 24_000, expected: 0, confirmations: 0, ms: 4_000 }
  ])('is $ms ms with $confirmations of $expected confirmations', row => {
    expect(suspicionMs(row, row.confirmations)).toBeCloseTo(row.ms, 0)
  })

  test.each([
    { members: 2, others: 0, minMs: 4_000, maxMs: 24_000, expected: 0 },
    { members: 3, others: 1, minMs: 4_000, maxMs: 24_000, expected: 1 },
    { members: 10, others: 8, minMs: 4_000, maxMs: 24_000, expected: 2 },
    { members: 100, others: 98, minMs: 8_000, maxMs: 48_000, expected: 2 },
    { members: 1_000, others: 998, minMs: 12_000, maxMs: 72_000, expected: 2 }
  ])('runs from $minMs to $maxMs ms among $members peers', ({ members, others, ...bounds }) => {
    expect(suspicionBounds(lan, members, others)).toEqual(bounds)
  })

  test('shortens with each accuser once, counted from when it began', async () => {
    const time = new VirtualTime()
    let expiredMs = 0
    const suspicion = start(time, () => (expiredMs = time.nowMs))
    await time.run(1_000)
    expect(suspicion.confirm('first')).toBe(false)
    expect(suspicion.confirm('second')).toBe(true)
    expect(suspicion.confirm('second')).toBe(false)
    await time.run(1_000)
    expect(suspicion.confirm('third')).toBe(true)
    expect(suspicion.confirm('fourth')).toBe(false)
    await time.run(60_000)
    expect(expiredMs).toBe(4_000)
  })

  test('ends at once where the last confirmation comes after the shortest time', async () => {
    const time = new VirtualTime()
    let expiredMs = 0
    const suspicion = start(time, () => (expiredMs = time.nowMs))
    await time.run(9_000)
    suspicion.confirm('second')
    suspicion.confirm('third')
    await time.run(1)
    expect(expiredMs).toBe(9_000)
  })

  test('is never over once cancelled, and leaves no timer', async () => {
    const time = new VirtualTime()
    const suspicion = start(time, () => expect.fail('it expired'))
    suspicion.cancel()
    expect(time.pending).toBe(0)
    await time.run(60_000)
  })
})

function start(time: VirtualTime, expire: () => void): Suspicion {
  const bounds = { minMs: 4_000, maxMs: 24_000, expected: 2 }
  return new Suspicion(
    { clock: new VirtualClock(time) },
    { ...bounds, from: 'first', lateTimerMs: 250, expire }
  )
}
