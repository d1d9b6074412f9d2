/**
 * Virtual time: a queue of events ordered by (time, random tie-break, sequence), popped one at a time, and
 * clocks that read it with a skew of their own.
 */
import type { Clock, Random, Timer } from '../../src/core/ports.ts'
import type { SimulatedProcess } from './process.ts'

interface Event {
  readonly atMs: number
  readonly tie: number
  readonly sequence: number
  fire: (() => void) | undefined
}

export class VirtualTime {
  readonly #random: Random | undefined
  readonly #heap: Event[] = []
  #nowMs = 0
  #sequence = 0
  #cancelled = 0

  /** Events at the same moment fire in a random order where `random` is given, else in the order set. */
  constructor(random?: Random) {
    this.#random = random
  }

  /** Ms since the world began. */
  get nowMs(): number {
    return this.#nowMs
  }

  /** Events that are set and neither fired nor cancelled. */
  get pending(): number {
    return this.#heap.length - this.#cancelled
  }

  at(atMs: number, fire: () => void): Timer {
    const event: Event = {
      atMs: Math.max(atMs, this.#nowMs),
      tie: this.#random?.float() ?? 0,
      sequence: this.#sequence++,
      fire
    }
    this.#push(event)
    return {
      cancel: () => {
        if (event.fire === undefined) return
        event.fire = undefined
        this.#cancelled++
      }
    }
  }

  after(delayMs: number, fire: () => void): Timer {
    return this.at(this.#nowMs + Math.max(0, delayMs), fire)
  }

  /** Fires the next event and lets all that follows from it without time passing happen; false: none is set. */
  async step(): Promise<boolean> {
    const event = this.#pop()
    if (event === undefined) return false
    this.#nowMs = event.atMs
    const fire = event.fire!
    event.fire = undefined
    fire()
    await drain()
    return true
  }

  /** Fires all events of the next `ms`. */
  async run(ms: number): Promise<void> {
    const untilMs = this.#nowMs + ms
    await drain()
    for (let next = this.#peek(); next !== undefined && next.atMs <= untilMs; next = this.#peek())
      await this.step()
    this.#nowMs = untilMs
  }

  /** Runs until `done` holds; throws when it does not within `limitMs`. */
  async until(done: () => boolean, limitMs: number, what = 'the condition'): Promise<void> {
    const untilMs = this.#nowMs + limitMs
    await drain()
    while (!done()) {
      const next = this.#peek()
      if (next === undefined || next.atMs > untilMs)
        throw new Error(`${what} did not hold within ${limitMs} ms`)
      await this.step()
    }
  }

  /** Runs until a promise settles and gives its outcome; throws when it does not within `limitMs`. */
  async settle<T>(promise: Promise<T>, limitMs = 600_000): Promise<T> {
    let settled = false
    const mark = (): void => void (settled = true)
    promise.then(mark, mark)
    await this.until(() => settled, limitMs, 'the promise')
    return promise
  }

  #peek(): Event | undefined {
    while (this.#heap[0] !== undefined && this.#heap[0].fire === undefined) {
      this.#removeTop()
      this.#cancelled--
    }
    return this.#heap[0]
  }

  #pop(): Event | undefined {
    const event = this.#peek()
    if (event !== undefined) this.#removeTop()
    return event
  }

  #push(event: Event): void {
    const heap = this.#heap
    let at = heap.push(event) - 1
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (!isBefore(event, heap[parent]!)) break
      heap[at] = heap[parent]!
      at = parent
    }
    heap[at] = event
  }

  #removeTop(): void {
    const heap = this.#heap
    const last = heap.pop()
    if (last === undefined || heap.length === 0) return
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++
      if (!isBefore(heap[child]!, last)) break
      heap[at] = heap[child]!
      at = child
    }
    heap[at] = last
  }
}

/** One peer's clock: reads virtual time, off by `skewMs`; timers fire by virtual time. */
export class VirtualClock implements Clock {
  readonly #time: VirtualTime
  readonly #process: SimulatedProcess | undefined
  /** How far the wall clock is ahead of virtual time, in ms; may be changed at any moment: a step. */
  skewMs: number

  /** `process`: whose timers they are; those of a process that stands still fire when it goes on. */
  constructor(time: VirtualTime, init: { skewMs?: number; process?: SimulatedProcess } = {}) {
    this.#time = time
    this.#process = init.process
    this.skewMs = init.skewMs ?? 0
  }

  now(): number {
    return worldStartMs + Math.floor(this.#time.nowMs) + this.skewMs
  }

  monotonic(): number {
    return this.#time.nowMs
  }

  after(delayMs: number, fire: () => void): Timer {
    const process = this.#process
    if (process === undefined) return this.#time.after(delayMs, fire)
    let isCancelled = false
    const timer = this.#time.after(delayMs, () =>
      process.enter(() => {
        if (!isCancelled) fire()
      })
    )
    return {
      cancel: () => {
        isCancelled = true
        timer.cancel()
      }
    }
  }
}

/** What wall clocks without skew show when virtual time is 0: 2026-01-01, in ms since 1970. */
export const worldStartMs = 1_767_225_600_000

/** Lets chains of promises of any length run out: one setImmediate comes after all microtasks. */
export function drain(): Promise<void> {
  return new Promise(resolve => setImmediate(resolve))
}

function isBefore(a: Event, b: Event): boolean {
  if (a.atMs !== b.atMs) return a.atMs < b.atMs
  if (a.tie !== b.tie) return a.tie < b.tie
  return a.sequence < b.sequence
}
