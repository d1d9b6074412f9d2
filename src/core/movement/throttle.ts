/**
 * Holds bulk transfer to a number of bytes per second, by a token bucket, and lets requests go first. One for
 * all that a peer sends and fetches in bulk.
 */
import type { CancelSignal } from '../canceller.ts'
import { maxBatchBytes } from '../limits.ts'
import type { Clock } from '../ports.ts'
import { sleep } from '../time.ts'

/** Bytes per second: a quarter of what a gigabit carries, so that it fills no usual link. */
export const defaultBytesPerSecond = 32 * 1024 * 1024

/** What may pass at once after a rest, in bytes: two messages. */
const burstBytes = 2 * maxBatchBytes

/** How long bulk transfer stands back while requests are being served, in ms, between one batch and the next. */
const yieldMs = 5

export interface ThrottleComponents {
  readonly clock: Clock
}

export interface ThrottleInit {
  /** Default `defaultBytesPerSecond`. */
  readonly bytesPerSecond?: number | undefined
  /** Whether requests for keys are being served now. Default: never. */
  readonly isBusy?: () => boolean
}

export class Throttle {
  readonly #clock: Clock
  readonly #bytesPerMs: number
  readonly #isBusy: () => boolean
  /** Bytes that may pass at `#at`; negative: what has passed on credit. */
  #available = burstBytes
  #at: number

  constructor(
    { clock }: ThrottleComponents,
    { bytesPerSecond = defaultBytesPerSecond, isBusy }: ThrottleInit = {}
  ) {
    this.#clock = clock
    this.#bytesPerMs = bytesPerSecond / 1000
    this.#isBusy = isBusy ?? (() => false)
    this.#at = clock.monotonic()
  }

  /** How long what comes next would have to wait, in ms. */
  get waitMs(): number {
    this.#refill()
    return Math.max(0, -this.#available / this.#bytesPerMs)
  }

  /**
   * For bytes that are to go: counts them, and resolves when they may, or after `atMostMs`: then the rest of the wait is
   * left to whoever comes next. Throws when the signal aborts: they do not go, so they do not count, and who tries
   * again has what has become free meanwhile. Otherwise sessions that are ended sooner than a batch may pass would
   * spend all that there is on what they never send.
   */
  async pass(bytes: number, signal: CancelSignal, atMostMs = Infinity): Promise<void> {
    this.#spend(bytes)
    try {
      await this.#rest(signal, atMostMs)
    } catch (error) {
      this.#spend(-bytes)
      throw error
    }
  }

  /** Before bytes are asked for: resolves when those before them are paid for. Throws when the signal aborts. */
  async ready(signal: CancelSignal): Promise<void> {
    const { waitMs } = this
    if (waitMs > 0) await sleep(this.#clock, waitMs, signal)
  }

  /** For bytes that have come: they count, and it resolves when more may follow, or throws, likewise. */
  async passed(bytes: number, signal: CancelSignal, atMostMs = Infinity): Promise<void> {
    this.#spend(bytes)
    await this.#rest(signal, atMostMs)
  }

  #spend(bytes: number): void {
    this.#refill()
    this.#available -= bytes
  }

  async #rest(signal: CancelSignal, atMostMs: number): Promise<void> {
    const waitMs = Math.min(atMostMs, Math.max(this.waitMs, this.#isBusy() ? yieldMs : 0))
    if (waitMs > 0) await sleep(this.#clock, waitMs, signal)
  }

  #refill(): void {
    const now = this.#clock.monotonic()
    this.#available = Math.min(burstBytes, this.#available + (now - this.#at) * this.#bytesPerMs)
    this.#at = now
  }
}
