/**
 * A process in the virtual world: a gate that all goes through which makes the process do something (timers,
 * messages, answers of its disk). A process that stands still (SIGSTOP) does all of it when it goes on; one that
 * was killed never does anything again.
 */
import type { Timer } from '../../src/core/ports.ts'

export class SimulatedProcess {
  readonly #died = Promise.withResolvers<undefined>()
  /** Timers of its own that are set. */
  readonly timers = new Set<Timer>()
  #isAlive = true
  #held: Array<() => void> | undefined

  get isAlive(): boolean {
    return this.#isAlive
  }

  get isFrozen(): boolean {
    return this.#held !== undefined
  }

  /** Resolves when the process is killed. */
  get died(): Promise<undefined> {
    return this.#died.promise
  }

  /** Does something now, when the process goes on, or never. */
  enter(act: () => void): void {
    if (!this.#isAlive) return
    if (this.#held === undefined) act()
    else this.#held.push(act)
  }

  kill(): void {
    this.#isAlive = false
    this.#held = undefined
    for (const timer of [...this.timers]) timer.cancel()
    this.#died.resolve(undefined)
  }

  freeze(): void {
    if (this.#isAlive) this.#held ??= []
  }

  thaw(): void {
    const held = this.#held ?? []
    this.#held = undefined
    for (const act of held) this.enter(act)
  }
}
