/**
 * A few fixed seeds of the simulator, over its three profiles: the part of `npm run sim` that every change has to
 * pass. README.md in this folder says what a failure shows and how to replay it.
 */
import { describe, expect, it } from 'vitest'
import { headline } from './run/report.ts'
import { settingsOf, type Profile, type SettingsInit } from './run/settings.ts'
import { scriptOf, simulate, type RunResult } from './run/simulate.ts'

const runs: SettingsInit[] = [
  { seed: 1, profile: 'calm', minutes: 1 },
  { seed: 2, profile: 'churn', minutes: 2 },
  { seed: 3, profile: 'churn', minutes: 2 },
  { seed: 4, profile: 'chaos', minutes: 2 },
  { seed: 5, profile: 'chaos', minutes: 2 },
  { seed: 6, profile: 'chaos', minutes: 2 }
]

describe('a cluster under load and faults (G1, G3 to G9)', () => {
  it.each(runs)('keeps its guarantees with seed $seed, profile $profile', async init => {
    const result = await simulate(settingsOf(init))
    expect(result.violations.map(headline)).toEqual([])
    expect(result.operations.answered).toBeGreaterThan(200)
    expect(result.availability.succeeded).toBe(result.availability.expected)
  })

  it('serves everything while nothing is amiss (G5)', async () => {
    const { operations, availability } = await short('calm', 7)
    expect(operations.unknown + operations.refused).toBe(0)
    expect(availability.expected).toBeGreaterThan(100)
  })

  it('runs the same twice, to the last message', async () => {
    const [first, second] = [await short('chaos', 8), await short('chaos', 8)]
    expect(second.hash).toBe(first.hash)
    expect((await short('chaos', 9)).hash).not.toBe(first.hash)
  })
})

describe('the script of a run', () => {
  it('has the same faults whatever the load is', () => {
    const settings = settingsOf({ seed: 10, profile: 'chaos' })
    const busier = { ...settings, operationsPerSecond: 100, clients: 9 }
    expect(scriptOf(busier).faults).toEqual(scriptOf(settings).faults)
    expect(scriptOf(busier).operations).not.toEqual(scriptOf(settings).operations)
  })

  it('leaves the first clients as they are where there are more of them', () => {
    const settings = settingsOf({ seed: 11 })
    const ofFirst = (clients: number): unknown[] => {
      const operationsPerSecond = 2 * clients
      const { operations } = scriptOf({ ...settings, clients, operationsPerSecond })
      return operations.filter(({ client }) => client === 0)
    }
    expect(ofFirst(5)).toEqual(ofFirst(2))
  })

  it('can be left empty: then nothing happens, and nothing is wrong', async () => {
    const result = await simulate(settingsOf({ seed: 12 }), { script: { faults: [], operations: [] } })
    expect(result.violations).toEqual([])
    expect(result.operations.answered).toBe(0)
  })
})

function short(profile: Profile, seed: number): Promise<RunResult> {
  return simulate(settingsOf({ seed, profile, minutes: 0.7 }))
}
