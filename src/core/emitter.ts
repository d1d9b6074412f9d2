/** A small typed emitter: listeners are called in the order in which they were added. */
import type { Emitter, Events } from '../api.ts'
import type { Logger } from './ports.ts'

type Listener = (event: never) => void

export class EventEmitter implements Emitter {
  readonly #listeners = new Map<keyof Events, Set<Listener>>()
  readonly #logger: Logger

  constructor(components: { readonly logger: Logger }) {
    this.#logger = components.logger
  }

  /** Calls `listener` at each such event from now on; the function returned ends that. */
  on<K extends keyof Events>(event: K, listener: (event: Events[K]) => void): () => void {
    const listeners = this.#listeners.get(event) ?? new Set()
    this.#listeners.set(event, listeners)
    // A function of its own, so that one listener added twice is two.
    const added: Listener = event => listener(event)
    listeners.add(added)
    return () => void listeners.delete(added)
  }

  /** A listener that throws is logged: it must not stop the peer. */
  emit<K extends keyof Events>(event: K, detail: Events[K]): void {
    for (const listener of [...(this.#listeners.get(event) ?? [])]) {
      try {
        ;(listener as (event: Events[K]) => void)(detail)
      } catch (error) {
        this.#logger.error('a listener threw', { event, error: String(error) })
      }
    }
  }
}
