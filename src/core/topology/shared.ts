/**
 * Equal things are one object for as long as somebody uses it. A topology of a thousand members has some 300 KB, its
 * rings 5 MB; where many peers run in one process (a cluster of one machine, the simulator) they have it once, and
 * what follows from it is worked out once. What a thing is does not depend on this, only what it costs.
 */
import { hash } from 'node:crypto'

export class Shared<T extends object> {
  readonly #things = new Map<string, WeakRef<T>>()
  readonly #forget = new FinalizationRegistry<string>(name => {
    // Another one may have taken its place meanwhile.
    if (this.#things.get(name)?.deref() === undefined) this.#things.delete(name)
  })

  /** The one with this encoding: the one in use, or else the one made now. */
  one(encoding: Uint8Array, make: () => T): T {
    const name = hash('sha256', encoding, 'base64')
    const inUse = this.#things.get(name)?.deref()
    if (inUse !== undefined) return inUse
    const made = make()
    this.#things.set(name, new WeakRef(made))
    this.#forget.register(made, name)
    return made
  }
}
