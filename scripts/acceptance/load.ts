/**
 * A load that runs while peers come and go: clients that put, get and delete keys of their own all the time, do
 * again what surely had no effect, and write down all that they called and were answered. The same judges as the
 * simulator's look at that history. Used by the checks that change a cluster under load.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { KeyValueStore } from '../../src/api.ts'
import { checkHistory, type Violation } from '../../test/simulation/run/checker.ts'
import {
  describeOperation,
  History,
  type Answer,
  type Call,
  type Operation
} from '../../test/simulation/run/history.ts'

/** What the load needs of a client. */
export type LoadClient = Pick<KeyValueStore, 'get' | 'put' | 'delete'>

export interface LoadInit {
  /** How many keys it works on. */
  readonly keys: number
  /** Operations that each client has under way at once. */
  readonly lanes: number
  /** Between two operations of a lane, in ms. */
  readonly pauseMs: number
  /** How often an operation is tried again that failed and surely had no effect. */
  readonly retries: number
  /** Before it is tried again, in ms. */
  readonly retryPauseMs?: number
  /** Draws, uniform in [0, 1). */
  readonly random?: () => number
}

/** Shares of all operations; the others are gets. */
const putShare = 0.45
const deleteShare = 0.05

export class Load {
  readonly history = new History({
    get nowMs() {
      return performance.now()
    }
  })
  /** Operations that failed although they were tried again, or that may have had an effect, as they ended. */
  readonly failed: Operation[] = []
  readonly #clients: readonly LoadClient[]
  readonly #init: Required<LoadInit>
  readonly #stopping = new AbortController()
  #running: Promise<unknown> = Promise.resolve()
  #calls = 0

  constructor(clients: readonly LoadClient[], init: LoadInit) {
    this.#clients = clients
    this.#init = { retryPauseMs: 200, random: Math.random, ...init }
  }

  /** How many operations failed with no effect and were tried again. */
  get retried(): number {
    return this.history.count('refused') - this.failed.filter(({ outcome }) => outcome === 'refused').length
  }

  /** Puts every key once, so that from then on there are as many records as keys. */
  async fill(): Promise<void> {
    const client = this.#clients[0]!
    for (const key of this.#keys()) await this.#persist(client, { kind: 'put', key, asked: 'client 1' })
  }

  start(): void {
    const { lanes } = this.#init
    this.#running = Promise.all(
      this.#clients.flatMap((client, index) =>
        Array.from({ length: lanes }, () => this.#lane(client, `client ${index + 1}`))
      )
    )
  }

  /** Resolves when all that is under way is over. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    await this.#running
  }

  /** Reads every key through one more client. */
  async readAll(client: LoadClient, asked: string): Promise<void> {
    for (const key of this.#keys()) await this.#persist(client, { kind: 'get', key, asked })
  }

  /** All that the judges find wrong with what was answered so far. */
  judge(): Violation[] {
    return checkHistory(this.history.soFar())
  }

  #keys(): string[] {
    return Array.from({ length: this.#init.keys }, (_, index) => nameOf(index))
  }

  async #lane(client: LoadClient, asked: string): Promise<void> {
    const { keys, pauseMs, random } = this.#init
    while (!this.#stopping.signal.aborted) {
      // Squared, so that some keys are hot: what is written by several at once shows most.
      const key = nameOf(Math.floor(random() ** 2 * keys))
      const choice = random()
      const kind = choice < putShare ? 'put' : choice < putShare + deleteShare ? 'delete' : 'get'
      await this.#persist(client, { kind, key, asked })
      await sleep(pauseMs * 2 * random())
    }
  }

  /** Carries out an operation, again where it surely had no effect. Each try stands in the history by itself. */
  async #persist(client: LoadClient, call: Omit<Call, 'value'>): Promise<void> {
    for (let attempt = 0; ; attempt++) {
      // Every put has a value of its own, so that a get tells which one it saw.
      const value = call.kind === 'put' ? `value ${this.#calls++}` : undefined
      const operation = await this.history.record({ ...call, value }, answer =>
        carryOut(client, { ...call, value }, answer)
      )
      if (operation.outcome === 'ok') return
      if (operation.outcome === 'unknown' || attempt >= this.#init.retries || this.#stopping.signal.aborted) {
        this.failed.push(operation)
        return
      }
      await sleep(this.#init.retryPauseMs)
    }
  }
}

function nameOf(index: number): string {
  return `load/${index}`
}

async function carryOut(client: LoadClient, { kind, key, value }: Call, answer: Answer): Promise<void> {
  if (kind === 'get') {
    const found = await client.get(key)
    answer.value = found === undefined ? undefined : Buffer.from(found.value).toString()
    answer.version = found?.version
  } else if (kind === 'put') answer.version = (await client.put(key, Buffer.from(value!))).version
  else answer.version = (await client.delete(key)).version
}

/** The first few of what is listed, for people. */
export function describeFailures(operations: readonly Operation[]): string {
  const most = 5
  const lines = operations.slice(0, most).map(operation => `\n  ${describeOperation(operation)}`)
  const more = operations.length > most ? `\n  and ${operations.length - most} more` : ''
  return lines.join('') + more
}
