/**
 * The calls of a user that are under way, of a peer or a client. Each ends when its caller gives up, when its
 * time is over or when the peer or client stops, whichever comes first, with an error that says which.
 */
import { Canceller, type CancelSignal } from './canceller.ts'
import { AnnulusError } from './errors.ts'
import type { Clock, Timer } from './ports.ts'

export interface OngoingOptions {
  /** The caller's. */
  readonly signal?: CancelSignal | undefined
  /** How long it may take from now, in ms; left out where the work itself sees to that. */
  readonly limitMs?: number | undefined
}

/** Why a call's signal has aborted. */
type End = 'aborted' | 'late' | 'stopped'

export class Ongoing {
  readonly #clock: Clock
  readonly #stopped: string
  readonly #calls = new Set<Call>()
  #isStopped = false

  /** `stopped`: what calls fail with from the stop on, in words. */
  constructor(components: { readonly clock: Clock }, init: { readonly stopped: string }) {
    this.#clock = components.clock
    this.#stopped = init.stopped
  }

  /** Does what a user called for; the signal it is given ends it. Throws AnnulusError only. */
  async run<T>(options: OngoingOptions, work: (signal: CancelSignal) => Promise<T>): Promise<T> {
    if (this.#isStopped) throw new AnnulusError('ERR_STOPPED', this.#stopped)
    const call = new Call(this.#clock, options)
    this.#calls.add(call)
    try {
      return await work(call.signal)
    } catch (error) {
      throw this.#asUserError(error, call.end, options)
    } finally {
      call.release()
      this.#calls.delete(call)
    }
  }

  /** Ends all calls with ERR_STOPPED, and refuses new ones. Resolves when none is under way. */
  async stop(): Promise<void> {
    this.#isStopped = true
    await Promise.all(
      [...this.#calls].map(call => {
        call.finish('stopped')
        return call.released
      })
    )
  }

  #asUserError(error: unknown, end: End | undefined, { limitMs = 0 }: OngoingOptions): AnnulusError {
    // What failed for a reason of its own is told as it is, even where its end came at the same moment.
    if (error instanceof AnnulusError && (end === undefined || error.code !== 'ERR_ABORTED')) return error
    const indefinite = error instanceof AnnulusError && error.indefinite
    const init = { indefinite, cause: error }
    switch (end) {
      case 'stopped':
        return new AnnulusError('ERR_STOPPED', this.#stopped, init)
      case 'late':
        return indefinite
          ? new AnnulusError('ERR_OUTCOME_UNKNOWN', `not done within ${limitMs} ms; it may yet be`, init)
          : new AnnulusError('ERR_UNREACHABLE', `no answer within ${limitMs} ms`, init)
      case 'aborted':
        return error instanceof AnnulusError ? error : new AnnulusError('ERR_ABORTED', 'aborted', init)
      case undefined:
        return new AnnulusError('ERR_INTERNAL', `an unexpected failure: ${String(error)}`, init)
    }
  }
}

/** One of them: what ends it, and whether it has been. */
class Call {
  readonly #canceller = new Canceller()
  readonly #outer: CancelSignal | undefined
  readonly #timer: Timer | undefined
  readonly #released = Promise.withResolvers<undefined>()
  readonly #abort = (): void => this.finish('aborted')
  #end: End | undefined

  constructor(clock: Clock, { signal, limitMs }: OngoingOptions) {
    this.#outer = signal
    if (signal?.aborted === true) this.finish('aborted')
    else signal?.addEventListener('abort', this.#abort)
    this.#timer = limitMs === undefined ? undefined : clock.after(limitMs, () => this.finish('late'))
  }

  get signal(): CancelSignal {
    return this.#canceller
  }

  get end(): End | undefined {
    return this.#end
  }

  get released(): Promise<undefined> {
    return this.#released.promise
  }

  finish(end: End): void {
    if (this.#end !== undefined) return
    this.#end = end
    this.#canceller.abort(new AnnulusError('ERR_ABORTED', 'aborted by its caller'))
  }

  release(): void {
    this.#timer?.cancel()
    this.#outer?.removeEventListener('abort', this.#abort)
    this.#released.resolve(undefined)
  }
}
