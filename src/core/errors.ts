/**
 * Every error that a user of the library can meet. Each has a stable `code`, says whether the operation may
 * have had an effect (`indefinite`), and has an exit code for the command line. docs/errors.md lists them;
 * a test holds the two together.
 */
export const errorTable = {
  ERR_INVALID: { exitCode: 2, about: 'an argument is malformed or over a limit; nothing was done' },
  ERR_CONFIG: { exitCode: 2, about: 'the settings contradict each other or those of the cluster' },
  ERR_NOT_FOUND: { exitCode: 3, about: 'there is no such key' },
  ERR_UNREACHABLE: { exitCode: 4, about: 'no peer could be reached; nothing was done' },
  ERR_QUORUM: { exitCode: 5, about: 'too few replicas answered; the operation had no effect' },
  ERR_OUTCOME_UNKNOWN: {
    exitCode: 6,
    about: 'too few replicas answered in time; the operation may have had an effect'
  },
  ERR_OVERLOADED: { exitCode: 1, about: 'a limit is reached; nothing was done, try again later' },
  ERR_FULL: {
    exitCode: 1,
    about: 'too many replicas are at their disk quota or have a full disk; nothing was stored'
  },
  ERR_ABORTED: { exitCode: 130, about: 'the caller gave up; see `indefinite`' },
  ERR_STORE: { exitCode: 1, about: 'the data folder cannot be used' },
  ERR_STORE_LOCKED: { exitCode: 1, about: 'another process uses the data folder' },
  ERR_DUPLICATE: { exitCode: 1, about: 'another process runs with this identity: a copied data folder' },
  ERR_FORBIDDEN: {
    exitCode: 1,
    about: 'the lists of a peer do not let this client do that; nothing was done'
  },
  ERR_REFUSED: { exitCode: 1, about: 'the cluster refused a change of its members' },
  ERR_LISTEN: { exitCode: 1, about: 'an address cannot be listened on' },
  ERR_STOPPED: { exitCode: 1, about: 'the peer or client has been stopped' },
  ERR_INTERNAL: { exitCode: 1, about: 'a fault of the program; please report it' }
} as const

export type ErrorCode = keyof typeof errorTable

export interface AnnulusErrorInit {
  /** True where the operation may have had, or may yet have, an effect. Default false. */
  readonly indefinite?: boolean
  /** Peer ids of the replicas that answered, where replicas were asked. */
  readonly answered?: readonly string[]
  /** Peer ids of the replicas that did not. */
  readonly missing?: readonly string[]
  readonly cause?: unknown
}

export class AnnulusError extends Error {
  override readonly name = 'AnnulusError'
  readonly code: ErrorCode
  readonly indefinite: boolean
  readonly answered: readonly string[]
  readonly missing: readonly string[]

  constructor(code: ErrorCode, message: string, init: AnnulusErrorInit = {}) {
    super(message, init.cause === undefined ? undefined : { cause: init.cause })
    this.code = code
    this.indefinite = init.indefinite ?? false
    this.answered = init.answered ?? []
    this.missing = init.missing ?? []
  }

  get exitCode(): number {
    return errorTable[this.code].exitCode
  }
}
