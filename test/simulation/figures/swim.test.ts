/** SWIM (Das, Gupta and Motivala 2002): how long a failure goes unnoticed, against the paper's analysis. */
import { describe, expect, test } from 'vitest'
import {
  firstDetection,
  firstFailedPing,
  limitPeriods,
  periodMs,
  periodsAtRandom,
  periodsInRounds,
  timeInRounds
} from './first-detection.ts'
import type { Sampled } from './statistics.ts'

/**
 * A mean of samples lies within so many standard errors of what it estimates, but for once in 10,000 seeds. The seed
 * is fixed, so what fails is not chance but a change of what is measured.
 */
const errors = 4

describe('the analysis', () => {
  test.each([
    { peers: 5, periods: 1.463 },
    { peers: 10, periods: 1.53 },
    { peers: 50, periods: 1.573 }
  ])('at random, $peers peers notice within $periods periods on average', ({ peers, periods }) => {
    expect(periodsAtRandom(peers)).toBeCloseTo(periods, 3)
  })

  test('both orders come to e/(e-1) periods in a large cluster', () => {
    expect(periodsAtRandom(1_000)).toBeCloseTo(limitPeriods, 2)
    expect(periodsInRounds(1_000)).toBeCloseTo(limitPeriods, 2)
  })

  test('rounds notice sooner than chance, the more so the fewer peers there are', () => {
    for (const peers of [3, 5, 10, 50]) expect(periodsInRounds(peers)).toBeLessThan(periodsAtRandom(peers))
    // Two peers: the other one is pinged in every period.
    expect(periodsInRounds(2)).toBe(1)
  })
})

describe('first detection (sections 3.1 and 4.3)', () => {
  test.each([
    { peers: 5, moments: 1_000, failuresAtOnce: 3 },
    { peers: 10, moments: 250, failuresAtOnce: 4 },
    { peers: 50, moments: 40, failuresAtOnce: 20 }
  ])('takes as long as rounds should among $peers peers', async ({ peers, ...init }) => {
    const { periods, sentMs } = await firstDetection({ seed: 1, peers, ...init })
    expectMean(periods, periodsInRounds(peers))
    expectMean(sentMs, timeInRounds(peers) * periodMs)
    // Only few peers tell rounds from chance: 5 % less, which is more than the errors of 3,000 samples.
    if (peers === 5) expect(periods.mean).toBeLessThan(periodsAtRandom(peers) - errors * periods.error)
    // Each of the others pings it within 2n - 3 periods (section 4.3: time-bounded completeness).
    expect(periods.max).toBeLessThanOrEqual(2 * (peers - 1) - 1)
  })

  test('of a machine that vanished is a ping and its timeout, as on the pings of healthy peers', async () => {
    const failedMs = await firstFailedPing({ seed: 1, peers: 10, samples: 80, how: 'vanished' })
    expectMean(failedMs, timeInRounds(10) * periodMs + probeTimeoutMs)
  })

  test('of a killed process comes with the next ping of any peer: its channels closed', async () => {
    const failedMs = await firstFailedPing({ seed: 1, peers: 10, samples: 50, how: 'killed' })
    expectMean(failedMs, periodMs / 10)
  })
})

/** What a ping waits for its answer, by default. */
const probeTimeoutMs = 500

function expectMean({ mean, error }: Sampled, expected: number): void {
  expect(Math.abs(mean - expected)).toBeLessThan(errors * error)
}
