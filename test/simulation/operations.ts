/** Operations of one key as clients saw them, for the tests of those who judge histories. */
import type { Operation } from './run/history.ts'

/** The key of all operations that are given no other one. */
export const theKey = 'key'

/** A get that found nothing, unless said otherwise, called at `calledAt` and answered 1 ms later. */
export function operation(calledAt: number, init: Partial<Operation>): Operation {
  return {
    number: calledAt,
    kind: 'get',
    key: theKey,
    value: undefined,
    version: undefined,
    tellsVersions: true,
    expiresAt: undefined,
    judgedAt: undefined,
    calledAt,
    endedAt: calledAt + 1,
    outcome: 'ok',
    errorCode: undefined,
    error: undefined,
    isHonest: true,
    asked: 'peer 0',
    ...init
  }
}

export function put(at: number, value: string, version: string, init: Partial<Operation> = {}): Operation {
  return operation(at, { kind: 'put', value, version, ...init })
}

export function get(at: number, value?: string, version?: string, init: Partial<Operation> = {}): Operation {
  return operation(at, { value, version, ...init })
}

export function remove(at: number, version: string, init: Partial<Operation> = {}): Operation {
  return operation(at, { kind: 'delete', version, ...init })
}
