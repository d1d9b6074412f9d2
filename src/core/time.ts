/** Waiting, by the clock port. */
import type { CancelSignal } from './canceller.ts'
import type { Clock } from './ports.ts'

/** Resolves after `ms`; rejects with the signal's reason, its timer cancelled, when that aborts first. */
export function sleep(clock: Clock, ms: number, signal?: CancelSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted === true) {
      reject(signal.reason)
      return
    }
    const abort = (): void => {
      timer.cancel()
      reject(signal!.reason)
    }
    const timer = clock.after(ms, () => {
      signal?.removeEventListener('abort', abort)
      resolve()
    })
    signal?.addEventListener('abort', abort, { once: true })
  })
}

/**
 * Waits for what others wait for too, no longer than this signal allows: throws `reason()` when it aborts. Who has given
 * up leaves nothing behind, however long the others go on.
 */
export function orAbort<T>(
  promise: Promise<T>,
  signal: CancelSignal | undefined,
  reason: () => unknown
): Promise<T> {
  if (signal === undefined) return promise
  return new Promise<T>((resolve, reject) => {
    const settled = (): void => {
      signal.removeEventListener('abort', abort)
      resolve(promise)
    }
    const abort = (): void => {
      signal.removeEventListener('abort', abort)
      forget()
      reject(reason())
    }
    const forget = whenSettled(promise, settled)
    signal.addEventListener('abort', abort)
    // In a turn of its own: what has settled already has, although nobody wants it any more.
    if (signal.aborted) queueMicrotask(abort)
  })
}

/** Who waits for each promise: it keeps all that it is ever given by `then`, so it is given one for all of them. */
const waiting = new WeakMap<Promise<unknown>, Set<() => void>>()

/** Calls `listener` once the promise has settled; the function returned ends that. */
function whenSettled(promise: Promise<unknown>, listener: () => void): () => void {
  const known = waiting.get(promise)
  const listeners = known ?? new Set()
  listeners.add(listener)
  if (known === undefined) {
    const settled = (): void => {
      waiting.delete(promise)
      for (const each of listeners) each()
    }
    waiting.set(promise, listeners)
    promise.then(settled, settled)
  }
  return () => void listeners.delete(listener)
}
