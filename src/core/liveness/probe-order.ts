/**
 * In which order members are probed: all of them once in a random order, then in another one (SWIM, section 4.3).
 * So each is probed within 2n - 1 turns at worst, and no two peers keep in step.
 */
import type { Random } from '../ports.ts'

export class ProbeOrder {
  readonly #random: Random
  #keys: string[] = []
  #next = 0

  constructor(components: { readonly random: Random }) {
    this.#random = components.random
  }

  /** Takes in who is new, each at a random place, and who is gone; those that stay keep their places. */
  change({
    added,
    removed
  }: {
    readonly added: readonly string[]
    readonly removed: readonly string[]
  }): void {
    if (removed.length > 0) {
      const gone = new Set(removed)
      this.#next -= this.#keys.slice(0, this.#next).filter(key => gone.has(key)).length
      this.#keys = this.#keys.filter(key => !gone.has(key))
    }
    for (const key of added) this.#insert(key)
  }

  /** Whose turn it is among those that are eligible; undefined where none is. */
  next(isEligible: (key: string) => boolean): string | undefined {
    // What is left of this round and all of the next: whoever is eligible comes by.
    for (let tries = this.#keys.length * 2; tries > 0; tries--) {
      if (this.#next >= this.#keys.length) this.#shuffle()
      const key = this.#keys[this.#next++]!
      if (isEligible(key)) return key
    }
    return undefined
  }

  #insert(key: string): void {
    const at = Math.floor(this.#random.float() * (this.#keys.length + 1))
    this.#keys.splice(at, 0, key)
    if (at < this.#next) this.#next++
  }

  #shuffle(): void {
    shuffle(this.#keys, this.#random)
    this.#next = 0
  }
}

/** Puts items in a random order, in place (Fisher and Yates). */
export function shuffle<T>(items: T[], random: Random): T[] {
  for (let i = items.length - 1; i > 0; i--) {
    const j = Math.floor(random.float() * (i + 1))
    ;[items[i], items[j]] = [items[j]!, items[i]!]
  }
  return items
}
