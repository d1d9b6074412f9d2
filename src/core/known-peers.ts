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

/**
 * How long all members go unlooked at while channels to single ones open, in ms: in a large cluster one opens every
 * second. Addresses that came by gossip wait for it.
 */
const lookThroughMs = 60_000

export interface KnownPeersComponents {
  readonly addresses: AddressBook
  readonly store: Store
  readonly clock: Clock
  readonly logger: Logger
  /** Peer ids of the members now; undefined while there is no topology: what is kept stays then. */
  readonly members: () => readonly string[] | undefined
  readonly isMember: (peerId: string) => boolean
}

export class KnownPeers {
  readonly #components: KnownPeersComponents
  readonly #kept = new Map<string, Uint8Array>()
  /** Whose addresses may have changed. */
  readonly #due = new Set<string>()
  #isAllDue = false
  /** Monotonic time in ms. */
  #lookedAtMs = 0
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

  /** Members or addresses may have changed, or those of one peer: they will be on disk soon. */
  changed(peerId?: string): void {
    if (this.#isStopped) return
    const { clock, logger } = this.#components
    if (peerId === undefined || clock.monotonic() - this.#lookedAtMs >= lookThroughMs) this.#isAllDue = true
    else this.#due.add(peerId)
    this.#timer ??= clock.after(settleMs, () => {
      this.#timer = undefined
      const saved = this.#isAllDue
        ? this.save()
        : this.#write([...this.#due].flatMap(due => this.#changeOf(due)))
      this.#due.clear()
      saved.catch((error: unknown) =>
        logger.warn('could not keep the addresses of the members', { error: String(error) })
      )
    })
  }

  async save(): Promise<void> {
    const { clock, members } = this.#components
    this.#isAllDue = false
    this.#lookedAtMs = clock.monotonic()
    const known = members()
    if (known === undefined) return
    const current = new Set(known)
    const gone = [...this.#kept.keys()].filter(peerId => !current.has(peerId))
    for (const peerId of gone) this.#kept.delete(peerId)
    await this.#write([
      ...[...current].flatMap(peerId => this.#changeOf(peerId)),
      ...gone.map((peerId): MetaChange => [prefix + peerId, undefined])
    ])
  }

  /** What is to be written of a peer: nothing, or one change. */
  #changeOf(peerId: string): MetaChange[] {
    const { addresses, isMember } = this.#components
    const record = addresses.of(peerId)
    if (record === undefined || this.#kept.get(peerId) === record || !isMember(peerId)) return []
    this.#kept.set(peerId, record)
    return [[prefix + peerId, record]]
  }

  async #write(changes: readonly MetaChange[]): Promise<void> {
    if (changes.length > 0) await this.#components.store.writeMeta(changes)
  }

  /** For good: channels may still open while the peer that stops saves what it knows. */
  stop(): void {
    this.#isStopped = true
    this.#timer?.cancel()
    this.#timer = undefined
  }
}
