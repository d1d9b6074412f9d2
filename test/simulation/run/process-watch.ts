/**
 * What a run must not do to the real process it runs in: leave a rejection that nobody handles, or listeners
 * behind (G8). Used around each run.
 */
import type { Violation } from './checker.ts'

export class ProcessWatch {
  readonly #violations: Violation[] = []
  readonly #listenersBefore = countListeners()
  readonly #onRejection = (reason: unknown): void => {
    const what = `a rejection that nobody handled: ${reason instanceof Error ? reason.stack : String(reason)}`
    this.#violations.push({ guarantee: 'crash', subject: 'the process', what })
  }

  constructor() {
    process.on('unhandledRejection', this.#onRejection)
  }

  /** Ends the watch and gives what it saw. */
  stop(): Violation[] {
    process.off('unhandledRejection', this.#onRejection)
    const left = countListeners() - this.#listenersBefore
    if (left > 0)
      this.#violations.push({
        guarantee: 'G8',
        subject: 'the process',
        what: `${left} listeners are left on it`
      })
    return this.#violations
  }
}

function countListeners(): number {
  return process.eventNames().reduce((sum, name) => sum + process.listenerCount(name), 0)
}
