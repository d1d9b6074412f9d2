/**
 * An open loop: operations are called at a steady rate, whether or not those before them have been answered. So what stands
 * still for a while counts with all that would have been asked meanwhile, where a closed loop would wait with it.
 */
import type { Histogram } from 'hdr-histogram-js'

/** How late an operation may be called, in ms, since timers come a little late: later ones count from when they were due. */
const timerSlackMs = 3

/** Operations under way at the most; one too many counts as failed. */
const maxInFlight = 4_096

export interface OpenLoopInit {
  readonly perSecond: number
  readonly signal: AbortSignal
}

/** What is recorded of operations. */
export interface Recorder {
  /** In microseconds, of those that succeeded. */
  readonly latencies: Histogram
  failures: number
}

export class OpenLoop {
  readonly #operation: () => Promise<unknown>
  readonly #init: OpenLoopInit
  readonly #startedAt = performance.now()
  readonly #inFlight = new Set<Promise<void>>()
  #called = 0
  #timer: NodeJS.Timeout | undefined
  #recorder: Recorder | undefined

  /** Begins at once; what no recorder is there for is not recorded. */
  constructor(operation: () => Promise<unknown>, init: OpenLoopInit) {
    this.#operation = operation
    this.#init = init
    this.#turn()
  }

  /** What is called from now on goes to this recorder, also where its answer comes after the next one was set. */
  record(recorder: Recorder | undefined): void {
    this.#recorder = recorder
  }

  /** Calls no more, and resolves when all has been answered. */
  async stop(): Promise<void> {
    clearTimeout(this.#timer)
    this.#timer = undefined
    await Promise.all(this.#inFlight)
  }

  #turn(): void {
    const { perSecond, signal } = this.#init
    const now = performance.now()
    const due = Math.floor(((now - this.#startedAt) * perSecond) / 1000)
    for (; this.#called < due; this.#called++) {
      const dueAt = this.#startedAt + ((this.#called + 1) * 1000) / perSecond
      this.#call(now - dueAt > timerSlackMs ? dueAt : now)
    }
    if (signal.aborted) return
    const nextAt = this.#startedAt + ((this.#called + 1) * 1000) / perSecond
    this.#timer = setTimeout(() => this.#turn(), Math.max(0, nextAt - performance.now()))
  }

  #call(since: number): void {
    const recorder = this.#recorder
    if (this.#inFlight.size >= maxInFlight) {
      if (recorder !== undefined) recorder.failures++
      return
    }
    const done = this.#operation().then(
      () => recorder?.latencies.recordValue(Math.max(1, (performance.now() - since) * 1000)),
      () => {
        if (recorder !== undefined) recorder.failures++
      }
    )
    const tracked: Promise<void> = done.then(() => void this.#inFlight.delete(tracked))
    this.#inFlight.add(tracked)
  }
}
