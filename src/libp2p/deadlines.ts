/**
 * The deadlines of all requests in flight, on one timer. A request sets one and nearly always cancels it a
 * moment later, tens of thousands of times a second, so both must cost next to nothing: a hashed timing
 * wheel (Varghese and Lauck, SOSP 1987), here a ring of sets, one for each tick.
 *
 *     slot   0    1    2    3    4 ...  8191
 *            { }  {a}  { }  {b,c}
 *                  ^ the hand, which moves one slot each tick while anything is set
 */
import type { Timer } from '../core/ports.ts'

/** Ms of a tick: how late a deadline may fire. */
const tickMs = 10

/** Slots of the ring: 82 s, beyond the longest deadline of a request. */
const slotCount = 8192

/** The longest delay that can be set, in ms. */
export const maxDelayMs = (slotCount - 2) * tickMs

export class Deadlines {
  readonly #slots: Array<Set<Deadline>>
  /** Ticks since the start at which the hand stands. */
  #hand = 0
  #startedAt = 0
  #count = 0
  #isTurning = false
  #timer: NodeJS.Timeout | undefined

  constructor() {
    this.#slots = Array.from({ length: slotCount }, () => new Set<Deadline>())
  }

  /** How many are set. */
  get size(): number {
    return this.#count
  }

  /** Calls `fire` once, no sooner than `delayMs` ms from now and at most two ticks later. */
  after(delayMs: number, fire: () => void): Timer {
    if (!this.#isTurning) this.#start()
    const due = performance.now() - this.#startedAt + Math.min(Math.max(delayMs, 0), maxDelayMs)
    // The hand may lag behind the time when the event loop was busy; never place a deadline behind it.
    const tick = Math.max(Math.ceil(due / tickMs), this.#hand + 1)
    const slot = this.#slots[Math.min(tick, this.#hand + slotCount - 1) % slotCount]!
    const deadline = new Deadline(slot, fire, () => (this.#count -= 1))
    slot.add(deadline)
    this.#count += 1
    return deadline
  }

  /** Forgets all deadlines. */
  stop(): void {
    clearTimeout(this.#timer)
    this.#isTurning = false
    for (const slot of this.#slots) slot.clear()
    this.#count = 0
  }

  #start(): void {
    this.#startedAt = performance.now()
    this.#hand = 0
    this.#isTurning = true
    this.#arm()
  }

  #arm(): void {
    this.#timer = setTimeout(() => this.#turn(), tickMs)
  }

  #turn(): void {
    const now = Math.floor((performance.now() - this.#startedAt) / tickMs)
    // A hand that moves by a whole turn has passed every slot.
    const steps = Math.min(now - this.#hand, slotCount)
    for (let step = 0; step < steps; step++) {
      this.#hand += 1
      const slot = this.#slots[this.#hand % slotCount]!
      for (const deadline of slot) deadline.expire()
    }
    this.#hand = Math.max(this.#hand, now)
    this.#isTurning &&= this.#count > 0
    if (this.#isTurning) this.#arm()
  }
}

class Deadline implements Timer {
  readonly #slot: Set<Deadline>
  readonly #fire: () => void
  readonly #removed: () => void

  constructor(slot: Set<Deadline>, fire: () => void, removed: () => void) {
    this.#slot = slot
    this.#fire = fire
    this.#removed = removed
  }

  cancel(): void {
    if (this.#slot.delete(this)) this.#removed()
  }

  expire(): void {
    this.cancel()
    this.#fire()
  }
}
