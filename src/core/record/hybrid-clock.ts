/**
 * The clock that coordinators stamp writes with: wall-clock time, pushed ahead wherever the wall clock stands,
 * steps back or lags behind what others have stamped (hybrid logical clocks: Kulkarni et al., "Logical
 * Physical Clocks", OPODIS 2014, with the logical part folded into the microseconds).
 *
 * That no stamp is used twice holds within one boot of a peer or client; across boots and peers the version's
 * writer part keeps stamps apart.
 */
import { maxTime } from '../limits.ts'
import type { Clock } from '../ports.ts'

const microsecondsPerMs = 1000

export interface HybridClockComponents {
  readonly clock: Clock
}

/** The clock would have to give a time beyond `maxTime`: the wall clock, or a version seen, is wrong. */
export class ClockRangeError extends Error {
  override readonly name = 'ClockRangeError'
}

export class HybridClock {
  readonly #clock: Clock
  /** The newest time given, in microseconds. */
  #last = 0

  constructor({ clock }: HybridClockComponents) {
    this.#clock = clock
  }

  /**
   * A time in microseconds since 1970: at least wall time, above every time given before and above `after`,
   * the newest time seen in a version. Throws ClockRangeError, and stays as it was, where that is beyond
   * `maxTime`.
   */
  next(after = 0): number {
    const wall = Math.floor(this.#clock.now() * microsecondsPerMs)
    const time = Math.max(wall, this.#last + 1, after + 1)
    // Written so that NaN, which is neither above nor below anything, is refused too.
    if (!(time <= maxTime)) {
      throw new ClockRangeError(
        `no write can be stamped after ${maxTime} us since 1970: the wall clock shows ${wall}, the newest version seen ${after}`
      )
    }
    this.#last = time
    return time
  }
}
