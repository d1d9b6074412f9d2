/** How fast something has been going of late: what passed in the last seconds, over them. Used by transfers. */
import type { Clock } from '../ports.ts'

/** Over how long it is taken, in ms: under a low limit batches come seconds apart. */
const windowMs = 15_000

/** Between two samples, in ms: no more than thirty are kept. */
const sampleEveryMs = 500

export class Rate {
  readonly #clock: Clock
  /** What had passed by a time, the oldest first; all but the first within the window. */
  readonly #samples: Array<{ readonly atMs: number; readonly total: number }>

  constructor(components: { readonly clock: Clock }) {
    this.#clock = components.clock
    this.#samples = [{ atMs: this.#clock.monotonic(), total: 0 }]
  }

  /** So much has passed in all by now. */
  note(total: number): void {
    const atMs = this.#clock.monotonic()
    if (atMs - this.#samples.at(-1)!.atMs < sampleEveryMs) return
    this.#samples.push({ atMs, total })
    this.#forget(atMs)
  }

  /** Per second, where so much has passed in all by now. */
  perSecond(total: number): number {
    const nowMs = this.#clock.monotonic()
    this.#forget(nowMs)
    const first = this.#samples[0]!
    return ((total - first.total) * 1000) / Math.max(1, nowMs - first.atMs)
  }

  #forget(nowMs: number): void {
    const inWindow = this.#samples.findIndex(({ atMs }) => nowMs - atMs < windowMs)
    this.#samples.splice(0, Math.max(0, (inWindow < 0 ? this.#samples.length : inWindow) - 1))
  }
}
