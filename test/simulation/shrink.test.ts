import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { loadRun, saveRun } from './run/script-file.ts'
import { settingsOf } from './run/settings.ts'
import { guaranteeToShrink, shrink } from './run/shrink.ts'
import { scriptOf } from './run/simulate.ts'
import type { Script } from './run/script.ts'

const settings = settingsOf({ seed: 3, profile: 'chaos', minutes: 3 })
const script = scriptOf(settings)

/** A run that fails where it has some two kinds of faults and a certain operation. */
const breaks = (candidate: Script): Promise<number | undefined> => {
  const kinds = new Set(candidate.faults.map(({ kind }) => kind))
  const hasBoth = wantedKinds.every(kind => kinds.has(kind))
  return Promise.resolve(
    hasBoth && candidate.operations.includes(culprit) ? culprit.atMs + 30_000 : undefined
  )
}
const wantedKinds = [...new Set(script.faults.map(({ kind }) => kind))].slice(0, 2)
const culprit = script.operations[700]!

describe('the shrink', () => {
  it('finds the few steps that matter, and leaves them where they were', async () => {
    const found = await shrink(script, { breaks, maxRuns: 2_000 })
    expect(found.script.operations).toEqual([culprit])
    expect(found.script.faults.map(({ kind }) => kind).sort()).toEqual([...wantedKinds].sort())
    const places = script.faults.map(({ atMs }) => atMs)
    for (const { atMs } of found.script.faults) expect(places).toContain(atMs)
  })

  it('makes no more runs than it may, and keeps the shortest script found by then', async () => {
    const found = await shrink(script, { breaks, maxRuns: 20 })
    expect(found.runs).toBeLessThanOrEqual(20)
    expect(found.script.operations.length).toBeLessThan(script.operations.length)
    expect(await breaks(found.script)).toBeDefined()
  })

  it('gives back a script that does not fail', async () => {
    const found = await shrink(script, { breaks: () => Promise.resolve(undefined), maxRuns: 100 })
    expect(found.script).toEqual(script)
  })

  it('goes by what clients saw before what only the inside shows', () => {
    expect(guaranteeToShrink(['G7', 'G4', 'crash'])).toBe('G4')
    expect(guaranteeToShrink([])).toBeUndefined()
  })
})

describe('a script in a file', () => {
  it('comes back as it was saved', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'annulus-script-'))
    try {
      const file = join(folder, 'run.json')
      await saveRun(file, { settings, script })
      expect(await loadRun(file)).toEqual({ settings, script })
    } finally {
      await rm(folder, { recursive: true })
    }
  })
})
