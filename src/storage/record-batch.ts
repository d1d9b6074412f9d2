/**
 * One batch of changes to a LevelDB store while it is being decided. It sees the database as the last durable
 * batch left it, and over that what it was given itself.
 */
import { DamagedRecordError, type MetaChange } from '../core/ports.ts'
import { headBytesOf } from '../core/record/codec.ts'
import type { StoredRecord } from '../core/record/record.ts'
import { compareVersions, type Version } from '../core/record/version.ts'
import type { RowChange } from './checked-level.ts'
import { encodeUsage, maxInlineBytes, metaRow, recordRow, usageRow, valueRow } from './rows.ts'

export interface Usage {
  readonly records: number
  readonly bytes: number
}

/** What decides about a record and what it takes to delete it. */
export interface HeldRecord {
  readonly version: Version
  readonly size: number
  /** Whether its value has a row of its own. */
  readonly apart: boolean
}

export interface RecordBatchInit {
  readonly usage: Usage
  /** The record that the database holds; throws DamagedRecordError. */
  readonly held: (position: Uint8Array) => HeldRecord | undefined
}

export class RecordBatch {
  readonly #changes: RowChange[] = []
  readonly #held: (position: Uint8Array) => HeldRecord | undefined
  /** The records that this batch has changed, by position; undefined where it drops one. */
  readonly #changed = new Map<string, HeldRecord | undefined>()
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

  /** The rows to write; none where nothing changes. */
  changes(): RowChange[] {
    if (this.#changed.size === 0) return this.#changes
    return [...this.#changes, { type: 'put', key: usageRow, value: encodeUsage(this.usage) }]
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
    this.#changed.set(name, undefined)
    return true
  }

  writeMeta(changes: readonly MetaChange[]): void {
    for (const [name, value] of changes) {
      const key = metaRow(name)
      this.#changes.push(value === undefined ? { type: 'del', key } : { type: 'put', key, value })
    }
  }

  #mergeOne(record: StoredRecord): void {
    const { position, version, size, value, key, encoded } = record
    const name = nameOf(position)
    const held = this.#current(name, position)
    if (compareVersions(version, held?.version) <= 0) return
    if (held !== undefined) this.#remove(position, held)
    const apart = isApart(value.length)
    const row = apart ? encoded.subarray(0, headBytesOf(key.length)) : encoded
    this.#changes.push({ type: 'put', key: recordRow(position), value: row })
    if (apart) this.#changes.push({ type: 'put', key: valueRow(position, version), value })
    this.#records++
    this.#bytes += size
    this.#changed.set(name, { version, size, apart })
  }

  /** Takes a record out of the counters and deletes its value's row; its own row is the caller's. */
  #remove(position: Uint8Array, { version, size, apart }: HeldRecord): void {
    if (apart) this.#changes.push({ type: 'del', key: valueRow(position, version) })
    this.#records--
    this.#bytes -= size
  }

  #current(name: string, position: Uint8Array): HeldRecord | undefined {
    return this.#changed.has(name) ? this.#changed.get(name) : this.#held(position)
  }
}

/** Whether a value of so many bytes gets a row of its own. */
export function isApart(valueBytes: number): boolean {
  return valueBytes > maxInlineBytes
}

function nameOf(position: Uint8Array): string {
  return Buffer.from(position.buffer, position.byteOffset, position.byteLength).toString('latin1')
}
