import { describe, expect, it } from 'vitest'
import { AnnulusError } from '../../src/core/errors.ts'
import { judge } from '../../src/judge/judge.ts'
import type { Operation } from '../../src/judge/operation.ts'
import { failureOf } from '../../src/judge/outcome.ts'

/** A history in which all is well: two puts, each read, and a third of which nobody learnt the outcome. */
const history: readonly Operation[] = [
  operation('put', { value: 'a', version: '1.x.0', calledAt: 0, endedAt: 1 }),
  operation('get', { value: 'a', version: '1.x.0', calledAt: 2, endedAt: 3 }),
  operation('put', { value: 'b', version: '2.x.0', calledAt: 4, endedAt: 5 }),
  operation('put', { value: 'c', version: undefined, calledAt: 6, endedAt: 7, outcome: 'unknown' }),
  operation('get', { value: 'b', version: '2.x.0', calledAt: 8, endedAt: 9 }),
  operation('get', { value: 'c', version: '3.x.0', calledAt: 10, endedAt: 11 })
]

describe('the judge', () => {
  it('finds nothing wrong where nothing is', () => {
    expect(judge(history)).toEqual([])
  })

  it.each<[what: string, at: number, change: Partial<Operation>, guarantee: string]>([
    ['a get goes back to what was overwritten', 5, { value: 'a', version: '1.x.0' }, 'G4'],
    ['a get finds nothing after a put', 1, { value: undefined, version: undefined }, 'G4'],
    ['a get finds what nobody put', 1, { value: 'z', version: '9.x.0' }, 'G4'],
    ['a get finds a value under the version of another', 4, { value: 'a' }, 'G4'],
    ['two puts have one version', 2, { version: '1.x.0' }, 'G4'],
    ['a later put has an older version', 2, { version: '0.x.0' }, 'G4'],
    [
      'a put that was said to have no effect is read',
      3,
      { outcome: 'refused', errorCode: 'ERR_QUORUM' },
      'G9'
    ],
    ['an error is none of the library', 3, { isHonest: false }, 'G9']
  ])('finds it where %s', (_what, at, change, guarantee) => {
    const falsified = history.map((told, i) => (i === at ? { ...told, ...change } : told))
    expect(judge(falsified).map(violation => violation.guarantee)).toContain(guarantee)
  })
})

describe('a failure', () => {
  it('is unknown where the error says so, and refused where it surely had no effect', () => {
    const open = new AnnulusError('ERR_OUTCOME_UNKNOWN', 'late', { indefinite: true })
    expect(failureOf(open, 'put')).toMatchObject({ outcome: 'unknown', isHonest: true })
    expect(failureOf(new AnnulusError('ERR_QUORUM', 'few'), 'put')).toMatchObject({
      outcome: 'refused',
      isHonest: true
    })
  })

  it('is not honest where code and effect contradict each other, or where it is none of the library', () => {
    const contradiction = new AnnulusError('ERR_QUORUM', 'few', { indefinite: true })
    expect(failureOf(contradiction, 'put').isHonest).toBe(false)
    expect(failureOf(new Error('a fault'), 'get')).toMatchObject({ outcome: 'unknown', isHonest: false })
  })
})

function operation(kind: Operation['kind'], told: Partial<Operation>): Operation {
  const unknown = { expiresAt: undefined, judgedAt: undefined, errorCode: undefined, error: undefined }
  const usual = { value: undefined, version: undefined, calledAt: 0, endedAt: 0, outcome: 'ok' } as const
  return { kind, key: 'key', ...unknown, ...usual, isHonest: true, asked: 'a client', ...told }
}
