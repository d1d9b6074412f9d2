/** Lifeguard (Dadgar, Phillips and Currey 2018): slow peers accuse far fewer healthy ones than with plain SWIM. */
import { describe, expect, test } from 'vitest'
import type { LivenessConfig } from '../../../src/core/liveness/defaults.ts'
import { falsePositives, lifeguardParts, type FalsePositives } from './false-suspicions.ts'

/** Two of twenty peers are blocked for 16 s at a time: longer than the shortest suspicion, which is 5 s here. */
const slow = { seed: 1, peers: 20, slowMs: 16_384, wellMs: 1_024, how: 'blocked' } as const

/**
 * One false death that no part of Lifeguard stops goes round and is counted once at each peer. Plain SWIM comes to
 * over 1,000, so a fiftieth of it leaves room for one such death and no more.
 */
const fewerTimes = 50

describe('false positives with a tenth of the peers slow (section V)', () => {
  test('are more than 50 times fewer than with plain SWIM, at all peers and at healthy ones', async () => {
    const plain = await falsePositivesOf('plain SWIM')
    const lifeguard = await falsePositivesOf('Lifeguard')
    expect(plain.all).toBeGreaterThan(500)
    expect(lifeguard.all * fewerTimes).toBeLessThan(plain.all)
    expect(lifeguard.atHealthy * fewerTimes).toBeLessThan(plain.atHealthy)
  })

  test('are fewer by each of local health and longer suspicion alone', async () => {
    const plain = await falsePositivesOf('plain SWIM')
    for (const part of ['with LHA-Probe', 'with LHA-Suspicion'] as const) {
      const { all } = await falsePositivesOf(part)
      // Five to sixteen times fewer with each of five seeds.
      expect(all * 3).toBeLessThan(plain.all)
    }
  })
})

const measured = new Map<string, Promise<FalsePositives>>()

/** Each setting is measured once. */
function falsePositivesOf(name: keyof typeof lifeguardParts): Promise<FalsePositives> {
  const config: Partial<LivenessConfig> = lifeguardParts[name]
  const figures = measured.get(name) ?? falsePositives({ ...slow, config })
  measured.set(name, figures)
  return figures
}
