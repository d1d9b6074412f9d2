/** What the clients of a simulated cluster called and were answered. The checker judges it. */
import { AnnulusError } from '../../../src/core/errors.ts'
import type { VirtualTime } from '../clock.ts'

export interface Operation {
  readonly kind: 'get' | 'put' | 'delete'
  readonly key: string
  /** What was put, or what a get returned; undefined: nothing, or deleted. Every put has a value of its own. */
  readonly value: string | undefined
  /** The version that the answer named; undefined where it named none. */
  readonly version: string | undefined
  /** Virtual ms. */
  readonly calledAt: number
  /** Infinity where the outcome is not known. */
  readonly returnedAt: number
  /** `refused`: the error said that it surely had no effect. */
  readonly outcome: 'ok' | 'unknown' | 'refused'
  /** Of the error, where it failed. */
  readonly error: string | undefined
}

export interface Answer {
  readonly value?: string | undefined
  readonly version?: string | undefined
}

export class History {
  readonly #time: VirtualTime
  readonly operations: Operation[] = []

  constructor(time: VirtualTime) {
    this.#time = time
  }

  get keys(): string[] {
    return [...new Set(this.operations.map(({ key }) => key))]
  }

  get answered(): number {
    return this.operations.filter(({ outcome }) => outcome === 'ok').length
  }

  get failed(): number {
    return this.operations.length - this.answered
  }

  async get(key: string, call: () => Promise<Answer>): Promise<void> {
    await this.#record({ kind: 'get', key, value: undefined }, call)
  }

  async put(key: string, value: string, call: () => Promise<Answer>): Promise<void> {
    await this.#record({ kind: 'put', key, value }, call)
  }

  async delete(key: string, call: () => Promise<Answer>): Promise<void> {
    await this.#record({ kind: 'delete', key, value: undefined }, call)
  }

  async #record(
    operation: Pick<Operation, 'kind' | 'key' | 'value'>,
    call: () => Promise<Answer>
  ): Promise<void> {
    const calledAt = this.#time.nowMs
    try {
      const { value = operation.value, version } = await call()
      const returnedAt = this.#time.nowMs
      this.operations.push({
        ...operation,
        value,
        version,
        calledAt,
        returnedAt,
        outcome: 'ok',
        error: undefined
      })
    } catch (error) {
      if (!(error instanceof AnnulusError)) throw error
      const outcome = error.indefinite ? 'unknown' : 'refused'
      const failed = {
        version: undefined,
        calledAt,
        returnedAt: Infinity,
        outcome,
        error: error.message
      } as const
      this.operations.push({ ...operation, ...failed })
    }
  }
}
