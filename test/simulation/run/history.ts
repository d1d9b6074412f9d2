/**
 * What the clients of a simulated cluster, or of a real one, called and were answered. The workload, or the load of
 * scripts/acceptance/, writes it; the checks of the guarantees (guarantees/) judge it.
 */
import type { AnnulusError } from '../../../src/core/errors.ts'

export type OperationKind = 'get' | 'put' | 'delete'

/**
 * - `ok`: it was answered.
 * - `unknown`: it failed and may have had an effect, or is not over yet.
 * - `refused`: it failed and surely had no effect.
 */
export type Outcome = 'ok' | 'unknown' | 'refused'

export interface Operation {
  /** The number of the call, from 0 on. */
  readonly number: number
  readonly kind: OperationKind
  readonly key: string
  /** What was put, or what a get returned; undefined: nothing, or deleted. Every put has a value of its own. */
  readonly value: string | undefined
  /** Of what was stored or read, a delete's too; undefined where nobody told. */
  readonly version: string | undefined
  /** True for a get of a whole peer: where it names no version, nothing was ever stored. */
  readonly tellsVersions: boolean
  /** When what was put expires, in ms since 1970 by the clock of its coordinator; undefined: never. */
  readonly expiresAt: number | undefined
  /** The coordinator's clock when a get was answered, which is what judges expiry; undefined: not known. */
  readonly judgedAt: number | undefined
  /** In ms, by the one clock of all who ask: virtual time, or that of the process. */
  readonly calledAt: number
  /** By the same clock; Infinity while it is not over. */
  readonly endedAt: number
  readonly outcome: Outcome
  /** Code of the error that it failed with. */
  readonly errorCode: string | undefined
  readonly error: string | undefined
  /** False where it failed with something that is no honest AnnulusError. */
  readonly isHonest: boolean
  /** Who was asked: a peer by its index, or an embedded client. */
  readonly asked: string
}

/** What an operation is before it is asked. */
export interface Call {
  readonly kind: OperationKind
  readonly key: string
  /** The name of the value that is put. */
  readonly value?: string | undefined
  readonly asked: string
}

/** What is learnt of an operation while it is carried out. */
export interface Answer {
  value?: string | undefined
  version?: string | undefined
  tellsVersions?: boolean
  expiresAt?: number | undefined
  judgedAt?: number | undefined
}

/** What tells the time of a history. It never goes back. */
export interface HistoryTime {
  readonly nowMs: number
}

export class History {
  readonly #time: HistoryTime
  readonly #ended: Operation[] = []
  /** Those under way, by their number. */
  readonly #open = new Map<number, () => Operation>()
  #calls = 0

  constructor(time: HistoryTime) {
    this.#time = time
  }

  /** All that are over, in the order of their ends. */
  get ended(): readonly Operation[] {
    return this.#ended
  }

  /** All that were called; the outcome of those under way is unknown. */
  soFar(): Operation[] {
    return [...this.#ended, ...[...this.#open.values()].map(open => open())]
  }

  get keys(): string[] {
    return [...new Set(this.#ended.map(({ key }) => key))]
  }

  count(outcome: Outcome): number {
    return this.#ended.filter(operation => operation.outcome === outcome).length
  }

  /** Carries out an operation, which fills in what it learns, and writes down how it ended. */
  async record(call: Call, carryOut: (answer: Answer) => Promise<void>): Promise<Operation> {
    const number = this.#calls++
    const calledAt = this.#time.nowMs
    const answer: Answer = {}
    const as = (outcome: Outcome, endedAt: number, failure: Failure = noFailure): Operation => ({
      number,
      kind: call.kind,
      key: call.key,
      value: call.kind === 'get' ? answer.value : call.value,
      version: answer.version,
      tellsVersions: answer.tellsVersions ?? false,
      expiresAt: answer.expiresAt,
      judgedAt: answer.judgedAt,
      calledAt,
      endedAt,
      outcome,
      ...failure,
      asked: call.asked
    })
    this.#open.set(number, () => as('unknown', Infinity))
    const operation = await carryOut(answer).then(
      () => as('ok', this.#time.nowMs),
      (error: unknown) => {
        const failure = failureOf(error, call.kind)
        return as(isIndefinite(error) ? 'unknown' : 'refused', this.#time.nowMs, failure)
      }
    )
    this.#open.delete(number)
    this.#ended.push(operation)
    return operation
  }
}

type Failure = Pick<Operation, 'errorCode' | 'error' | 'isHonest'>

const noFailure: Failure = { errorCode: undefined, error: undefined, isHonest: true }

/** Codes that name an outcome by themselves. `true`: open. */
const openByCode: Readonly<Record<string, boolean>> = {
  ERR_OUTCOME_UNKNOWN: true,
  ERR_QUORUM: false,
  ERR_UNREACHABLE: false,
  ERR_OVERLOADED: false
}

/** What a process was asked when it was killed has failed with this, and who knows with what effect. */
const killed = 'ERR_STOPPED'

/** By its name: the built library's class is not that of the sources, which this is checked against. */
function isAnnulusError(error: unknown): error is AnnulusError {
  return error instanceof Error && error.name === 'AnnulusError'
}

function isIndefinite(error: unknown): boolean {
  return !isAnnulusError(error) || error.indefinite
}

function failureOf(error: unknown, kind: OperationKind): Failure {
  if (!isAnnulusError(error)) return { errorCode: undefined, error: String(error), isHonest: false }
  const { code, message, indefinite } = error
  const agrees = openByCode[code] === undefined || openByCode[code] === indefinite
  const isPlausible = kind !== 'get' || !indefinite || code === killed
  const isOurs = code !== 'ERR_INTERNAL' && typeof indefinite === 'boolean'
  return { errorCode: code, error: message, isHonest: agrees && isPlausible && isOurs }
}

/** One operation in a line, for people. */
export function describeOperation(operation: Operation): string {
  const { kind, key, value, version, asked, calledAt, endedAt, outcome, error } = operation
  const times = `${ms(calledAt)} to ${endedAt === Infinity ? 'the end' : ms(endedAt)}`
  const what = kind === 'put' ? `put ${key} = ${value}` : `${kind} ${key}`
  const returned = kind === 'get' ? (value === undefined ? 'nothing there' : value) : 'stored'
  const answer = outcome === 'ok' ? `${returned}${version === undefined ? '' : ` as ${version}`}` : undefined
  return `${times}  ${what} through ${asked}: ${answer ?? `${outcome}: ${error ?? 'under way'}`}`
}

export function ms(at: number): string {
  return `${at.toFixed(1)} ms`
}
