/** Checks what users pass to put, get and delete, before anything is done with it. */
import type { CallOptions, Consistency, Key, OperationOptions, PutOptions } from '../api.ts'
import type { CancelSignal } from './canceller.ts'
import { AnnulusError } from './errors.ts'
import { maxDeadlineMs, maxKeyBytes, maxValueBytes } from './limits.ts'

/** How long a call may take when its caller does not say, in ms. */
export const defaultDeadlineMs = 10_000

/** The longest time to live, in ms: a thousand years, which a version's clock outlives. */
const maxTtlMs = 1000 * 365 * 24 * 3600 * 1000

const encoder = new TextEncoder()

/** The bytes of a key: a copy, since they are used after the call has returned. Throws ERR_INVALID. */
export function checkKey(key: Key): Uint8Array {
  if (typeof key === 'string' && !key.isWellFormed()) {
    throw invalid('the key is text with half a surrogate pair, which has no UTF-8; pass bytes instead')
  }
  const bytes = typeof key === 'string' ? encoder.encode(key) : new Uint8Array(checkBytes('the key', key))
  if (bytes.length === 0) throw invalid('the key is empty; it takes at least 1 byte')
  if (bytes.length > maxKeyBytes) {
    throw invalid(`the key is ${bytes.length} bytes long; at most ${maxKeyBytes} are allowed`)
  }
  return bytes
}

/** Throws ERR_INVALID. */
export function checkValue(value: Uint8Array): Uint8Array {
  const bytes = checkBytes('the value', value)
  if (bytes.length > maxValueBytes) {
    throw invalid(`the value is ${bytes.length} bytes long; at most ${maxValueBytes} are allowed`)
  }
  return bytes
}

/** What a user passes, or whoever calls for one, with a signal of the core's. */
type Given<Options extends CallOptions> = Omit<Options, 'signal'> & { readonly signal?: CancelSignal }

/** The options of a call with the defaults filled in. */
export interface CheckedOptions {
  readonly deadlineMs: number
  readonly signal?: CancelSignal
}

export interface CheckedOperation extends CheckedOptions {
  readonly consistency: Consistency
}

export interface CheckedPut extends CheckedOperation {
  readonly ttlMs?: number
}

export function checkCall(options: Given<CallOptions> = {}): CheckedOptions {
  const deadlineMs = options.deadline ?? defaultDeadlineMs
  if (!(deadlineMs > 0 && deadlineMs <= maxDeadlineMs)) {
    throw invalid(`the deadline is ${deadlineMs} ms; it takes more than 0 and at most ${maxDeadlineMs}`)
  }
  if (options.signal?.aborted === true) throw new AnnulusError('ERR_ABORTED', 'aborted before it began')
  return options.signal === undefined ? { deadlineMs } : { deadlineMs, signal: options.signal }
}

/** A change of the members takes as long as it has records to move, unless its caller says otherwise. */
export function checkChange(options: Given<CallOptions> = {}): { signal?: CancelSignal; limitMs?: number } {
  const { deadlineMs, ...checked } = checkCall(options)
  return options.deadline === undefined ? checked : { ...checked, limitMs: deadlineMs }
}

export function checkOperation(options: Given<OperationOptions> = {}): CheckedOperation {
  const consistency: string = options.consistency ?? 'quorum'
  if (consistency !== 'one' && consistency !== 'quorum' && consistency !== 'all') {
    throw invalid(`the consistency is "${consistency}"; it takes one, quorum or all`)
  }
  return { ...checkCall(options), consistency }
}

export function checkPut(options: Given<PutOptions> = {}): CheckedPut {
  const operation = checkOperation(options)
  if (options.ttl === undefined) return operation
  if (!(options.ttl > 0 && options.ttl <= maxTtlMs)) {
    throw invalid(`the time to live is ${options.ttl} ms; it takes more than 0 and at most ${maxTtlMs}`)
  }
  return { ...operation, ttlMs: Math.ceil(options.ttl) }
}

function checkBytes(what: string, bytes: unknown): Uint8Array {
  if (bytes instanceof Uint8Array) return bytes
  throw invalid(`${what} is no Uint8Array`)
}

function invalid(message: string): AnnulusError {
  return new AnnulusError('ERR_INVALID', message)
}
