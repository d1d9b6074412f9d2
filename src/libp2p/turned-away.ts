/** Tells of those whom the allow lists turn away, once a while however many come. Used for a peer's log. */

/** Ms between two lines in the log: a peer that waits to join tries again every few seconds. */
export const tellEveryMs = 60_000

export interface TurnedAwayInit {
  /** Told who came last, how many have come since it was last told, and why the last one was turned away. */
  readonly tell: (peerId: string, count: number, why: string) => void
  /** Ms since any moment; never goes back. */
  readonly now: () => number
}

export class TurnedAway {
  readonly #init: TurnedAwayInit
  #toldAt = -Infinity
  #count = 0

  constructor(init: TurnedAwayInit) {
    this.#init = init
  }

  add(peerId: string, why: string): void {
    const { tell, now } = this.#init
    this.#count++
    if (now() - this.#toldAt < tellEveryMs) return
    this.#toldAt = now()
    tell(peerId, this.#count, why)
    this.#count = 0
  }
}
