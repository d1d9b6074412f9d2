import { describe, expect, it } from 'vitest'
import { medianOf, mutantTable } from './run/mutants-table.ts'
import type { Outcome } from './run/mutant-runs.ts'
import type { Mutant } from './mutants/mutant.ts'

const mutant: Mutant = { name: 'example', does: 'adds wrongly', breaks: ['G4'], edits: {} }

function outcome(seeds: number, isCaught = true): Outcome {
  const caught = isCaught ? ({ guarantee: 'G4', what: 'a get went back' } as const) : undefined
  return { mutant: 'example', start: 1, seeds, caught, others: { G8: 1 }, virtualMs: 60_000, realMs: 2_000 }
}

describe('the table of the mutants', () => {
  it('tells how many seeds it took, at the median and at worst, and what a catch took of both times', () => {
    const [head, row] = mutantTable([{ mutant, outcomes: [outcome(1), outcome(9), outcome(3)] }]).split('\n')
    expect(head).toMatch(/^mutant +caught +median +worst +by +also seen +virtual s +real s$/)
    expect(row?.split(/ {2,}/)).toEqual(['example', '3 of 3', '3', '9', 'G4 3', 'G8 3', '60.0', '2.0'])
  })

  it('has no figure where one lived through all seeds', () => {
    const [, row] = mutantTable([
      { mutant, outcomes: [outcome(12, false), outcome(2), outcome(12, false)] }
    ]).split('\n')
    expect(row?.split(/ {2,}/).slice(0, 4)).toEqual(['example', '1 of 3', '-', '-'])
  })

  it('takes the upper one of the two in the middle', () => {
    expect([medianOf([4, 1, 3, 2]), medianOf([2]), medianOf([])]).toEqual([3, 2, Infinity])
  })
})
