/** What clients of a simulated cluster called and were answered, and whether it can have happened so. */
import { AnnulusError } from '../../src/core/errors.ts'
import { isLinearizable, type RegisterOperation } from '../support/linearizability.ts'
import type { VirtualTime } from './clock.ts'

interface KeyedOperation extends RegisterOperation {
  readonly key: string
}

export class History {
  readonly #time: VirtualTime
  readonly #operations: KeyedOperation[] = []
  /** How many operations were answered, and how many ended in an error. */
  answered = 0
  failed = 0

  constructor(time: VirtualTime) {
    this.#time = time
  }

  get keys(): string[] {
    return [...new Set(this.#operations.map(({ key }) => key))]
  }

  async read(key: string, get: () => Promise<string | undefined>): Promise<void> {
    const calledAt = this.#time.nowMs
    try {
      const value = await get()
      this.#add({ kind: 'read', key, value, calledAt, returnedAt: this.#time.nowMs })
    } catch (error) {
      this.#failed(error)
    }
  }

  /** `value` undefined: a delete. Values must be unique, or the checker could not tell writes apart. */
  async write(key: string, value: string | undefined, put: () => Promise<unknown>): Promise<void> {
    const calledAt = this.#time.nowMs
    try {
      await put()
      this.#add({ kind: 'write', key, value, calledAt, returnedAt: this.#time.nowMs })
    } catch (error) {
      if (this.#failed(error).indefinite) {
        this.#operations.push({ kind: 'write', key, value, calledAt, returnedAt: Infinity })
      }
    }
  }

  /** The keys whose history no register can have shown. */
  violations(): string[] {
    return this.keys.filter(
      key => !isLinearizable(this.#operations.filter(operation => operation.key === key))
    )
  }

  #add(operation: KeyedOperation): void {
    this.answered++
    this.#operations.push(operation)
  }

  #failed(error: unknown): AnnulusError {
    if (!(error instanceof AnnulusError)) throw error
    this.failed++
    return error
  }
}
