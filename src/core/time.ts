/** Waiting, by the clock port. */
import type { Clock } from './ports.ts'

/** Resolves after `ms`; rejects with the signal's reason, its timer cancelled, when that aborts first. */
export function sleep(clock: Clock, ms: number, signal?: AbortSignal): Promise<void> {
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
