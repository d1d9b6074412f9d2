import { describe, expect, it } from 'vitest'
import { MutantRuns, type MutantRun } from './run/mutant-runs.ts'

function run(seed: number, isCaught = false): MutantRun {
  const caught = isCaught ? ({ guarantee: 'G4', what: 'a get went back' } as const) : undefined
  return {
    mutant: 'example',
    seed,
    caught,
    others: isCaught ? {} : { G8: 1 },
    virtualMs: 1000,
    realMs: 10
  }
}

function runsOf(...runs: readonly MutantRun[]): MutantRuns {
  const all = new MutantRuns()
  for (const one of runs) all.add(one)
  return all
}

describe('the runs of a mutant', () => {
  it('ask for the seeds that a start lacks, up to those that are known', () => {
    expect(new MutantRuns().from(4, 10)).toEqual({ first: 4, end: 14 })
    expect(runsOf(run(4), run(5), run(8)).from(4, 10)).toEqual({ first: 6, end: 8 })
  })

  it('count the seeds from a start to the catch, whichever start they were run for', () => {
    const runs = runsOf(run(4), run(5), run(6, true), run(7, true))
    expect(runs.from(4, 10)).toMatchObject({
      start: 4,
      seeds: 3,
      caught: { guarantee: 'G4' },
      others: { G8: 2 }
    })
    expect(runs.from(5, 10)).toMatchObject({ start: 5, seeds: 2, virtualMs: 2000, realMs: 20 })
    expect(runs.from(7, 10)).toMatchObject({ start: 7, seeds: 1 })
  })

  it('end a start at the limit where nothing was caught', () => {
    expect(runsOf(run(1), run(2), run(3, true)).from(1, 2)).toMatchObject({ seeds: 2, caught: undefined })
  })
})
