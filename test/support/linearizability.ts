/**
 * A checker for histories of one register, which knows nothing but calls and answers: is there an order of the
 * operations that keeps real time and in which every read returns the latest write? After Wing and Gong ("Testing
 * and Verifying Concurrent Objects", 1993), with Lowe's memory ("Testing for linearizability", 2017): a set of
 * operations done, together with the value that they leave, is looked at once.
 *
 * Operations are kept in the order of their calls, and those done are nearly always a prefix of it. So a state is
 * told by the length of that prefix and the few done beyond it, which keeps histories of thousands of operations
 * within reach, as long as few of them overlap.
 */

export interface RegisterOperation {
  readonly kind: 'read' | 'write'
  /** What was written or read; undefined: nothing, or deleted. */
  readonly value: string | undefined
  readonly calledAt: number
  /** Infinity where the outcome is not known: then a write took effect at some time after its call, or never. */
  readonly returnedAt: number
  /** Of a write: from when on it reads as nothing, by whatever clock the readers use. */
  readonly expiresAt?: number | undefined
  /** Of a read: what that clock showed. Undefined: nobody knows, and what expires may be there or not. */
  readonly judgedAt?: number | undefined
}

export interface SearchOptions {
  /** States looked at before giving up. Default: no limit. */
  readonly maxSteps?: number
}

/** Whether a register that starts out empty can have shown this history; undefined: given up. */
export function isLinearizable(history: readonly RegisterOperation[]): boolean
export function isLinearizable(
  history: readonly RegisterOperation[],
  options: SearchOptions
): boolean | undefined
export function isLinearizable(
  history: readonly RegisterOperation[],
  { maxSteps = Infinity }: SearchOptions = {}
): boolean | undefined {
  const operations = telling(history).sort((a, b) => a.calledAt - b.calledAt)
  const states = [new State()]
  const seen = new Set<string>()
  for (let state = states.pop(); state !== undefined; state = states.pop()) {
    if (seen.size >= maxSteps) return undefined
    const next = successors(state, operations)
    if (next === 'complete') return true
    for (const successor of next) {
      const { name } = successor
      if (seen.has(name)) continue
      seen.add(name)
      states.push(successor)
    }
  }
  return false
}

/**
 * Without what says nothing: reads that were never answered, and writes that were not and that no read can have
 * seen. Such a write may as well never have happened; left in, it would double the states at each step from its
 * call on.
 */
function telling(history: readonly RegisterOperation[]): RegisterOperation[] {
  const answered = history.filter(({ kind, returnedAt }) => kind === 'write' || returnedAt !== Infinity)
  const read = new Set(answered.filter(({ kind }) => kind === 'read').map(({ value }) => value))
  const maySeem = ({ value, expiresAt }: RegisterOperation): boolean =>
    read.has(value) || (expiresAt !== undefined && read.has(undefined))
  return answered.filter(operation => operation.returnedAt !== Infinity || maySeem(operation))
}

/** What has taken effect: all before `from`, and those in `beyond`, in order; `last` is the latest write. */
class State {
  readonly from: number
  readonly beyond: readonly number[]
  readonly last: number

  constructor(from = 0, beyond: readonly number[] = [], last = -1) {
    this.from = from
    this.beyond = beyond
    this.last = last
  }

  get name(): string {
    return `${this.from};${this.beyond.join()};${this.last}`
  }

  isDone(index: number): boolean {
    return index < this.from || this.beyond.includes(index)
  }

  with(index: number, isWrite: boolean): State {
    const done = [...this.beyond, index].sort((a, b) => a - b)
    let { from } = this
    while (done[0] === from) {
      done.shift()
      from++
    }
    return new State(from, done, isWrite ? index : this.last)
  }
}

/** The states that may come next; 'complete' where all that is left need not have happened. */
function successors(state: State, operations: readonly RegisterOperation[]): State[] | 'complete' {
  const [open, firstReturn] = openAt(state, operations)
  if (firstReturn === Infinity) return 'complete'
  const latest = operations[state.last]
  const able = open.filter(index => isPossible(operations[index]!, latest))
  // A read changes nothing: where one is possible now, it may as well come first.
  const read = able.find(index => operations[index]!.kind === 'read')
  if (read !== undefined) return [state.with(read, false)]
  // Writes that never returned go first on the stack, and so are tried last.
  able.sort((a, b) => operations[b]!.returnedAt - operations[a]!.returnedAt)
  return able.map(index => state.with(index, true))
}

/** Those that may take effect next, and the earliest return of all that have not. */
function openAt(state: State, operations: readonly RegisterOperation[]): [number[], number] {
  const open: number[] = []
  let firstReturn = Infinity
  let index = state.from
  for (; index < operations.length && operations[index]!.calledAt <= firstReturn; index++) {
    if (state.isDone(index)) continue
    open.push(index)
    firstReturn = Math.min(firstReturn, operations[index]!.returnedAt)
  }
  return [open.filter(candidate => operations[candidate]!.calledAt <= firstReturn), firstReturn]
}

function isPossible(operation: RegisterOperation, latest: RegisterOperation | undefined): boolean {
  if (operation.kind === 'write') return true
  if (operation.value !== undefined && operation.value !== latest?.value) return false
  const isAbsent = operation.value === undefined
  if (latest?.value === undefined) return isAbsent
  if (latest.expiresAt === undefined) return !isAbsent
  return operation.judgedAt === undefined || isAbsent === latest.expiresAt <= operation.judgedAt
}
