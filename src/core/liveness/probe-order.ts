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

  /** Takes in who is there now. New ones get a random place, those that stay keep theirs. */
  set(keys: readonly string[]): void {
    const wanted = new Set(keys)
    const known = new Set(this.#keys)
    const passed = this.#keys.slice(0, this.#next).filter(key => wanted.has(key)).length
    this.#keys = this.#keys.filter(key => wanted.has(key))
    this.#next = passed
    for (const key of keys) if (!known.has(key)) this.#insert(key)
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
