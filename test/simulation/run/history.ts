/**
 * What the clients of a simulated cluster, or of a real one, called and were answered. The workload, or the load of
 * scripts/acceptance/, writes it; the checks of the guarantees (guarantees/) judge it.
 */
import { ms, type Operation as Judged, type Outcome } from '../../../src/judge/operation.ts'
import { failureOf } from '../../../src/judge/outcome.ts'

export { ms, type Outcome } from '../../../src/judge/operation.ts'

export type OperationKind = Judged['kind']

export interface Operation extends Judged {
  /** The number of the call, from 0 on. */
  readonly number: number
  /** True for a get of a whole peer: where it names no version, nothing was ever stored. */
  readonly tellsVersions: boolean
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
    const as = (end: End, endedAt = this.#time.nowMs): Operation => ({
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
      ...end,
      asked: call.asked
    })
    this.#open.set(number, () => as(underWay, Infinity))
    const operation = await carryOut(answer).then(
      () => as(answered),
      (error: unknown) => as(failureOf(error, call.kind))
    )
    this.#open.delete(number)
    this.#ended.push(operation)
    return operation
  }
}

type End = Pick<Operation, 'outcome' | 'errorCode' | 'error' | 'isHonest'>

const answered: End = { outcome: 'ok', errorCode: undefined, error: undefined, isHonest: true }
const underWay: End = { ...answered, outcome: 'unknown' }

/** One operation in a line, for people. */
export function describeOperation(operation: Operation): string {
  const { kind, key, value, version, asked, calledAt, endedAt, outcome, error } = operation
  const times = `${ms(calledAt)} to ${endedAt === Infinity ? 'the end' : ms(endedAt)}`
  const what = kind === 'put' ? `put ${key} = ${value}` : `${kind} ${key}`
  const returned = kind === 'get' ? (value === undefined ? 'nothing there' : value) : 'stored'
  const answer = outcome === 'ok' ? `${returned}${version === undefined ? '' : ` as ${version}`}` : undefined
  return `${times}  ${what} through ${asked}: ${answer ?? `${outcome}: ${error ?? 'under way'}`}`
}
