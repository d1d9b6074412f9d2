/**
 * A member's store that shows nothing of what has been purged. Until the purger drops it, and should it ever lie
 * there again, it is as good as dropped. Registers and movement get this store; the purger sees what is below.
 *
 * Why a write that was accepted before the purge cannot bring an older record back by reaching the disk after
 * it: whoever serves a request calls `merge` in the same step in which it finds the request to be of the epoch
 * in force, so such a merge was called before that epoch moved, and all drops are called after. A store takes
 * its changes in the order of the calls: the merge meets the tombstone, and loses. And what is asked for at an
 * epoch is only ever what was read at that epoch, so nobody sends such a record later.
 */
import type { FingerprintIndex } from '../record/fingerprints.ts'
import type { HeadsOptions, MetaChange, Scrubbed, ScrubbedPart, Store } from '../ports.ts'
import type { MemberId } from '../member.ts'
import type { Quota } from '../quota.ts'
import { isPurged } from '../record/purged.ts'
import type { RecordHead, StoredRecord } from '../record/record.ts'
import type { Version } from '../record/version.ts'
import type { Range } from '../ring/range.ts'
import { counts } from '../topology/purge.ts'
import type { Topology } from '../topology/topology.ts'

export interface VisibleStoreComponents {
  readonly store: Store
  /** The topology in force now. */
  readonly topology: () => Topology | undefined
  /** What the store may hold. Left out: all that comes. */
  readonly quota?: Pick<Quota, 'during'>
}

export interface VisibleStoreInit {
  /** Whose store it is. */
  readonly self: MemberId
}

export class VisibleStore implements Store {
  readonly #store: Store
  readonly #topology: () => Topology | undefined
  readonly #quota: Pick<Quota, 'during'> | undefined
  readonly #self: MemberId

  constructor({ store, topology, quota }: VisibleStoreComponents, { self }: VisibleStoreInit) {
    this.#store = store
    this.#topology = topology
    this.#quota = quota
    this.#self = self
  }

  head(position: Uint8Array): Promise<RecordHead | undefined> {
    return this.#shown(this.#store.head(position))
  }

  read(position: Uint8Array): Promise<StoredRecord | undefined> {
    return this.#shown(this.#store.read(position))
  }

  /** What was purged is kept by keeping nothing. */
  merge(record: StoredRecord): Promise<void> {
    if (isPurged(record, this.#purgedBefore)) return Promise.resolve()
    return this.#within([record], () => this.#store.merge(record))
  }

  mergeAll(records: readonly StoredRecord[]): Promise<void> {
    const before = this.#purgedBefore
    const shown = before === 0 ? records : records.filter(record => !isPurged(record, before))
    return this.#within(shown, () => this.#store.mergeAll(shown))
  }

  drop(position: Uint8Array, version: Version): Promise<boolean> {
    return this.#store.drop(position, version)
  }

  /** What was purged is as good as nothing. */
  repair(position: Uint8Array, record: StoredRecord | undefined): Promise<boolean> {
    const isGone = record !== undefined && isPurged(record, this.#purgedBefore)
    return this.#store.repair(position, isGone ? undefined : record)
  }

  /** Goes on until there are `limit` that show: fewer mean that the range is at its end. */
  async heads(range: Range, options: HeadsOptions): Promise<RecordHead[]> {
    const { limit } = options
    const shown: RecordHead[] = []
    for (let next = options; ;) {
      const heads = await this.#store.heads(range, next)
      for (const head of heads) if (this.#shows(head)) shown.push(head)
      const last = heads.at(-1)
      if (shown.length >= limit || heads.length < next.limit || last === undefined) return shown
      next = { ...options, limit: limit - shown.length, after: last.position }
    }
  }

  scrub(first: number, end: number, pace: (read: ScrubbedPart) => Promise<void>): Promise<Scrubbed> {
    return this.#store.scrub(first, end, pace)
  }

  usage(): { records: number; bytes: number } {
    return this.#store.usage()
  }

  /** Of what lies in the store: it follows what shows as the purger drops the rest. */
  get fingerprints(): FingerprintIndex {
    return this.#store.fingerprints
  }

  readMeta(name: string): Promise<Uint8Array | undefined> {
    return this.#store.readMeta(name)
  }

  listMeta(prefix: string): Promise<Array<[name: string, value: Uint8Array]>> {
    return this.#store.listMeta(prefix)
  }

  writeMeta(changes: readonly MetaChange[]): Promise<void> {
    return this.#store.writeMeta(changes)
  }

  clear(keep: readonly string[]): Promise<void> {
    return this.#store.clear(keep)
  }

  get loss(): string | undefined {
    return this.#store.loss
  }

  close(): Promise<void> {
    return this.#store.close()
  }

  /** The store is called in this same step. */
  #within(records: readonly StoredRecord[], write: () => Promise<void>): Promise<void> {
    return this.#quota === undefined ? write() : this.#quota.during(records, write)
  }

  /** Judged when the answer is there: a purge may have come into force meanwhile. */
  async #shown<T extends RecordHead>(reading: Promise<T | undefined>): Promise<T | undefined> {
    const record = await reading
    return record !== undefined && this.#shows(record) ? record : undefined
  }

  #shows(record: RecordHead): boolean {
    return counts(this.#topology(), this.#self, record)
  }

  get #purgedBefore(): number {
    return this.#topology()?.purgedBefore ?? 0
  }
}
