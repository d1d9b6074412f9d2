/** Judges a history as far as that takes no more time than is linear in it. For `annulus churn`. */
import { checkHonesty } from './honesty.ts'
import type { Operation, Violation } from './operation.ts'
import { checkVersions } from './versions.ts'

/** All that is wrong with what clients saw. */
export function judge(operations: readonly Operation[]): Violation[] {
  const byKey = [...Map.groupBy(operations, ({ key }) => key)]
  return [...checkHonesty(operations), ...byKey.flatMap(([key, ofKey]) => checkVersions(key, ofKey))]
}
