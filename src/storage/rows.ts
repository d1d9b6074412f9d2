/**
 * The keys of the rows in a LevelDB store. The first byte says what a row is.
 *
 * | key | value |
 * | --- | --- |
 * | `r` position | a record: whole where its value is of at most `maxInlineBytes`, else its head alone |
 * | `v` position, time (8 bytes), writer (16), rmw (4) | the value of that version, where it is kept apart |
 * | `m` name | an entry of metadata |
 * | `s` slot (2 bytes) | the sum of the slot's fingerprints; see slot-rows.ts |
 * | `u` | records (8 bytes) and bytes (8) held; 1 where the rows of the slots are in step with them |
 * | `c` | a clear under way: the names it keeps, as JSON |
 * | `t` number (6 bytes) | nothing: batch `number` was written; see checked-level.ts |
 *
 * A value's key holds its version, so that a head never meets the value of another write.
 */
import { positionBytes } from '../core/ring/position.ts'
import type { Version } from '../core/record/version.ts'
import type { Segment } from './segments.ts'

/**
 * Bytes of the largest value kept in its record's own row. A version round reads the whole row, and a
 * listing of heads reads them all, so it is small; below it, a second row would cost more than it saves.
 */
export const maxInlineBytes = 1024

export type Row = Uint8Array

/** A row of the store's own is not what was written: the store cannot be opened. */
export class DamagedRowError extends Error {
  override readonly name = 'DamagedRowError'
}

/** Rows between two keys. */
export interface RowSpan {
  readonly gt?: Row
  readonly gte?: Row
  readonly lt?: Row
  readonly lte?: Row
}

const versionBytes = 28
const numberBytes = 6

const tags = { record: 0x72, value: 0x76, meta: 0x6d, slot: 0x73, usage: 0x75, clearing: 0x63, trail: 0x74 }

export const slotRowTag = tags.slot
export const usageRow: Row = Buffer.of(tags.usage)
export const clearingRow: Row = Buffer.of(tags.clearing)

export const recordRows = rowsTagged(tags.record)
export const valueRows = rowsTagged(tags.value)
export const metaRows = rowsTagged(tags.meta)
export const slotRows = rowsTagged(tags.slot)
export const trailRows = rowsTagged(tags.trail)

export function recordRow(position: Uint8Array): Row {
  const row = Buffer.allocUnsafe(1 + positionBytes)
  row[0] = tags.record
  row.set(position, 1)
  return row
}

/** The rows of the records in a segment of the ring. */
export function recordRowsIn({ above, upTo }: Segment): RowSpan {
  return {
    ...(above === undefined ? { gte: recordRows.gte } : { gt: recordRow(above) }),
    ...(upTo === undefined ? { lt: recordRows.lt } : { lte: recordRow(upTo) })
  }
}

/** The rows of the records whose positions begin with these 16 bits. */
export function recordRowsInSlot(slot: number): RowSpan {
  const first = Buffer.of(tags.record, slot >>> 8, slot & 0xff)
  if (slot === 0xffff) return { gte: first, lt: recordRows.lt }
  return { gte: first, lt: Buffer.of(tags.record, (slot + 1) >>> 8, (slot + 1) & 0xff) }
}

/** The position in a record's row. */
export function positionIn(row: Row): Uint8Array {
  return row.subarray(1, 1 + positionBytes)
}

export function valueRow(position: Uint8Array, { time, writer, rmw }: Version): Row {
  const row = Buffer.allocUnsafe(1 + positionBytes + versionBytes)
  row[0] = tags.value
  row.set(position, 1)
  row.writeBigUInt64BE(BigInt(time), 33)
  row.set(writer, 41)
  row.writeUInt32BE(rmw, 57)
  return row
}

/** The rows of all values under a position, of whatever version. */
export function valueRowsAt(position: Uint8Array): RowSpan {
  const first = Buffer.concat([Buffer.of(tags.value), position])
  return { gte: first, lte: Buffer.concat([first, Buffer.alloc(versionBytes, 0xff)]) }
}

export function metaRow(name: string): Row {
  return Buffer.concat([Buffer.of(tags.meta), Buffer.from(name)])
}

export function nameIn(row: Row): string {
  return Buffer.from(row.subarray(1)).toString()
}

export function trailRow(number: number): Row {
  const row = Buffer.allocUnsafe(1 + numberBytes)
  row[0] = tags.trail
  row.writeUIntBE(number, 1, numberBytes)
  return row
}

export function numberIn(row: Row): number {
  return Buffer.from(row).readUIntBE(1, numberBytes)
}

export interface Usage {
  readonly records: number
  readonly bytes: number
}

/** What a store holds in all, and whether the rows of the slots are of the same moment. */
export interface Totals {
  readonly usage: Usage
  readonly areSlotsKept: boolean
}

export function encodeTotals({ usage, areSlotsKept }: Totals): Uint8Array {
  const encoded = Buffer.allocUnsafe(17)
  encoded.writeBigUInt64BE(BigInt(usage.records), 0)
  encoded.writeBigUInt64BE(BigInt(usage.bytes), 8)
  encoded[16] = areSlotsKept ? 1 : 0
  return encoded
}

/**
 * An empty store has no row, and stores of before there were rows of slots end theirs with the bytes.
 * Throws DamagedRowError.
 */
export function decodeTotals(encoded: Uint8Array | undefined): Totals {
  if (encoded === undefined) return { usage: { records: 0, bytes: 0 }, areSlotsKept: true }
  const view = new DataView(encoded.buffer, encoded.byteOffset, encoded.byteLength)
  if (view.byteLength < 16 || view.byteLength > 17)
    throw new DamagedRowError('the row of its totals is damaged')
  const usage = { records: Number(view.getBigUint64(0)), bytes: Number(view.getBigUint64(8)) }
  return { usage, areSlotsKept: encoded[16] === 1 }
}

export function encodeNames(names: readonly string[]): Uint8Array {
  return Buffer.from(JSON.stringify(names))
}

/** The names that a clear under way keeps. Throws DamagedRowError. */
export function decodeNames(encoded: Uint8Array): string[] {
  try {
    const names: unknown = JSON.parse(Buffer.from(encoded).toString())
    if (Array.isArray(names) && names.every(name => typeof name === 'string')) return names
  } catch {
    // Said below.
  }
  throw new DamagedRowError('the row of a clear under way is damaged')
}

function rowsTagged(tag: number): { readonly gte: Row; readonly lt: Row } {
  return { gte: Buffer.of(tag), lt: Buffer.of(tag + 1) }
}
