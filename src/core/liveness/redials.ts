/**
 * When to try the members that are down again. They are tried for ever, ever less often up to a limit, so that a
 * restart or a healed partition is found by whichever side can reach the other.
 */
import type { Random } from '../ports.ts'
import type { LivenessConfig } from './defaults.ts'

interface Redial {
  dueMs: number
  pauseMs: number
}

export class Redials {
  readonly #random: Random
  readonly #config: Pick<LivenessConfig, 'redialMinMs' | 'redialMaxMs'>
  readonly #redials = new Map<string, Redial>()

  constructor(
    components: { readonly random: Random },
    config: Pick<LivenessConfig, 'redialMinMs' | 'redialMaxMs'>
  ) {
    this.#random = components.random
    this.#config = config
  }

  add(key: string, nowMs: number): void {
    const pauseMs = this.#config.redialMinMs
    this.#redials.set(key, { pauseMs, dueMs: nowMs + this.#jitter(pauseMs) })
  }

  delete(key: string): void {
    this.#redials.delete(key)
  }

  /** Up to `limit` whose time has come, the longest due first. Each counts as tried, its pause doubled. */
  takeDue(nowMs: number, limit: number): string[] {
    const due = [...this.#redials].filter(([, redial]) => redial.dueMs <= nowMs)
    const taken = due.toSorted(([, a], [, b]) => a.dueMs - b.dueMs).slice(0, limit)
    for (const [, redial] of taken) {
      redial.pauseMs = Math.min(redial.pauseMs * 2, this.#config.redialMaxMs)
      redial.dueMs = nowMs + this.#jitter(redial.pauseMs)
    }
    return taken.map(([key]) => key)
  }

  /** Between half of a pause and all of it: peers that lost sight of each other at once do not dial at once. */
  #jitter(pauseMs: number): number {
    return pauseMs * (0.5 + this.#random.float() / 2)
  }
}
