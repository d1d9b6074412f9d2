/**
 * Operations that a peer coordinates for a client which does not do so itself: both ends of it. An error goes
 * back whole, with what it says of the outcome.
 */
import type { Consistency, GetResult, PutResult } from '../api.ts'
import {
  Consistency as WireConsistency,
  Operation as WireOperation,
  type Failure,
  type Forward,
  type ForwardAnswer
} from '../wire/generated/messages.ts'
import { checkKey, checkOperation, checkPut, checkValue, type CheckedPut } from './arguments.ts'
import type { CancelSignal } from './canceller.ts'
import { AnnulusError, errorTable, type ErrorCode } from './errors.ts'
import { ServeError, type Clock } from './ports.ts'
import type { Asked } from './requests/dispatcher.ts'
import type { ResponseBody } from './rpc-types.ts'
import { toGetResult, toPutResult } from './results.ts'
import type { Coordinator } from './register/coordinator.ts'
import { sleep } from './time.ts'

const consistencyNames: Readonly<Record<WireConsistency, Consistency>> = {
  [WireConsistency.CONSISTENCY_QUORUM]: 'quorum',
  [WireConsistency.CONSISTENCY_ONE]: 'one',
  [WireConsistency.CONSISTENCY_ALL]: 'all'
}

const wireConsistency: Readonly<Record<Consistency, WireConsistency>> = {
  quorum: WireConsistency.CONSISTENCY_QUORUM,
  one: WireConsistency.CONSISTENCY_ONE,
  all: WireConsistency.CONSISTENCY_ALL
}

/** What a client asks a peer to do for it. */
export type Order =
  | { readonly operation: 'get' | 'delete'; readonly key: Uint8Array; readonly options: CheckedPut }
  | {
      readonly operation: 'put'
      readonly key: Uint8Array
      readonly value: Uint8Array
      readonly options: CheckedPut
    }

const wireOperations = {
  get: WireOperation.OPERATION_GET,
  put: WireOperation.OPERATION_PUT,
  delete: WireOperation.OPERATION_DELETE
} as const

/** `timeoutMs`: how long the peer may take. */
export function toForward(order: Order, timeoutMs: number): Forward {
  return {
    operation: wireOperations[order.operation],
    key: order.key,
    value: order.operation === 'put' ? order.value : new Uint8Array(),
    ttlMs: order.options.ttlMs ?? 0,
    consistency: wireConsistency[order.options.consistency],
    timeoutMs: Math.max(1, Math.floor(timeoutMs))
  }
}

/** Whether it stores something. */
export function isChange({ operation }: Pick<Forward, 'operation'>): boolean {
  return operation !== WireOperation.OPERATION_GET
}

/** For how long a peer that stops goes on with what it has begun for clients, in ms: many times what most take. */
const finishMs = 2_000

/** The orders that a peer carries out. Only it can tell how they end, so it sees to that before it stops. */
export class Orders {
  readonly #clock: Clock
  readonly #underWay = new Set<Promise<unknown>>()
  #isEnding = false

  constructor({ clock }: { readonly clock: Clock }) {
    this.#clock = clock
  }

  async serve(coordinator: Coordinator, message: Forward, asked: Asked): Promise<ResponseBody> {
    if (this.#isEnding) throw new ServeError('not-ready', 'this peer is stopping')
    const answer = serveForward(coordinator, message, asked)
    this.#underWay.add(answer)
    return answer.finally(() => this.#underWay.delete(answer))
  }

  /** Takes no more orders. Resolves when all are answered, or have had their time. */
  async end(): Promise<void> {
    this.#isEnding = true
    if (this.#underWay.size === 0) return
    const done = new AbortController()
    const late = sleep(this.#clock, finishMs, done.signal).catch(() => undefined)
    await Promise.race([Promise.allSettled(this.#underWay), late])
    done.abort()
    // The last answers are on their way to the transport, which sends what it has when it stops.
    await sleep(this.#clock, 0)
  }
}

/** Coordinates what a client ordered. */
export async function serveForward(
  coordinator: Coordinator,
  message: Forward,
  asked: Asked
): Promise<ResponseBody> {
  try {
    return { forward: await carryOut(coordinator, message, asked.signal) }
  } catch (error) {
    if (!(error instanceof AnnulusError)) throw error
    // Another peer may be in the cluster already, or still be: the client goes on to that.
    if (isNotServing(error)) throw new ServeError('not-ready', error.message)
    return { forward: { ...nothing, failure: toFailure(error) } }
  }
}

function isNotServing({ code, indefinite }: AnnulusError): boolean {
  return !indefinite && (code === 'ERR_UNREACHABLE' || code === 'ERR_STOPPED')
}

async function carryOut(
  coordinator: Coordinator,
  message: Forward,
  signal: CancelSignal
): Promise<ForwardAnswer> {
  const key = checkKey(message.key)
  const options = { consistency: consistencyNames[message.consistency], deadline: message.timeoutMs, signal }
  switch (message.operation) {
    case WireOperation.OPERATION_GET: {
      const result = toGetResult(await coordinator.get(key, checkOperation(options)))
      if (result === undefined) return nothing
      const value = result.value
      return { ...nothing, found: true, value, version: result.version, expiresAt: result.expiresAt ?? 0 }
    }
    case WireOperation.OPERATION_PUT: {
      const ttl = message.ttlMs === 0 ? {} : { ttl: message.ttlMs }
      const put = coordinator.put(key, checkValue(message.value), checkPut({ ...options, ...ttl }))
      return { ...nothing, ...toPutResult(await put) }
    }
    case WireOperation.OPERATION_DELETE:
      return { ...nothing, ...toPutResult(await coordinator.delete(key, checkOperation(options))) }
    default:
      throw new ServeError('bad-request', 'the operation to forward is none that this version knows')
  }
}

/** What a peer answered to a get. Throws the AnnulusError that it answered with. */
export function toForwardedGet(answer: ForwardAnswer): GetResult | undefined {
  throwFailure(answer)
  if (!answer.found) return undefined
  const { value, version, expiresAt } = answer
  return { value, version, expiresAt: expiresAt === 0 ? undefined : expiresAt }
}

/** What a peer answered to a put or delete. Throws the AnnulusError that it answered with. */
export function toForwardedPut(answer: ForwardAnswer): PutResult {
  throwFailure(answer)
  return { version: answer.version, replicas: answer.replicas }
}

const nothing: ForwardAnswer = {
  found: false,
  value: new Uint8Array(),
  version: '',
  replicas: 0,
  expiresAt: 0
}

/** An error as it goes back to who asked. */
export function toFailure(error: AnnulusError): Failure {
  return {
    code: error.code,
    message: error.message,
    indefinite: error.indefinite,
    answered: [...error.answered],
    missing: [...error.missing]
  }
}

/** Throws the AnnulusError that an answer is, where it is one. */
export function throwFailure({ failure }: { readonly failure?: Failure }): void {
  if (failure === undefined) return
  const code = Object.hasOwn(errorTable, failure.code) ? (failure.code as ErrorCode) : 'ERR_INTERNAL'
  throw new AnnulusError(code, failure.message, failure)
}
