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

  it('says what the library says of the replicas, once', () => {
    const message =
      'put needs 2 of 3 replicas; A answered, no answer from B (unreachable), C; nothing was stored'
    const error = new AnnulusError('ERR_QUORUM', message, { answered: ['A'], missing: ['B', 'C'] })
    expect(describeError(error).line).toBe(`${message}; try again when more peers are up, see annulus status`)
  })

  it('says that the outcome is open where the library has not', () => {
    const error = new AnnulusError('ERR_OUTCOME_UNKNOWN', 'the peer did not answer', { indefinite: true })
    expect(describeError(error)).toMatchObject({
      line: expect.stringContaining('answer; whether it took effect is not known; read it back') as string,
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
