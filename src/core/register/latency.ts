/**
 * How fast each member has been answering, for two questions of a coordinator: whom to ask first, and how
 * long to wait before asking around a slow one. The estimate is that of TCP's retransmission timer (RFC 6298):
 * a smoothed mean, and a smoothed deviation from it.
 */
import { maxMembers } from '../limits.ts'
import type { Clock } from '../ports.ts'

/** Wait for a member of which nothing is known, in ms: many round trips of a LAN, one of a continent. */
export const defaultHedgeMs = 50

/** Bounds of the wait, in ms: below, a pause of the event loop looks like a slow peer; above, users notice. */
export const minHedgeMs = 10
export const maxHedgeMs = 500

/** After so many ms without an answer an estimate is forgotten, so that who was slow gets another chance. */
const freshMs = 10_000

/** A healthy answer comes within the mean and four deviations (RFC 6298, K). */
const deviations = 4

interface Estimate {
  meanMs: number
  deviationMs: number
  /** Monotonic time of the latest sample. */
  at: number
}

export class LatencyBook {
  readonly #clock: Clock
  readonly #estimates = new Map<string, Estimate>()

  constructor({ clock }: { readonly clock: Clock }) {
    this.#clock = clock
  }

  /** Takes in that this member took `ms` to answer, or has not answered for so long. */
  note(key: string, ms: number): void {
    const at = this.#clock.monotonic()
    const known = this.#fresh(key)
    if (known === undefined) {
      this.#add(key, { meanMs: ms, deviationMs: ms / 2, at })
      return
    }
    known.deviationMs += (Math.abs(ms - known.meanMs) - known.deviationMs) / 4
    known.meanMs += (ms - known.meanMs) / 8
    known.at = at
  }

  /** The mean, in ms; 0 for a member of which nothing recent is known, so that it is tried. */
  expectedMs(key: string): number {
    return this.#fresh(key)?.meanMs ?? 0
  }

  /** How long to wait for this member before asking others too, in ms. */
  hedgeMs(key: string): number {
    const known = this.#fresh(key)
    if (known === undefined) return defaultHedgeMs
    const usualMs = known.meanMs + deviations * known.deviationMs
    return Math.min(maxHedgeMs, Math.max(minHedgeMs, usualMs))
  }

  #fresh(key: string): Estimate | undefined {
    const known = this.#estimates.get(key)
    return known === undefined || this.#clock.monotonic() - known.at > freshMs ? undefined : known
  }

  /** Members come and go for as long as the process runs: beyond what a topology can hold, the eldest go. */
  #add(key: string, estimate: Estimate): void {
    this.#estimates.delete(key)
    if (this.#estimates.size >= maxMembers) {
      for (const eldest of this.#estimates.keys()) {
        this.#estimates.delete(eldest)
        break
      }
    }
    this.#estimates.set(key, estimate)
  }
}
