/**
 * The Store port in memory, for peers without a data folder and for tests. A change is as durable as it gets
 * when it is made; nothing survives the process.
 */
import {
  type HeadsOptions,
  type MetaChange,
  type Scrubbed,
  type ScrubbedPart,
  type Store,
  StoreError
} from '../core/ports.ts'
import { decodeRecord } from '../core/record/codec.ts'
import { Fingerprints } from '../core/record/fingerprints.ts'
import { Recount } from '../core/record/recount.ts'
import type { RecordHead, StoredRecord } from '../core/record/record.ts'
import { compareVersions, type Version } from '../core/record/version.ts'
import type { Range } from '../core/ring/range.ts'
import { PositionMap } from './position-map.ts'
import { segmentOfSlots, segmentsOf } from './segments.ts'

export class MemoryStore implements Store {
  readonly loss = undefined
  readonly fingerprints = new Fingerprints()
  readonly #records = new PositionMap<StoredRecord>()
  readonly #meta = new Map<string, Uint8Array>()
  #usage = { records: 0, bytes: 0 }
  #closed = false

  head(position: Uint8Array): Promise<RecordHead | undefined> {
    return this.#do(() => {
      const record = this.#records.get(position)
      return record && headOf(record)
    })
  }

  read(position: Uint8Array): Promise<StoredRecord | undefined> {
    return this.#do(() => this.#records.get(position))
  }

  merge(record: StoredRecord): Promise<void> {
    return this.mergeAll([record])
  }

  mergeAll(records: readonly StoredRecord[]): Promise<void> {
    return this.#do(() => {
      for (const record of records) {
        const held = this.#records.get(record.position)
        if (compareVersions(record.version, held?.version) > 0) this.#replace(held, ownCopy(record))
      }
    })
  }

  drop(position: Uint8Array, version: Version): Promise<boolean> {
    return this.#do(() => {
      const held = this.#records.get(position)
      if (held === undefined || compareVersions(held.version, version) !== 0) return false
      this.#replace(held, undefined)
      return true
    })
  }

  /** Memory is never damaged by itself; simulated disks are. */
  repair(position: Uint8Array, record: StoredRecord | undefined): Promise<boolean> {
    return this.#do(() => {
      if (!this.fingerprints.isDamaged(position)) return false
      this.#replace(this.#records.get(position), record && ownCopy(record))
      return true
    })
  }

  heads(range: Range, { limit, after }: HeadsOptions): Promise<RecordHead[]> {
    return this.#do(() => {
      const heads: RecordHead[] = []
      for (const segment of segmentsOf(range, after)) {
        for (const record of this.#records.within(segment)) {
          if (heads.length >= limit) return heads
          heads.push(headOf(record))
        }
      }
      return heads
    })
  }

  async scrub(first: number, end: number, pace: (read: ScrubbedPart) => Promise<void>): Promise<Scrubbed> {
    const { read, ...found } = await this.#do(() => this.#recount(first, end))
    await pace(read)
    return found
  }

  usage(): { records: number; bytes: number } {
    return { ...this.#usage }
  }

  readMeta(name: string): Promise<Uint8Array | undefined> {
    return this.#do(() => this.#meta.get(name)?.slice())
  }

  listMeta(prefix: string): Promise<Array<[name: string, value: Uint8Array]>> {
    return this.#do(() =>
      [...this.#meta]
        .filter(([name]) => name.startsWith(prefix))
        .sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
        .map(([name, value]) => [name, value.slice()])
    )
  }

  writeMeta(changes: readonly MetaChange[]): Promise<void> {
    return this.#do(() => {
      for (const [name, value] of changes) {
        if (value === undefined) this.#meta.delete(name)
        else this.#meta.set(name, new Uint8Array(value))
      }
    })
  }

  clear(keep: readonly string[]): Promise<void> {
    return this.#do(() => {
      this.#records.clear()
      this.fingerprints.clear()
      this.#usage = { records: 0, bytes: 0 }
      for (const name of [...this.#meta.keys()]) if (!keep.includes(name)) this.#meta.delete(name)
    })
  }

  close(): Promise<void> {
    this.#closed = true
    return Promise.resolve()
  }

  #recount(first: number, end: number): Scrubbed & { read: ScrubbedPart } {
    const recount = new Recount(first, end)
    const read = { records: 0, bytes: 0 }
    for (const record of this.#records.within(segmentOfSlots(first, end))) {
      read.records++
      read.bytes += record.size
      // Memory is never damaged by itself: this was found before.
      if (!this.fingerprints.isDamaged(record.position)) recount.add(record)
    }
    return { read, damaged: 0, miscounted: recount.correct(this.fingerprints) }
  }

  #replace(held: StoredRecord | undefined, next: StoredRecord | undefined): void {
    if (next !== undefined) this.#records.set(next)
    else if (held !== undefined) this.#records.delete(held.position)
    if (held !== undefined) this.fingerprints.remove(held)
    if (next !== undefined) this.fingerprints.add(next)
    this.#usage.records += (next ? 1 : 0) - (held ? 1 : 0)
    this.#usage.bytes += (next?.size ?? 0) - (held?.size ?? 0)
  }

  /** Runs at once, so that calls take effect in their order; errors reject. */
  #do<T>(action: () => T): Promise<T> {
    return new Promise(resolve => {
      if (this.#closed) throw new StoreError('the store is closed')
      resolve(action())
    })
  }
}

/** A record received is a view of its frame, which it would keep in memory whole. */
function ownCopy(record: StoredRecord): StoredRecord {
  return decodeRecord(new Uint8Array(record.encoded), new Uint8Array(record.position))
}

function headOf({ position, version, kind, expiresAt, size }: StoredRecord): RecordHead {
  return { position, version, kind, expiresAt, size }
}
