/**
 * A suspicion: the time that a member has to refute it before it counts as down. It starts long and shortens with
 * each other member that comes to suspect the same on its own (Lifeguard, section IV-B): a peer that is alone with
 * its suspicion is probably at fault itself.
 */
import type { Clock, Timer } from '../ports.ts'
import type { LivenessConfig } from './defaults.ts'

export interface SuspicionBounds {
  readonly minMs: number
  readonly maxMs: number
  /** Confirmations after which the shortest time counts. */
  readonly expected: number
}

/** Between what times a suspicion runs in a cluster of `members` peers, of which `others` could confirm it. */
export function suspicionBounds(
  config: Pick<
    LivenessConfig,
    'probeIntervalMs' | 'suspicionFactor' | 'suspicionMaxFactor' | 'confirmations'
  >,
  members: number,
  others: number
): SuspicionBounds {
  const minMs = config.suspicionFactor * Math.max(1, Math.log10(members)) * config.probeIntervalMs
  const expected = Math.min(config.confirmations, others)
  return { minMs, maxMs: minMs * config.suspicionMaxFactor, expected }
}

/**
 * How long a suspicion lasts in all, in ms from its start, once it has so many confirmations:
 * max(min, max - (max - min) log(c + 1) / log(k + 1)). With none to expect it is the minimum.
 */
export function suspicionMs(bounds: SuspicionBounds, confirmations: number): number {
  const { minMs, maxMs, expected } = bounds
  if (expected < 1) return minMs
  const share = Math.log(confirmations + 1) / Math.log(expected + 1)
  return Math.max(minMs, maxMs - (maxMs - minMs) * share)
}

interface SuspicionInit extends SuspicionBounds {
  /** Who suspects first, as a member key. */
  readonly from: string
  /** A timer later than this many ms means that refutations could not be heard meanwhile. */
  readonly lateTimerMs: number
  /** Called once, when time is up and nobody cancelled. */
  readonly expire: () => void
}

export class Suspicion {
  readonly #clock: Clock
  readonly #init: SuspicionInit
  readonly #startMs: number
  readonly #accusers: Set<string>
  #dueMs = 0
  #timer: Timer | undefined

  constructor(components: { readonly clock: Clock }, init: SuspicionInit) {
    this.#clock = components.clock
    this.#init = init
    this.#startMs = components.clock.monotonic()
    this.#accusers = new Set([init.from])
    this.#arm(suspicionMs(init, 0))
  }

  /** Counts one more accuser; false where it is no new one, or no more are needed. */
  confirm(from: string): boolean {
    const confirmations = this.#accusers.size - 1
    if (confirmations >= this.#init.expected || this.#accusers.has(from)) return false
    this.#accusers.add(from)
    const elapsedMs = this.#clock.monotonic() - this.#startMs
    this.#arm(suspicionMs(this.#init, confirmations + 1) - elapsedMs)
    return true
  }

  /** Whether one more accuser would shorten it. */
  get lacksConfirmation(): boolean {
    return this.#accusers.size - 1 < this.#init.expected
  }

  /** Whether it runs on beyond the shortest time, since others did not confirm it. */
  get isLonely(): boolean {
    return this.#clock.monotonic() - this.#startMs >= this.#init.minMs
  }

  cancel(): void {
    this.#timer?.cancel()
    this.#timer = undefined
  }

  #arm(delayMs: number): void {
    this.#timer?.cancel()
    const waitMs = Math.max(0, delayMs)
    this.#dueMs = this.#clock.monotonic() + waitMs
    this.#timer = this.#clock.after(waitMs, () => this.#fire())
  }

  #fire(): void {
    const lateMs = this.#clock.monotonic() - this.#dueMs
    // This process stood still: the refutation may lie unread. The member gets the shortest time anew.
    if (lateMs > this.#init.lateTimerMs) {
      this.#arm(this.#init.minMs)
      return
    }
    this.#timer = undefined
    this.#init.expire()
  }
}
