import { describe, expect, it } from 'vitest'
import { CommandError, describeError } from '../../src/cli/errors.ts'
import { AnnulusError, errorTable, type ErrorCode } from '../../src/core/errors.ts'

describe('an error in words', () => {
  it('says on one line what happened and what to do', () => {
    const { line, exitCode } = describeError(new CommandError(3, 'there is\n  no key', 'store one'))
    expect(line).toBe('there is no key; store one')
    expect(exitCode).toBe(3)
  })

  it('has the exit code and some advice for every error of the library', () => {
    for (const [code, { exitCode }] of Object.entries(errorTable)) {
      const described = describeError(new AnnulusError(code as ErrorCode, 'it happened')) // a key of the table
      expect(described.exitCode).toBe(exitCode)
      expect(described.line).toMatch(/^it happened; .*\w{4}/)
    }
  })

  it('names the replicas that answered and those that did not, and that nothing was done', () => {
    const error = new AnnulusError('ERR_QUORUM', 'a quorum of 2 was not met', {
      answered: ['A'],
      missing: ['B', 'C']
    })
    expect(describeError(error).line).toMatch(
      /^a quorum of 2 was not met; answered: A; did not answer: B, C; it had no effect; /
    )
  })

  it('says when the outcome is open', () => {
    const error = new AnnulusError('ERR_OUTCOME_UNKNOWN', 'timed out', { indefinite: true, missing: ['B'] })
    expect(describeError(error)).toMatchObject({
      line: expect.stringContaining('did not answer: B; whether it took effect is not known') as string,
      exitCode: 6
    })
  })

  it('asks to report what nobody foresaw', () => {
    expect(describeError(new TypeError('x is not a function'))).toEqual({
      line: 'x is not a function; please report this with the output of --verbose',
      exitCode: 1
    })
  })
})
