/**
 * How the command line speaks of errors: one line that says what happened and what to do, and an exit code.
 * Verbs throw `CommandError` for what they find themselves and let the library's `AnnulusError` pass.
 */
import { AnnulusError, type ErrorCode } from '../core/errors.ts'

export const exitCodes = {
  error: 1,
  usage: 2,
  notFound: 3,
  unreachable: 4,
  interrupted: 130
} as const

/** An error of the command line itself. The message says what happened, the advice what to do. */
export class CommandError extends Error {
  override readonly name = 'CommandError'
  readonly exitCode: number
  readonly advice: string

  constructor(exitCode: number, message: string, advice: string, options?: ErrorOptions) {
    super(message, options)
    this.exitCode = exitCode
    this.advice = advice
  }
}

export function usageError(message: string, advice: string): CommandError {
  return new CommandError(exitCodes.usage, message, advice)
}

/** What to do about an error of the library, by its code. */
const adviceByCode: Record<ErrorCode, string> = {
  ERR_INVALID: 'see annulus --help',
  ERR_CONFIG: 'give the settings that the cluster has, or leave them out',
  ERR_NOT_FOUND: 'annulus put stores it',
  ERR_UNREACHABLE: 'start a peer with annulus start, or name one that runs with --peer',
  ERR_QUORUM: 'try again when more peers are up, see annulus status',
  ERR_OUTCOME_UNKNOWN: 'read it back, or do it again',
  ERR_OVERLOADED: 'try again in a moment',
  ERR_FULL: 'delete something, make room on their disks or give them more with --max-disk, or add peers',
  ERR_ABORTED: 'run it again if it was not meant to stop',
  ERR_STORE: 'check the folder, its permissions and the free space, or give another with --data',
  ERR_STORE_LOCKED: 'stop the other process, or give another folder with --data',
  ERR_DUPLICATE: 'stop the other peer, or start this one with a new folder',
  ERR_FORBIDDEN: 'have its peer id put on the lists of the peers, see annulus help identity',
  ERR_REFUSED: 'see annulus status',
  ERR_LISTEN: 'give another address with --listen',
  ERR_STOPPED: 'start it again',
  ERR_INTERNAL: 'please report this with the output of --verbose'
}

export interface Description {
  /** One line without a line break: what happened; what to do. */
  readonly line: string
  readonly exitCode: number
}

/** Puts an error in words for a person; never throws. */
export function describeError(error: unknown): Description {
  const { what, advice, exitCode } = explain(error)
  return { line: `${what}; ${advice}`.replace(/\s*[\r\n]+\s*/g, ' '), exitCode }
}

function explain(error: unknown): { what: string; advice: string; exitCode: number } {
  if (error instanceof CommandError) {
    return { what: error.message, advice: error.advice, exitCode: error.exitCode }
  }
  if (error instanceof AnnulusError) {
    return { what: explainOutcome(error), advice: adviceByCode[error.code], exitCode: error.exitCode }
  }
  if (isSystemError(error)) {
    return { what: error.message, advice: 'check the path and its permissions', exitCode: exitCodes.error }
  }
  const what = error instanceof Error ? error.message : String(error)
  return { what, advice: adviceByCode.ERR_INTERNAL, exitCode: exitCodes.error }
}

/** The library's message. Where replicas were asked it says itself who answered, and what became of it. */
function explainOutcome(error: AnnulusError): string {
  const isSaid = !error.indefinite || error.missing.length > 0
  return isSaid ? error.message : `${error.message}; whether it took effect is not known`
}

/** An error of the operating system: it has a code such as ENOENT, and names what it was about. */
export function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && 'syscall' in error && 'code' in error
}

/** The reason of a failure in a few words, for lists of files that failed. */
export function reasonOf(error: unknown): string {
  return error instanceof AnnulusError
    ? explainOutcome(error)
    : error instanceof Error
      ? error.message
      : String(error)
}
