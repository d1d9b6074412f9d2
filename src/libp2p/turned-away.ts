/** Tells of those who are turned away at the allow list, once a while however many come. Used by the node. */

/** Ms between two lines in the log: a peer that waits to join tries again every few seconds. */
export const tellEveryMs = 60_000

export interface TurnedAwayInit {
  /** Told who came last, and how many have come since it was last told. */
  readonly tell: (peerId: string, count: number) => void
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

  add(peerId: string): void {
    const { tell, now } = this.#init
    this.#count++
    if (now() - this.#toldAt < tellEveryMs) return
    this.#toldAt = now()
    tell(peerId, this.#count)
    this.#count = 0
  }
}
