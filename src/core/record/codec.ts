/**
 * The bytes of a record, the same on the wire and on disk. Replicas decode what coordinators encode; the
 * stores keep the bytes as they came. Two checksums let a store keep head and value apart: the head (all but
 * the value) is verified without the value, and it says what the value's checksum must be.
 *
 * All numbers are big-endian.
 *
 * | offset | bytes | field |
 * | ------ | ----- | ----- |
 * | 0      | 1     | format: 1 |
 * | 1      | 1     | kind: 1 value, 2 tombstone |
 * | 2      | 2     | k, bytes of the key: 1 to `maxKeyBytes` |
 * | 4      | 4     | v, bytes of the value: 0 to `maxValueBytes`; 0 for a tombstone |
 * | 8      | 4     | body checksum: CRC-32 of the value |
 * | 12     | 4     | version: rmw |
 * | 16     | 8     | version: time, in microseconds since 1970, at most `maxTime` |
 * | 24     | 16    | version: writer |
 * | 40     | 8     | expiry, in ms since 1970; 0: never |
 * | 48     | k     | key |
 * | 48 + k | 4     | head checksum: CRC-32 of the position, then of bytes 0 to 48 + k |
 * | 52 + k | v     | value |
 *
 * The position is not in the bytes, as it is the key's hash, but the head checksum covers it: a record that
 * comes up under a position of another key is found out without hashing its key again.
 */
import { crc32 } from 'node:zlib'

import { maxKeyBytes, maxTime, maxValueBytes } from '../limits.ts'
import { positionBytes, positionOf } from '../ring/position.ts'
import type { RecordHead, RecordKind, StoredRecord } from './record.ts'
import { type Version, writerBytes } from './version.ts'

/** Bytes before the key. */
const headerBytes = 48
const checksumBytes = 4
const formatVersion = 1
const kindCodes: Readonly<Record<RecordKind, number>> = { value: 1, tombstone: 2 }
const maxUint32 = 0xffffffff
const uint32Span = 0x1_0000_0000

/** Bytes of the largest record there can be. */
export const maxRecordBytes = headerBytes + maxKeyBytes + checksumBytes + maxValueBytes

/** Bytes are no record, or not one that this version of the program knows; the message says what is wrong. */
export class RecordFormatError extends Error {
  override readonly name = 'RecordFormatError'
}

export interface RecordFields {
  /** 1 to `maxKeyBytes` bytes. */
  readonly key: Uint8Array
  readonly version: Version
  readonly kind: RecordKind
  /** Ms since 1970; 0: never. */
  readonly expiresAt: number
  /** At most `maxValueBytes` bytes; empty for a tombstone. */
  readonly value: Uint8Array
  /** SHA-256 of the key, where the caller has it already. */
  readonly position?: Uint8Array
}

/** A verified head, with its key and what it says of the value that belongs to it. */
export interface DecodedHead extends RecordHead {
  readonly key: Uint8Array
  readonly valueBytes: number
  readonly valueChecksum: number
}

/** Bytes of a record's head: from its start up to the value. */
export function headBytesOf(keyBytes: number): number {
  return headerBytes + keyBytes + checksumBytes
}

/**
 * Makes a record. Its parts but `key` and `version` are views of the new encoding. Throws RecordFormatError
 * where a field is over its limit.
 */
export function encodeRecord(fields: RecordFields): StoredRecord {
  assertFields(fields)
  const { key, version, kind, expiresAt, value } = fields
  const position = fields.position ?? positionOf(key)
  const valueStart = headBytesOf(key.length)
  const encoded = new Uint8Array(valueStart + value.length)
  const view = new DataView(encoded.buffer)
  view.setUint8(0, formatVersion)
  view.setUint8(1, kindCodes[kind])
  view.setUint16(2, key.length)
  view.setUint32(4, value.length)
  view.setUint32(8, crc32(value))
  view.setUint32(12, version.rmw)
  setUint64(view, 16, version.time)
  encoded.set(version.writer, 24)
  setUint64(view, 40, expiresAt)
  encoded.set(key, headerBytes)
  const checkedBytes = valueStart - checksumBytes
  view.setUint32(checkedBytes, headChecksum(position, encoded.subarray(0, checkedBytes)))
  encoded.set(value, valueStart)
  return {
    position,
    version,
    kind,
    expiresAt,
    size: encoded.length,
    key,
    value: encoded.subarray(valueStart),
    encoded
  }
}

/**
 * Reads and verifies a record that fills `bytes`; its key, writer and value are views of them, so they must
 * not change any more. `position` is the key's position where it is known: it is verified by the checksum,
 * and saves a hash. Throws RecordFormatError.
 */
export function decodeRecord(bytes: Uint8Array, position?: Uint8Array): StoredRecord {
  const { valueBytes, valueChecksum, ...head } = decodeHead(bytes, position)
  if (bytes.length !== head.size) {
    throw new RecordFormatError(`a record of ${head.size} bytes comes in ${bytes.length}`)
  }
  const value = plainView(bytes, head.size - valueBytes, head.size)
  assertValue(value, valueChecksum)
  return { ...head, value, encoded: plainView(bytes, 0, bytes.length) }
}

/**
 * Reads and verifies the head of a record, at the start of `bytes`; whatever of the value follows is not
 * looked at. Throws RecordFormatError.
 */
export function decodeHead(bytes: Uint8Array, position?: Uint8Array): DecodedHead {
  if (bytes.length < headBytesOf(1)) {
    throw new RecordFormatError(`${bytes.length} bytes are too few for a record`)
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (view.getUint8(0) !== formatVersion) {
    throw new RecordFormatError(
      `the record's format is ${view.getUint8(0)}; this version knows ${formatVersion}`
    )
  }
  const keyBytes = view.getUint16(2)
  const valueBytes = view.getUint32(4)
  assertSizes(keyBytes, valueBytes)
  const headBytes = headBytesOf(keyBytes)
  if (bytes.length < headBytes) {
    throw new RecordFormatError(`a record's head of ${headBytes} bytes is cut off at ${bytes.length}`)
  }
  const key = plainView(bytes, headerBytes, headerBytes + keyBytes)
  const where = position ?? positionOf(key)
  const checkedBytes = headBytes - checksumBytes
  if (headChecksum(where, bytes.subarray(0, checkedBytes)) !== view.getUint32(checkedBytes)) {
    throw new RecordFormatError(`the record's head fails its checksum`)
  }
  const kind = decodeKind(view.getUint8(1), valueBytes)
  return {
    position: where,
    version: {
      time: decodeTime(view),
      writer: plainView(bytes, 24, 24 + writerBytes),
      rmw: view.getUint32(12)
    },
    kind,
    expiresAt: getUint64(view, 40),
    size: headBytes + valueBytes,
    key,
    valueBytes,
    valueChecksum: view.getUint32(8)
  }
}

/** Verifies a value kept apart against the checksum in its head. Throws RecordFormatError. */
export function assertValue(value: Uint8Array, valueChecksum: number): void {
  if (crc32(value) !== valueChecksum) throw new RecordFormatError(`the record's value fails its checksum`)
}

function headChecksum(position: Uint8Array, headerAndKey: Uint8Array): number {
  return crc32(headerAndKey, crc32(position))
}

function assertSizes(keyBytes: number, valueBytes: number): void {
  if (keyBytes < 1 || keyBytes > maxKeyBytes) {
    throw new RecordFormatError(`a key has 1 to ${maxKeyBytes} bytes, not ${keyBytes}`)
  }
  if (valueBytes > maxValueBytes) {
    throw new RecordFormatError(`a value has at most ${maxValueBytes} bytes, not ${valueBytes}`)
  }
}

function assertFields({ key, version, kind, expiresAt, value, position }: RecordFields): void {
  assertSizes(key.length, value.length)
  if (kind === 'tombstone' && value.length > 0) throw new RecordFormatError('a tombstone has no value')
  if (!Number.isSafeInteger(version.time) || version.time < 0 || version.time > maxTime) {
    throw new RecordFormatError(`a version's time is an integer from 0 to ${maxTime}, not ${version.time}`)
  }
  if (version.writer.length !== writerBytes) {
    throw new RecordFormatError(`a version's writer has ${writerBytes} bytes, not ${version.writer.length}`)
  }
  if (!Number.isInteger(version.rmw) || version.rmw < 0 || version.rmw > maxUint32) {
    throw new RecordFormatError(`a version's rmw is an unsigned 32-bit integer, not ${version.rmw}`)
  }
  if (!Number.isSafeInteger(expiresAt) || expiresAt < 0) {
    throw new RecordFormatError(`an expiry is a safe integer of at least 0, not ${expiresAt}`)
  }
  if (position !== undefined && position.length !== positionBytes) {
    throw new RecordFormatError(`a position has ${positionBytes} bytes, not ${position.length}`)
  }
}

function decodeKind(code: number, valueBytes: number): RecordKind {
  if (code === kindCodes.value) return 'value'
  if (code !== kindCodes.tombstone) throw new RecordFormatError(`unknown kind of record ${code}`)
  if (valueBytes > 0) throw new RecordFormatError('a tombstone has no value')
  return 'tombstone'
}

function decodeTime(view: DataView): number {
  const time = getUint64(view, 16)
  if (time > maxTime) throw new RecordFormatError(`a version's time is at most ${maxTime}, not ${time}`)
  return time
}

// Two halves instead of a BigInt: this runs for every record read and compared.
function setUint64(view: DataView, offset: number, value: number): void {
  view.setUint32(offset, Math.floor(value / uint32Span))
  view.setUint32(offset + 4, value % uint32Span)
}

function getUint64(view: DataView, offset: number): number {
  const value = view.getUint32(offset) * uint32Span + view.getUint32(offset + 4)
  if (!Number.isSafeInteger(value)) throw new RecordFormatError(`a number of the record is too large`)
  return value
}

/** A view as a plain Uint8Array, even of a Buffer, whose subarrays would be Buffers. */
function plainView(bytes: Uint8Array, start: number, end: number): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset + start, end - start)
}
