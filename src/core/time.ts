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

/** Waits for what others wait for too, no longer than this signal allows: throws `reason()` when it aborts. */
export async function orAbort<T>(
  promise: Promise<T>,
  signal: CancelSignal | undefined,
  reason: () => unknown
): Promise<T> {
  if (signal === undefined) return promise
  const aborted = Promise.withResolvers<never>()
  const abort = (): void => aborted.reject(reason())
  if (signal.aborted) abort()
  signal.addEventListener('abort', abort)
  try {
    return await Promise.race([promise, aborted.promise])
  } finally {
    signal.removeEventListener('abort', abort)
  }
}
