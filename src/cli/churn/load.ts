/**
 * Puts and gets at a steady rate, whatever comes back, and the history of them that is judged. The times of a history
 * are those of the cluster.
 */
import type { KeyValueStore } from '../../api.ts'
import type { Operation } from '../../judge/operation.ts'
import { failureOf } from '../../judge/outcome.ts'
import type { Draws } from './draws.ts'

/** Operations under way; what is due above it is not begun, and counted. */
const maxInFlight = 512

/** Between two looks at what is due, in real ms. */
const lookEveryMs = 5

/** Operations of one history: some hours, and within memory. */
export const maxOperations = 2_000_000

export interface LoadClient {
  readonly name: string
  readonly store: Pick<KeyValueStore, 'get' | 'put'>
}

export interface LoadComponents {
  readonly draws: Draws
  /** Ms of the cluster's time since the run began. */
  readonly nowMs: () => number
  readonly clients: readonly LoadClient[]
}

export interface LoadInit {
  readonly keys: number
  readonly valueBytes: number
  /** Operations in a second of the cluster's time. */
  readonly rate: number
  readonly getShare: number
  /** Of one operation, in real ms. */
  readonly deadlineMs: number
}

export class Load {
  readonly operations: Operation[] = []
  /** Due, and not begun: too many were under way. */
  skipped = 0
  readonly #components: LoadComponents
  readonly #init: LoadInit
  readonly #underWay = new Set<Promise<void>>()
  #puts = 0
  #failed = 0

  constructor(components: LoadComponents, init: LoadInit) {
    this.#components = components
    this.#init = init
  }

  get failed(): number {
    return this.#failed
  }

  get keys(): string[] {
    return Array.from({ length: this.#init.keys }, (_, i) => `key ${i}`)
  }

  /** Puts each key once; throws where one is not acknowledged. */
  async fill(): Promise<void> {
    await this.#forEachKey(key => this.#put(key))
    const failed = this.operations.find(({ outcome }) => outcome !== 'ok')
    if (failed !== undefined) throw new Error(`the cluster could not be filled: ${failed.error}`)
  }

  /** Gets each key once. */
  async readBack(): Promise<Operation[]> {
    const from = this.operations.length
    await this.#forEachKey(key => this.#get(key))
    return this.operations.slice(from)
  }

  /** Resolves when it has ended and what was under way too. */
  async run(untilMs: number, signal: AbortSignal): Promise<void> {
    const { draws, nowMs } = this.#components
    const meanMs = 1_000 / this.#init.rate
    let dueMs = nowMs() + draws.exponential(meanMs)
    while (dueMs < untilMs && !signal.aborted) {
      for (; dueMs <= nowMs() && dueMs < untilMs; dueMs += draws.exponential(meanMs)) this.#begin()
      await new Promise(resolve => setTimeout(resolve, lookEveryMs))
    }
    await Promise.all(this.#underWay)
  }

  #begin(): void {
    const { draws } = this.#components
    const key = `key ${draws.integer(this.#init.keys)}`
    const isGet = draws.float() < this.#init.getShare
    if (this.#underWay.size >= maxInFlight || this.operations.length >= maxOperations) {
      this.skipped++
      return
    }
    const operation = (isGet ? this.#get(key) : this.#put(key)).finally(() =>
      this.#underWay.delete(operation)
    )
    this.#underWay.add(operation)
  }

  async #forEachKey(work: (key: string) => Promise<void>): Promise<void> {
    const keys = this.keys
    const one = async (): Promise<void> => {
      for (let key = keys.pop(); key !== undefined; key = keys.pop()) await work(key)
    }
    await Promise.all(Array.from({ length: 16 }, one))
  }

  #get(key: string): Promise<void> {
    return this.#record({ kind: 'get', key }, async (store, deadline) => {
      const found = await store.get(key, { deadline })
      return found === undefined
        ? { value: undefined, version: undefined }
        : { value: nameOf(found.value, this.#init.valueBytes), version: found.version }
    })
  }

  #put(key: string): Promise<void> {
    const value = `value ${this.#puts++}`
    return this.#record({ kind: 'put', key, value }, async (store, deadline) => {
      const { version } = await store.put(key, valueNamed(value, this.#init.valueBytes), { deadline })
      return { value, version }
    })
  }

  async #record(
    call: { readonly kind: 'get' | 'put'; readonly key: string; readonly value?: string },
    carryOut: (
      store: LoadClient['store'],
      deadlineMs: number
    ) => Promise<{ readonly value: string | undefined; readonly version: string | undefined }>
  ): Promise<void> {
    const { draws, nowMs, clients } = this.#components
    const { name, store } = clients[draws.integer(clients.length)]!
    const common = { expiresAt: undefined, judgedAt: undefined, asked: name, calledAt: nowMs() }
    const settled = await carryOut(store, this.#init.deadlineMs).then(
      answer =>
        ({ ...answer, outcome: 'ok', errorCode: undefined, error: undefined, isHonest: true }) as const,
      (error: unknown) => ({ value: call.value, version: undefined, ...failureOf(error, call.kind) })
    )
    if (settled.outcome !== 'ok') this.#failed++
    this.operations.push({ kind: call.kind, key: call.key, ...common, ...settled, endedAt: nowMs() })
  }
}

/** Begins with its name, and is filled up. */
export function valueNamed(name: string, bytes: number): Uint8Array {
  return new TextEncoder().encode(`${name};`.padEnd(bytes, '.'))
}

/** Of a value as it came back: what is not just as it was put has a name that nobody put. */
function nameOf(value: Uint8Array, bytes: number): string {
  const [name = ''] = new TextDecoder().decode(value).split(';', 1)
  return Buffer.compare(value, valueNamed(name, bytes)) === 0
    ? name
    : `damaged bytes that begin with "${name}"`
}
