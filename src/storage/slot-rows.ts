/**
 * The rows in which a LevelDB store keeps the sum of each slot's fingerprints, so that it need not count its records
 * each time it opens. A batch writes those of the slots that it changes, so they are as durable as its records.
 *
 *     `s` slot (2 bytes) | count (4 bytes), low (4), high (4), CRC-32 of key and these (4)
 *
 * The checksum is for a table that was damaged on disk, which LevelDB does not check when it walks over it.
 */
import { crc32 } from 'node:zlib'
import type { FingerprintSum } from '../core/record/fingerprint.ts'
import type { RowChange } from './checked-level.ts'
import { type Row, slotRowTag } from './rows.ts'

const keyBytes = 3
const sumBytes = 12
const checksumBytes = 4

export function slotRow(slot: number): Row {
  return Buffer.of(slotRowTag, slot >>> 8, slot & 0xff)
}

/** The change that puts a slot's sum into its row. */
export function putSlot(
  slot: number,
  { count, low, high }: FingerprintSum
): RowChange & { readonly type: 'put' } {
  // Key and value in one, as they are checked.
  const row = Buffer.allocUnsafe(keyBytes + sumBytes + checksumBytes)
  row[0] = slotRowTag
  row.writeUInt16BE(slot, 1)
  row.writeUInt32BE(count, keyBytes)
  row.writeUInt32BE(low, keyBytes + 4)
  row.writeUInt32BE(high, keyBytes + 8)
  row.writeUInt32BE(crc32(row.subarray(0, keyBytes + sumBytes)), keyBytes + sumBytes)
  return { type: 'put', key: row.subarray(0, keyBytes), value: row.subarray(keyBytes) }
}

/** The slot of a row, and its sum; nothing where either is damaged. */
export function decodeSlot(
  key: Uint8Array,
  value: Uint8Array
): { readonly slot: number; readonly sum: FingerprintSum } | undefined {
  if (key.length !== keyBytes || value.length !== sumBytes + checksumBytes) return undefined
  const view = new DataView(value.buffer, value.byteOffset, value.byteLength)
  if (crc32(value.subarray(0, sumBytes), crc32(key)) !== view.getUint32(sumBytes)) return undefined
  const sum = { count: view.getUint32(0), low: view.getUint32(4), high: view.getUint32(8) }
  return { slot: (key[1]! << 8) | key[2]!, sum }
}
