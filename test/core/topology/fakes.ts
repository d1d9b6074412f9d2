/** Stand-ins for what the log and the agreement on it need of a peer. */
import type { Logger, MetaChange } from '../../../src/core/ports.ts'
import type { MetaStore } from '../../../src/core/topology/log.ts'

export const silent: Logger = { debug: nothing, info: nothing, warn: nothing, error: nothing }

function nothing(): void {
  // says nothing
}

export interface FakeMetaStoreInit {
  /** How long a write takes. Default: a moment. */
  readonly delay?: () => Promise<void>
  /** Whether a write that is under way at a crash came through. Default: it did not. */
  readonly survives?: () => boolean
  readonly entries?: ReadonlyMap<string, Uint8Array>
}

/** Metadata on a disk that outlives the peer that wrote it. */
export class FakeMetaStore implements MetaStore {
  readonly entries: Map<string, Uint8Array>
  readonly #init: FakeMetaStoreInit
  readonly #underWay = new Set<readonly MetaChange[]>()
  #isCrashed = false

  constructor(init: FakeMetaStoreInit = {}) {
    this.#init = init
    this.entries = new Map(init.entries)
  }

  readMeta(name: string): Promise<Uint8Array | undefined> {
    return Promise.resolve(this.entries.get(name))
  }

  listMeta(prefix: string): Promise<Array<[name: string, value: Uint8Array]>> {
    const found = [...this.entries].filter(([name]) => name.startsWith(prefix))
    return Promise.resolve(found.sort(([a], [b]) => (a < b ? -1 : 1)))
  }

  async writeMeta(changes: readonly MetaChange[]): Promise<void> {
    this.#underWay.add(changes)
    await (this.#init.delay?.() ?? Promise.resolve())
    // Who crashed never learns what became of its write.
    if (this.#isCrashed) await new Promise(() => undefined)
    this.#underWay.delete(changes)
    this.#apply(changes)
  }

  /** What a restart finds. */
  crash(): FakeMetaStore {
    this.#isCrashed = true
    for (const changes of this.#underWay) if (this.#init.survives?.() === true) this.#apply(changes)
    return new FakeMetaStore({ ...this.#init, entries: this.entries })
  }

  #apply(changes: readonly MetaChange[]): void {
    for (const [name, value] of changes) {
      if (value === undefined) this.entries.delete(name)
      else this.entries.set(name, value)
    }
  }
}
