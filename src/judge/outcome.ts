/** How an operation failed, as judges take it: with what effect, and whether its error is an honest one. */
import type { AnnulusError } from '../core/errors.ts'
import type { Operation } from './operation.ts'

/** Codes that name an outcome by themselves. `true`: it is open. */
const openByCode: Readonly<Record<string, boolean>> = {
  ERR_OUTCOME_UNKNOWN: true,
  ERR_QUORUM: false,
  ERR_UNREACHABLE: false,
  ERR_OVERLOADED: false
}

/** What a process was asked as it ended has failed with this, and who knows with what effect: a get, too. */
const stopped = 'ERR_STOPPED'

/** What a failure says, for an operation's entry in a history. */
export function failureOf(
  error: unknown,
  kind: Operation['kind']
): Pick<Operation, 'outcome' | 'errorCode' | 'error' | 'isHonest'> {
  if (!isAnnulusError(error)) {
    return { outcome: 'unknown', errorCode: undefined, error: String(error), isHonest: false }
  }
  const { code, message, indefinite } = error
  const agrees = openByCode[code] === undefined || openByCode[code] === indefinite
  const isPlausible = kind !== 'get' || !indefinite || code === stopped
  const isOurs = code !== 'ERR_INTERNAL' && typeof indefinite === 'boolean'
  return {
    outcome: indefinite ? 'unknown' : 'refused',
    errorCode: code,
    error: message,
    isHonest: agrees && isPlausible && isOurs
  }
}

/** By its name: the built library's class is not that of the sources, which this is checked against. */
function isAnnulusError(error: unknown): error is AnnulusError {
  return error instanceof Error && error.name === 'AnnulusError'
}
