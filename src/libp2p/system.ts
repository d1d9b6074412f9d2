/** The machine's clock and randomness, as ports of the core. */
import { randomBytes } from 'node:crypto'
import type { Clock, Random } from '../core/ports.ts'

/** `skewMs`: how far this clock is set ahead of the machine's; for tests of clocks that disagree. */
export function systemClock(skewMs = 0): Clock {
  return {
    now: () => Date.now() + skewMs,
    monotonic: () => performance.now(),
    after: (delayMs, fire) => {
      const timer = setTimeout(fire, delayMs)
      return { cancel: () => clearTimeout(timer) }
    }
  }
}

export const systemRandom: Random = {
  float: () => Math.random(),
  bytes: count => Uint8Array.from(randomBytes(count))
}
