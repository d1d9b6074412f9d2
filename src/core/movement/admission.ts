/**
 * How many requests of sessions one member serves at once, whoever asks: each may hold a message of records in
 * memory. Over the limit, or where the bandwidth is spent for long, the asker is told to come again.
 */
import type { CancelSignal } from '../canceller.ts'
import { ServeError } from '../ports.ts'
import type { Throttle } from './throttle.ts'

const maxServed = 8

/** Over so long a wait for the bandwidth limit, in ms, a request for records is turned away instead. */
const maxThrottleWaitMs = 1_000

/**
 * How long an answer is held back for the bandwidth limit, in ms: well within the time that whoever asks has. Under
 * a low limit a large record takes longer; the next request is turned away until that has passed.
 */
const maxHeldBackMs = 5_000

export class Admission {
  readonly #throttle: Throttle
  #served = 0

  constructor({ throttle }: { readonly throttle: Throttle }) {
    this.#throttle = throttle
  }

  /** Throws ServeError (overloaded). The work begins in the same step: what comes in is of the epoch in force. */
  async serve<T>(work: () => Promise<T>): Promise<T> {
    if (this.#served >= maxServed) throw overloaded()
    this.#served++
    try {
      return await work()
    } finally {
      this.#served--
    }
  }

  /** Likewise for a request that is answered with records; `bytesOf` says how many bytes of them. */
  giveRecords<T>(work: () => Promise<T>, bytesOf: (answer: T) => number, signal: CancelSignal): Promise<T> {
    return this.#servePaced(work, answer => this.#throttle.pass(bytesOf(answer), signal, maxHeldBackMs))
  }

  /** Likewise for one that brings so many bytes of records. */
  takeRecords<T>(work: () => Promise<T>, bytes: number, signal: CancelSignal): Promise<T> {
    return this.#servePaced(work, () => this.#throttle.passed(bytes, signal, maxHeldBackMs))
  }

  #servePaced<T>(work: () => Promise<T>, pace: (answer: T) => Promise<void>): Promise<T> {
    return this.serve(async () => {
      if (this.#throttle.waitMs > maxThrottleWaitMs) throw overloaded()
      const answer = await work()
      await pace(answer)
      return answer
    })
  }
}

function overloaded(): ServeError {
  return new ServeError('overloaded', 'too many sessions at once')
}
