/**
 * Virtual time: a queue of events ordered by (time, random tie-break, sequence), popped one at a time, and
 * clocks that read it with a skew of their own.
 */
import type { Clock, Random, Timer } from '../../src/core/ports.ts'
import { EventQueue, type Event } from './event-queue.ts'
import type { SimulatedProcess } from './process.ts'

export class VirtualTime {
  readonly #random: Random | undefined
  readonly #events = new EventQueue()
  #nowMs = 0
  #sequence = 0

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
    return this.#events.size
  }

  at(atMs: number, fire: () => void): Timer {
    const event: Event = {
      atMs: Math.max(atMs, this.#nowMs),
      tie: this.#random?.float() ?? 0,
      sequence: this.#sequence++,
      fire
    }
    this.#events.push(event)
    return { cancel: () => this.#events.cancel(event) }
  }

  after(delayMs: number, fire: () => void): Timer {
    return this.at(this.#nowMs + Math.max(0, delayMs), fire)
  }

  /** Fires the next event and lets all that follows from it without time passing happen; false: none is set. */
  async step(): Promise<boolean> {
    const event = this.#events.pop()
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
    for (
      let next = this.#events.peek();
      next !== undefined && next.atMs <= untilMs;
      next = this.#events.peek()
    )
      await this.step()
    this.#nowMs = untilMs
  }

  /** Runs until `done` holds; throws when it does not within `limitMs`. */
  async until(done: () => boolean, limitMs: number, what = 'the condition'): Promise<void> {
    const untilMs = this.#nowMs + limitMs
    await drain()
    while (!done()) {
      const next = this.#events.peek()
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
}

export interface VirtualClockInit {
  readonly skewMs?: number
  /** How much too fast the wall clock goes, in parts per million; negative: too slow. Default 0. */
  readonly driftPpm?: number
  /** The same of what timers and measurements go by. Default 0. */
  readonly timerDriftPpm?: number
  /** Whose timers they are; those of a process that stands still fire when it goes on. */
  readonly process?: SimulatedProcess
}

/** One machine's clock: reads virtual time, off by `skewMs` and by how much too fast it goes. */
export class VirtualClock implements Clock {
  readonly #time: VirtualTime
  readonly #process: SimulatedProcess | undefined
  readonly #wallRate: number
  readonly #timerRate: number
  #stoodAtMs: number | undefined
  /** How far the wall clock is ahead of virtual time, in ms; may be changed at any moment: a step. */
  skewMs: number

  constructor(time: VirtualTime, init: VirtualClockInit = {}) {
    this.#time = time
    this.#process = init.process
    this.#wallRate = 1 + (init.driftPpm ?? 0) / 1e6
    this.#timerRate = 1 + (init.timerDriftPpm ?? 0) / 1e6
    this.skewMs = init.skewMs ?? 0
  }

  now(): number {
    return this.#stoodAtMs ?? this.#running()
  }

  /** The wall clock shows the same from now on, until it goes on; timers fire as ever. */
  stand(): void {
    this.#stoodAtMs ??= this.#running()
  }

  /** From where it stood, or, if it jumps, from where it would be. */
  goOn({ jumps }: { jumps: boolean }): void {
    if (this.#stoodAtMs === undefined) return
    if (!jumps) this.skewMs += this.#stoodAtMs - this.#running()
    this.#stoodAtMs = undefined
  }

  #running(): number {
    return worldStartMs + Math.floor(this.#time.nowMs * this.#wallRate) + this.skewMs
  }

  monotonic(): number {
    return this.#time.nowMs * this.#timerRate
  }

  after(delayMs: number, fire: () => void): Timer {
    return this.#after(delayMs, fire, this.#process)
  }

  /** What a process sees of this clock: a restart changes nothing of how it is off. */
  for(process: SimulatedProcess): Clock {
    return {
      now: () => this.now(),
      monotonic: () => this.monotonic(),
      after: (delayMs, fire) => this.#after(delayMs, fire, process)
    }
  }

  #after(delayMs: number, fire: () => void, process: SimulatedProcess | undefined): Timer {
    const virtualMs = delayMs / this.#timerRate
    if (process === undefined) return this.#time.after(virtualMs, fire)
    // What still runs of a dead process, as its code cannot be stopped amid a turn, sets nothing any more.
    if (!process.isAlive) return { cancel: () => undefined }
    let isCancelled = false
    const event = this.#time.after(virtualMs, () =>
      process.enter(() => {
        process.timers.delete(timer)
        if (!isCancelled) fire()
      })
    )
    const timer = {
      cancel: () => {
        isCancelled = true
        process.timers.delete(timer)
        event.cancel()
      }
    }
    process.timers.add(timer)
    return timer
  }
}

/** What wall clocks without skew show when virtual time is 0: 2026-01-01, in ms since 1970. */
export const worldStartMs = 1_767_225_600_000

/** Every so many drains the event loop turns, so that timers of the real world and unhandled rejections come through. */
const drainsPerTurn = 256

let drains = 0

/**
 * Lets chains of promises of any length run out: a tick comes after all microtasks, as a turn of the event loop
 * does, at a fourth of its cost. What would need a turn (streams, WebCrypto) has no place in the virtual world.
 */
export function drain(): Promise<void> {
  return new Promise(resolve => {
    if (++drains % drainsPerTurn === 0) setImmediate(resolve)
    // From a microtask: who calls this within a tick would have the next tick before any of them.
    else queueMicrotask(() => process.nextTick(resolve))
  })
}
