import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { AnnulusError, errorTable, type ErrorCode } from '../../src/core/errors.ts'

/** The rows of the table in docs/errors.md: code, exit code, meaning, effect, what to do. */
function documented(): string[][] {
  const page = readFileSync(new URL('../../docs/errors.md', import.meta.url), 'utf8')
  return [...page.matchAll(/^\| `(ERR_\w+)` +\|(.*)\|$/gm)].map(([, code, rest]) => [
    code!,
    ...rest!.split('|').map(cell => cell.trim())
  ])
}

describe('the table of errors', () => {
  it('is the one in the documentation, code by code, with the same exit codes', () => {
    const rows = documented().map(([code, exitCode]) => [code, Number(exitCode)])
    expect(rows).toEqual(Object.entries(errorTable).map(([code, { exitCode }]) => [code, exitCode]))
  })

  it('says in the documentation of each what it means and whether it may have had an effect', () => {
    for (const [code, , meaning, effect] of documented()) {
      expect(meaning!.length, code).toBeGreaterThan(10)
      expect(effect, code).toMatch(/^(no|yes|see `indefinite`)$/)
    }
  })
})

describe('an error', () => {
  it('has the exit code of its code, and no effect unless it says so', () => {
    for (const code of Object.keys(errorTable) as ErrorCode[]) {
      const error = new AnnulusError(code, 'what happened')
      expect(error.exitCode).toBe(errorTable[code].exitCode)
      expect([error.indefinite, error.answered, error.missing]).toEqual([false, [], []])
      expect(error.cause).toBeUndefined()
    }
    const open = new AnnulusError('ERR_ABORTED', 'x', { indefinite: true, answered: ['a'], missing: ['b'] })
    expect([open.indefinite, open.answered, open.missing]).toEqual([true, ['a'], ['b']])
  })
})
