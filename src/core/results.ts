/** Between a coordinator's outcomes and what users get. */
import type { GetResult, PutResult } from '../api.ts'
import type { GetOutcome } from './register/get.ts'
import type { PutOutcome } from './register/put.ts'
import { formatVersion } from './record/version.ts'

export function toPutResult(outcome: PutOutcome): PutResult {
  return { version: formatVersion(outcome.version), replicas: outcome.replicas }
}

export function toGetResult({ record }: GetOutcome): GetResult | undefined {
  if (record === undefined) return undefined
  return {
    // A copy of the user's own: the record's bytes may be those that the store or a cache holds.
    value: new Uint8Array(record.value),
    version: formatVersion(record.version),
    expiresAt: record.expiresAt === 0 ? undefined : record.expiresAt
  }
}
