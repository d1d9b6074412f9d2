/**
 * One batch of changes to a LevelDB store while it is being decided. It sees the database as the last durable
 * batch left it, and over that what it was given itself.
 */
import { DamagedRecordError, type MetaChange } from '../core/ports.ts'
import { headBytesOf } from '../core/record/codec.ts'
import { fingerprintOf, type FingerprintSum, minusOne, plusOne } from '../core/record/fingerprint.ts'
import { type Fingerprints, slotOf } from '../core/record/fingerprints.ts'
import type { RecordKind, StoredRecord } from '../core/record/record.ts'
import { compareVersions, type Version } from '../core/record/version.ts'
import type { RowChange } from './checked-level.ts'
import {
  encodeTotals,
  maxInlineBytes,
  metaRow,
  recordRow,
  type Row,
  type Usage,
  usageRow,
  valueRow
} from './rows.ts'
import { putSlot } from './slot-rows.ts'

/** What decides about a record and what it takes to delete it. */
export interface HeldRecord {
  readonly version: Version
  readonly kind: RecordKind
  readonly size: number
  /** Whether its value has a row of its own. */
  readonly apart: boolean
}

/** What is left of a damaged record. */
export interface Remains {
  readonly position: Uint8Array
  readonly rows: readonly Row[]
  /** In those rows: what it counted for in the usage, unless its size is what is damaged. */
  readonly bytes: number
}

/** What becomes of one record, as against the last durable batch; undefined where there is none. */
interface RecordChange {
  readonly position: Uint8Array
  readonly before: HeldRecord | undefined
  readonly after: HeldRecord | undefined
}

export interface RecordBatchInit {
  readonly usage: Usage
  /** The record that the database holds; throws DamagedRecordError. */
  readonly held: (position: Uint8Array) => HeldRecord | undefined
}

export class RecordBatch {
  readonly #changes: RowChange[] = []
  readonly #held: (position: Uint8Array) => HeldRecord | undefined
  /** By position. */
  readonly #changed = new Map<string, RecordChange>()
  /** Of the slots that are changed, as they come to be; where the database keeps them. */
  #sums: ReadonlyMap<number, FingerprintSum> | undefined
  #records: number
  #bytes: number

  constructor({ usage, held }: RecordBatchInit) {
    this.#records = usage.records
    this.#bytes = usage.bytes
    this.#held = held
  }

  get usage(): Usage {
    return { records: this.#records, bytes: this.#bytes }
  }

  /**
   * The rows to write; none where nothing changes. `kept` are the fingerprints that the database keeps, as they
   * stand before the batch; undefined where it does not.
   */
  changes(kept: Fingerprints | undefined): RowChange[] {
    if (this.#changed.size === 0) return this.#changes
    const totals = encodeTotals({ usage: this.usage, areSlotsKept: kept !== undefined })
    const slots = kept === undefined ? [] : this.#slotChanges(kept)
    return [...this.#changes, ...slots, { type: 'put', key: usageRow, value: totals }]
  }

  /** Carries what has been changed over to the fingerprints, once it is durable. */
  applyTo(fingerprints: Fingerprints): void {
    for (const { position, before, after } of this.#changed.values()) {
      if (this.#sums !== undefined) fingerprints.noteRepaired(position)
      else {
        if (before !== undefined) fingerprints.remove({ ...before, position })
        if (after !== undefined) fingerprints.add({ ...after, position })
      }
    }
    for (const [slot, sum] of this.#sums ?? []) fingerprints.setSlot(slot, sum)
  }

  #slotChanges(kept: Fingerprints): RowChange[] {
    const sums = new Map<number, FingerprintSum>()
    for (const { position, before, after } of this.#changed.values()) {
      const slot = slotOf(position)
      let sum = sums.get(slot) ?? kept.sum(slot, slot + 1)
      if (before !== undefined) sum = minusOne(sum, fingerprintOf({ ...before, position }))
      if (after !== undefined) sum = plusOne(sum, fingerprintOf({ ...after, position }))
      sums.set(slot, sum)
    }
    this.#sums = sums
    return [...sums].map(([slot, sum]) => putSlot(slot, sum))
  }

  /** Keeps the newer of each of these and what is held. Throws for the first damaged one, after all others. */
  merge(records: readonly StoredRecord[]): void {
    let damaged: DamagedRecordError | undefined
    for (const record of records) {
      try {
        this.#mergeOne(record)
      } catch (error) {
        if (!(error instanceof DamagedRecordError)) throw error
        damaged ??= error
      }
    }
    if (damaged !== undefined) throw damaged
  }

  drop(position: Uint8Array, version: Version): boolean {
    const name = nameOf(position)
    const held = this.#current(name, position)
    if (held === undefined || compareVersions(held.version, version) !== 0) return false
    this.#remove(position, held)
    this.#changes.push({ type: 'del', key: recordRow(position) })
    this.#change(name, position, held, undefined)
    return true
  }

  /** Puts a record, or nothing, in the place of a damaged one, which is in no fingerprint. */
  replace({ position, rows, bytes }: Remains, record: StoredRecord | undefined): void {
    for (const key of rows) this.#changes.push({ type: 'del', key })
    this.#records--
    this.#bytes = Math.max(0, this.#bytes - bytes)
    this.#change(nameOf(position), position, undefined, undefined)
    if (record !== undefined) this.#put(record, undefined)
  }

  writeMeta(changes: readonly MetaChange[]): void {
    for (const [name, value] of changes) {
      const key = metaRow(name)
      this.#changes.push(value === undefined ? { type: 'del', key } : { type: 'put', key, value })
    }
  }

  #mergeOne(record: StoredRecord): void {
    const { position, version } = record
    const held = this.#current(nameOf(position), position)
    if (compareVersions(version, held?.version) <= 0) return
    if (held !== undefined) this.#remove(position, held)
    this.#put(record, held)
  }

  #put(record: StoredRecord, held: HeldRecord | undefined): void {
    const { position, version, kind, size, value, key, encoded } = record
    const apart = isApart(value.length)
    const row = apart ? encoded.subarray(0, headBytesOf(key.length)) : encoded
    this.#changes.push({ type: 'put', key: recordRow(position), value: row })
    if (apart) this.#changes.push({ type: 'put', key: valueRow(position, version), value })
    this.#records++
    this.#bytes += size
    this.#change(nameOf(position), position, held, { version, kind, size, apart })
  }

  /** Takes a record out of the counters and deletes its value's row; its own row is the caller's. */
  #remove(position: Uint8Array, { version, size, apart }: HeldRecord): void {
    if (apart) this.#changes.push({ type: 'del', key: valueRow(position, version) })
    this.#records--
    this.#bytes -= size
  }

  #change(
    name: string,
    position: Uint8Array,
    held: HeldRecord | undefined,
    after: HeldRecord | undefined
  ): void {
    const earlier = this.#changed.get(name)
    this.#changed.set(name, { position, before: earlier === undefined ? held : earlier.before, after })
  }

  #current(name: string, position: Uint8Array): HeldRecord | undefined {
    const changed = this.#changed.get(name)
    return changed === undefined ? this.#held(position) : changed.after
  }
}

/** Whether a value of so many bytes gets a row of its own. */
export function isApart(valueBytes: number): boolean {
  return valueBytes > maxInlineBytes
}

function nameOf(position: Uint8Array): string {
  return Buffer.from(position.buffer, position.byteOffset, position.byteLength).toString('latin1')
}
