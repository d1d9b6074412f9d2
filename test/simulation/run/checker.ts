/**
 * Judges a history by the guarantees. Two judges of G4, which know nothing of each other: one takes the versions
 * that answers name as witness, and is linear in the history; the other searches for an order, knows nothing of
 * versions, and judges the short histories only.
 */
import { isLinearizable } from '../../support/linearizability.ts'
import type { Operation } from './history.ts'

export interface Violation {
  readonly guarantee: 'G1' | 'G3' | 'G4' | 'G5' | 'G7' | 'G8' | 'G9'
  /** What is wrong, in words. */
  readonly what: string
  /** The key or member concerned. */
  readonly subject: string
}

/** Operations that the search is given at the most: it takes a time that grows steeply. */
const maxSearched = 40

/** All that is wrong with what the clients saw. */
export function checkHistory(operations: readonly Operation[]): Violation[] {
  return [...Map.groupBy(operations, ({ key }) => key)].flatMap(([key, ofKey]) => [
    ...checkHonesty(key, ofKey),
    ...checkVersions(key, ofKey),
    ...checkBySearch(key, ofKey)
  ])
}

/** G9: what surely had no effect is never seen. */
function checkHonesty(key: string, operations: readonly Operation[]): Violation[] {
  const refused = new Set(operations.filter(({ outcome }) => outcome === 'refused').map(({ value }) => value))
  refused.delete(undefined)
  const seen = operations.filter(
    ({ kind, outcome, value }) => kind === 'get' && outcome === 'ok' && refused.has(value)
  )
  return seen.map(({ value, returnedAt }) => ({
    guarantee: 'G9',
    what: `a get at ${ms(returnedAt)} returned ${value}, of a put that was refused as having no effect`,
    subject: key
  }))
}

/**
 * G4 by versions. Order all writes by version; then an operation must come after all that were answered before it
 * was called, and a get returns what the write of its version wrote.
 */
function checkVersions(key: string, operations: readonly Operation[]): Violation[] {
  const violations: Violation[] = []
  const complain = (what: string): void => void violations.push({ guarantee: 'G4', what, subject: key })
  const writes = new Map<string, Operation>()
  for (const operation of operations) {
    if (operation.kind === 'get' || operation.version === undefined) continue
    const other = writes.get(operation.version)
    if (other !== undefined) complain(`two writes have the version ${operation.version}`)
    writes.set(operation.version, operation)
  }
  const unknown = new Map(
    operations.filter(o => o.outcome === 'unknown' && o.kind !== 'get').map(o => [o.value, o])
  )
  for (const get of operations) {
    if (get.kind !== 'get' || get.outcome !== 'ok' || get.version === undefined) continue
    const write = writes.get(get.version) ?? unknown.get(get.value)
    if (write === undefined)
      complain(`a get at ${ms(get.returnedAt)} returned ${get.value}, which nobody wrote`)
    else if (write.value !== get.value)
      complain(`a get returned ${get.value} as ${get.version}, which is ${write.value}`)
    else if (write.calledAt > get.returnedAt) complain(`a get returned ${get.value} before it was written`)
  }
  checkRealTime(operations, complain)
  return violations
}

/** Goes through calls and answers in the order of time, with the newest version answered so far as the floor. */
function checkRealTime(operations: readonly Operation[], complain: (what: string) => void): void {
  const answered = operations.filter(({ outcome, version }) => outcome === 'ok' && version !== undefined)
  const byReturn = [...answered].sort((a, b) => a.returnedAt - b.returnedAt)
  const byCall = [...answered].sort((a, b) => a.calledAt - b.calledAt)
  let floor: Operation | undefined
  let returned = 0
  for (const operation of byCall) {
    for (; returned < byReturn.length && byReturn[returned]!.returnedAt < operation.calledAt; returned++) {
      const other = byReturn[returned]!
      if (floor === undefined || compare(other, floor) > 0) floor = other
    }
    if (floor === undefined) continue
    const order = compare(operation, floor)
    if (order < 0 || (order === 0 && operation.kind !== 'get')) {
      complain(
        `a ${operation.kind} called at ${ms(operation.calledAt)} has the version ${operation.version}, ` +
          `but a ${floor.kind} answered at ${ms(floor.returnedAt)} had ${floor.version} already`
      )
    }
  }
}

/** G4 by search, over what fits. */
function checkBySearch(key: string, operations: readonly Operation[]): Violation[] {
  const said = operations.filter(
    ({ kind, outcome }) => outcome === 'ok' || (outcome === 'unknown' && kind !== 'get')
  )
  if (said.length > maxSearched) return []
  const history = said.map(({ kind, value, calledAt, returnedAt }) => {
    return { kind: kind === 'get' ? ('read' as const) : ('write' as const), value, calledAt, returnedAt }
  })
  if (isLinearizable(history)) return []
  return [
    {
      guarantee: 'G4',
      what: 'no order of its operations keeps real time and explains the gets',
      subject: key
    }
  ]
}

/** By the version's text, time.writer.rmw: times differ in digits only after the year 2286. */
function compare(a: Operation, b: Operation): number {
  return a.version! < b.version! ? -1 : a.version! > b.version! ? 1 : 0
}

function ms(at: number): string {
  return `${at.toFixed(1)} ms`
}
