/** Waiting that news or an end cuts short. Used by the loops of this folder, which look again either way. */
import { Canceller, type CancelSignal } from '../canceller.ts'
import type { Clock } from '../ports.ts'
import { sleep } from '../time.ts'

/** Resolves after `delayMs` ms, or as soon as the signal aborts. */
export function pause(clock: Clock, delayMs: number, signal: CancelSignal): Promise<void> {
  return sleep(clock, delayMs, signal).catch(() => undefined)
}

/** A signal that aborts when the one given does, or by hand. Released, the given one no longer holds on to it. */
export interface LinkedSignal {
  readonly signal: CancelSignal
  readonly abort: () => void
  readonly release: () => void
}

export function linked(outer: CancelSignal | undefined): LinkedSignal {
  const signal = new Canceller()
  const abort = (): void => signal.abort(outer?.aborted === true ? outer.reason : new Error('woken'))
  if (outer?.aborted === true) abort()
  else outer?.addEventListener('abort', abort)
  return { signal, abort, release: () => outer?.removeEventListener('abort', abort) }
}
