/**
 * The addresses of the other members, kept on disk so that a peer finds the others again after any time away.
 * The liveness part goes on probing every member for as long as it is one, which is what re-dials them. They
 * outlive a life of the peer: whoever knows of others joins them, and founds no cluster of its own.
 */
import type { AddressBook, Clock, Logger, MetaChange, Store, Timer } from './ports.ts'

const prefix = 'address/'

/** The names of the metadata in which addresses are kept. */
export async function knownPeerNames(store: Pick<Store, 'listMeta'>): Promise<string[]> {
  return (await store.listMeta(prefix)).map(([name]) => name)
}

/** The peer id that such a name is of. */
export function knownPeerId(name: string): string {
  return name.slice(prefix.length)
}

/** How soon after a change the addresses are written, in ms: many changes come together. */
const settleMs = 1_000

export interface KnownPeersComponents {
  readonly addresses: AddressBook
  readonly store: Store
  readonly clock: Clock
  readonly logger: Logger
  /** Peer ids of the members now; undefined while there is no topology: what is kept stays then. */
  readonly members: () => readonly string[] | undefined
}

export class KnownPeers {
  readonly #components: KnownPeersComponents
  readonly #kept = new Map<string, Uint8Array>()
  #timer: Timer | undefined
  #isStopped = false

  constructor(components: KnownPeersComponents) {
    this.#components = components
  }

  /** Fills the address book from disk. */
  async load(): Promise<void> {
    for (const [name, record] of await this.#components.store.listMeta(prefix)) {
      this.#kept.set(knownPeerId(name), record)
      await this.#components.addresses.learn(record)
    }
  }

  /** Members or addresses may have changed: they will be on disk soon. */
  changed(): void {
    if (this.#isStopped) return
    this.#timer ??= this.#components.clock.after(settleMs, () => {
      this.#timer = undefined
      this.save().catch((error: unknown) =>
        this.#components.logger.warn('could not keep the addresses of the members', { error: String(error) })
      )
    })
  }

  async save(): Promise<void> {
    const { addresses, store, members } = this.#components
    const changes: MetaChange[] = []
    const known = members()
    if (known === undefined) return
    const current = new Set(known)
    for (const peerId of current) {
      const record = addresses.of(peerId)
      if (record === undefined || this.#kept.get(peerId) === record) continue
      this.#kept.set(peerId, record)
      changes.push([prefix + peerId, record])
    }
    for (const peerId of [...this.#kept.keys()]) {
      if (current.has(peerId)) continue
      this.#kept.delete(peerId)
      changes.push([prefix + peerId, undefined])
    }
    if (changes.length > 0) await store.writeMeta(changes)
  }

  /** For good: channels may still open while the peer that stops saves what it knows. */
  stop(): void {
    this.#isStopped = true
    this.#timer?.cancel()
    this.#timer = undefined
  }
}
