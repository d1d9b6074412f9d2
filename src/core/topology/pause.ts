/** Waiting by the clock port, cut short by a signal or by news. Used by the loops of this folder. */
import type { Clock } from '../ports.ts'

/** Resolves after `delayMs` ms, or as soon as the signal aborts. */
export function pause(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  if (signal?.aborted === true) return Promise.resolve()
  return new Promise(resolve => {
    const finish = (): void => {
      timer.cancel()
      signal?.removeEventListener('abort', finish)
      resolve()
    }
    const timer = clock.after(delayMs, finish)
    signal?.addEventListener('abort', finish)
  })
}

/** A signal that aborts when the one given does, or by hand. Let go of it, or the given one holds on to it. */
export function linked(signal: AbortSignal | undefined): {
  signal: AbortSignal
  abort: () => void
  release: () => void
} {
  const controller = new AbortController()
  const abort = (): void => controller.abort()
  if (signal?.aborted === true) abort()
  else signal?.addEventListener('abort', abort)
  return { signal: controller.signal, abort, release: () => signal?.removeEventListener('abort', abort) }
}
