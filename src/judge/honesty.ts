/**
 * G9, honest errors: what was refused as having no effect is never seen, and every operation that fails does so
 * with an error of the library's whose code and `indefinite` fit together.
 */
import { ms, type Operation, type Violation } from './operation.ts'

export function checkHonesty(operations: readonly Operation[]): Violation[] {
  const refused = new Map<string, Operation>()
  for (const operation of operations) {
    const { kind, value, outcome } = operation
    if (kind === 'put' && outcome === 'refused' && value !== undefined) refused.set(value, operation)
  }
  return operations.flatMap(operation => [...seen(operation, refused), ...dishonest(operation)])
}

function seen(
  { kind, key, value, endedAt, outcome }: Operation,
  refused: ReadonlyMap<string, Operation>
): Violation[] {
  if (kind !== 'get' || outcome !== 'ok' || value === undefined) return []
  const put = refused.get(value)
  if (put === undefined) return []
  const what = `a get at ${ms(endedAt)} returned ${value}, of a put that failed with ${put.errorCode} as having no effect`
  return [{ guarantee: 'G9', subject: key, what }]
}

function dishonest({ kind, key, calledAt, isHonest, errorCode, error, outcome }: Operation): Violation[] {
  if (isHonest) return []
  const what = `a ${kind} called at ${ms(calledAt)} failed with ${errorCode ?? 'no AnnulusError'} as ${outcome}: ${error}`
  return [{ guarantee: 'G9', subject: key, what }]
}
