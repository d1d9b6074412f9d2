/**
 * What waits to travel along with messages that are sent anyway. Each item goes out a bounded number of times, as many
 * as an epidemic needs to reach all (SWIM, section 4.1); those sent least often go first, then the newest, so that
 * news is never held up by what has been told already.
 */
interface Item<T> {
  readonly value: T
  readonly bytes: number
  readonly order: number
  sent: number
}

export class PiggybackQueue<T> {
  readonly #limit: number
  #items: Item<T>[] = []
  #added = 0

  /** At most `limit` items wait; the most often sent, oldest one makes room. */
  constructor(init: { readonly limit: number }) {
    this.#limit = init.limit
  }

  get size(): number {
    return this.#items.length
  }

  /** Queues a value of so many encoded bytes. */
  add(value: T, bytes: number): void {
    this.#items.push({ value, bytes, order: this.#added++, sent: 0 })
    if (this.#items.length > this.#limit) this.#items = this.#sorted().slice(0, this.#limit)
  }

  /** Takes out what no longer needs telling. */
  drop(isObsolete: (value: T) => boolean): void {
    this.#items = this.#items.filter(item => !isObsolete(item.value))
  }

  /** What to send now, within `maxBytes`; after `times` sends an item is done. */
  take(maxBytes: number, times: number): T[] {
    const chosen = this.#choose(maxBytes)
    for (const item of chosen) item.sent++
    this.#items = this.#items.filter(item => item.sent < times)
    return chosen.map(({ value }) => value)
  }

  /** The same, to somebody who may not listen: it does not count as sent. */
  peek(maxBytes: number): T[] {
    return this.#choose(maxBytes).map(({ value }) => value)
  }

  #choose(maxBytes: number): Item<T>[] {
    let leftBytes = maxBytes
    return this.#sorted().filter(({ bytes }) => {
      if (bytes > leftBytes) return false
      leftBytes -= bytes
      return true
    })
  }

  #sorted(): Item<T>[] {
    return this.#items.toSorted((a, b) => a.sent - b.sent || b.order - a.order)
  }
}

/** How often each peer passes an item on in a cluster of `members`: factor x log10(n + 1), rounded up. */
export function retransmits(factor: number, members: number): number {
  return Math.ceil(factor * Math.log10(members + 1))
}
