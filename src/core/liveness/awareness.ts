/**
 * How well this peer itself is, judged by what it misses: the local health multiplier of Lifeguard (Dadgar,
 * Phillips and Currey 2017, section IV-A). A peer that is slow blames itself first: it probes more slowly and waits
 * longer for answers, so that it does not accuse others of its own delays.
 */
export class Awareness {
  readonly #max: number
  #score = 0

  constructor(init: { readonly max: number }) {
    this.#max = init.max
  }

  /** 0 is well; the higher, the worse. */
  get score(): number {
    return this.#score
  }

  /** Better with a negative `delta`, worse with a positive one; stays within 0 and the maximum. */
  apply(delta: number): void {
    this.#score = Math.min(this.#max, Math.max(0, this.#score + delta))
  }

  /** How long to wait instead of `ms`. */
  stretch(ms: number): number {
    return ms * (1 + this.#score)
  }
}
