/**
 * Judges a history by the guarantees that clients can see. Used at the end of a run, and every so often during
 * one that is to stop at its first violation. What only the cluster's inside can show is judged by the other
 * files in guarantees/.
 */
import { isLinearizable, type RegisterOperation } from '../../support/linearizability.ts'
import { checkHonesty } from './guarantees/honesty.ts'
import { checkVersions } from './guarantees/linearizable.ts'
import type { Operation } from './history.ts'

/** By the names that the documentation gives them, and: `log`, which all rest on: no two peers ever hold different
 * topologies of one epoch; `judge`: the two judges of G4 contradict each other; `crash`: what nobody expected. */
export const guarantees = [
  'G1',
  'G2',
  'G3',
  'G4',
  'G5',
  'G6',
  'G7',
  'G8',
  'G9',
  'log',
  'judge',
  'crash'
] as const
export type Guarantee = (typeof guarantees)[number]

export interface Violation {
  readonly guarantee: Guarantee
  /** What is wrong, in words. */
  readonly what: string
  /** The key or peer concerned. */
  readonly subject: string
}

/**
 * Steps that the search may take for one key before it leaves the key to the other judge. Most keys of most runs
 * are done within some hundred; what takes more has many writes at once whose outcome nobody learnt.
 */
const maxSearchSteps = 5_000

/** All that is wrong with what clients saw. */
export function checkHistory(operations: readonly Operation[]): Violation[] {
  const byKey = [...Map.groupBy(operations, ({ key }) => key)]
  return [...checkHonesty(operations), ...byKey.flatMap(([key, ofKey]) => checkKey(key, ofKey))]
}

/**
 * G4 by two judges which know nothing of each other: one takes the versions that answers name as witness, the
 * other searches for an order and knows nothing of versions. The first is the stricter one where all gets name
 * versions: it also refuses what went wrong in a way that no get has shown yet. So what it accepts then and the
 * other does not is a contradiction. Gets that found nothing and name no version it judges kindly, and what the
 * search finds about these is a violation like any other.
 */
function checkKey(key: string, operations: readonly Operation[]): Violation[] {
  const byVersions = checkVersions(key, operations)
  if (byVersions.length > 0) return byVersions
  const said = operations.filter(
    ({ kind, outcome }) => outcome === 'ok' || (outcome === 'unknown' && kind !== 'get')
  )
  if (isLinearizable(said.map(asRegisterOperation), { maxSteps: maxSearchSteps }) !== false) return []
  const what = 'no order of its operations keeps real time and explains the gets'
  return tellVersions(operations)
    ? [{ guarantee: 'judge', subject: key, what: `${what}, and yet their versions are in order` }]
    : [{ guarantee: 'G4', subject: key, what }]
}

/** Whether every get that was answered says at which version it found what it did, or that there never was any. */
export function tellVersions(operations: readonly Operation[]): boolean {
  return operations.every(
    ({ kind, outcome, version, tellsVersions }) =>
      kind !== 'get' || outcome !== 'ok' || version !== undefined || tellsVersions
  )
}

export function asRegisterOperation(operation: Operation): RegisterOperation {
  const { kind, value, calledAt, endedAt, outcome, expiresAt, judgedAt } = operation
  return {
    kind: kind === 'get' ? 'read' : 'write',
    value,
    calledAt,
    returnedAt: outcome === 'ok' ? endedAt : Infinity,
    expiresAt,
    judgedAt
  }
}
