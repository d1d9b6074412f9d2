/**
 * What sessions send by the thousand, packed tighter than messages would: sums, fingerprints, heads. What does
 * not unpack is a bad request. Numbers are big-endian, or unsigned varints of 7 bits a byte, the low ones first.
 *
 *     sum           varint count, fingerprint
 *     fingerprint   4 bytes high, 4 bytes low
 *     difference    varint distance from the index before, varint count
 *     head          32 bytes position, 7 time, 16 writer, varint rmw, varint 2 * size, one more for a tombstone
 */
import { maxTime } from '../limits.ts'
import { ServeError } from '../ports.ts'
import { type Fingerprint, fingerprintBytes, type FingerprintSum } from '../record/fingerprint.ts'
import { maxRecordBytes } from '../record/codec.ts'
import type { RecordHead } from '../record/record.ts'
import { writerBytes } from '../record/version.ts'
import { positionBytes } from '../ring/position.ts'

/** A head as it travels: whether it has expired is nobody's business on the way. */
export type SentHead = Omit<RecordHead, 'expiresAt'>

/** A node that differs, by its index among those compared, and how many records the responder has there. */
export interface Difference {
  readonly index: number
  readonly count: number
}

const maxVarintBytes = 5
const maxHeadBytes = positionBytes + 7 + writerBytes + 2 * maxVarintBytes
const uint32Span = 0x1_0000_0000

export function packSums(sums: readonly FingerprintSum[]): Uint8Array {
  const writer = new Writer(sums.length * (maxVarintBytes + fingerprintBytes))
  for (const sum of sums) {
    writer.varint(sum.count)
    writer.fingerprint(sum)
  }
  return writer.done()
}

/** Exactly `count` of them. */
export function unpackSums(bytes: Uint8Array, count: number): FingerprintSum[] {
  const reader = new Reader(bytes)
  const sums = Array.from({ length: count }, () => ({ count: reader.varint(), ...reader.fingerprint() }))
  reader.end()
  return sums
}

export function packFingerprints(fingerprints: readonly Fingerprint[]): Uint8Array {
  const writer = new Writer(fingerprints.length * fingerprintBytes)
  for (const fingerprint of fingerprints) writer.fingerprint(fingerprint)
  return writer.done()
}

export function unpackFingerprints(bytes: Uint8Array, max: number): Fingerprint[] {
  const reader = new Reader(bytes)
  return Array.from({ length: countIn(bytes, fingerprintBytes, max) }, () => reader.fingerprint())
}

/** In the order of their indexes. */
export function packDifferences(differences: readonly Difference[]): Uint8Array {
  const writer = new Writer(differences.length * 2 * maxVarintBytes)
  let last = 0
  for (const { index, count } of differences) {
    writer.varint(index - last)
    writer.varint(count)
    last = index
  }
  return writer.done()
}

/** All of indexes below `end`. */
export function unpackDifferences(bytes: Uint8Array, end: number): Difference[] {
  const reader = new Reader(bytes)
  const differences: Difference[] = []
  let index = 0
  while (!reader.isDone) {
    index += reader.varint()
    if (index >= end) throw malformed('a difference')
    differences.push({ index, count: reader.varint() })
  }
  return differences
}

export function packHeads(heads: readonly SentHead[]): Uint8Array {
  const writer = new Writer(heads.length * maxHeadBytes)
  for (const { position, version, kind, size } of heads) {
    writer.bytes(position)
    writer.time(version.time)
    writer.bytes(version.writer)
    writer.varint(version.rmw)
    writer.varint(2 * size + (kind === 'value' ? 0 : 1))
  }
  return writer.done()
}

export function unpackHeads(bytes: Uint8Array, max: number): SentHead[] {
  const reader = new Reader(bytes)
  const heads: SentHead[] = []
  while (!reader.isDone) {
    if (heads.length === max) throw malformed('a list of too many heads')
    heads.push(unpackHead(reader))
  }
  return heads
}

function unpackHead(reader: Reader): SentHead {
  const position = reader.bytes(positionBytes)
  const time = reader.time()
  const version = { time, writer: reader.bytes(writerBytes), rmw: reader.varint() }
  const sizeAndKind = reader.varint()
  const size = Math.floor(sizeAndKind / 2)
  if (time > maxTime || size > maxRecordBytes) throw malformed('a head')
  return { position, version, kind: sizeAndKind % 2 === 0 ? 'value' : 'tombstone', size }
}

function countIn(bytes: Uint8Array, bytesEach: number, max: number): number {
  const count = bytes.length / bytesEach
  if (!Number.isInteger(count) || count > max) throw malformed(`a list of ${bytes.length} bytes`)
  return count
}

function malformed(what: string): ServeError {
  return new ServeError('bad-request', `${what} is malformed`)
}

class Writer {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  #length = 0

  constructor(maxBytes: number) {
    this.#bytes = new Uint8Array(maxBytes)
    this.#view = new DataView(this.#bytes.buffer)
  }

  byte(value: number): void {
    this.#bytes[this.#length++] = value
  }

  uint32(value: number): void {
    this.#view.setUint32(this.#length, value)
    this.#length += 4
  }

  /** A whole number of up to 2^53, as a version's time is. */
  time(value: number): void {
    const high = Math.floor(value / uint32Span)
    this.byte(high >>> 16)
    this.byte((high >>> 8) & 0xff)
    this.byte(high & 0xff)
    this.uint32(value % uint32Span)
  }

  varint(value: number): void {
    let rest = value
    for (; rest > 0x7f; rest = Math.floor(rest / 0x80)) this.byte((rest & 0x7f) | 0x80)
    this.byte(rest)
  }

  fingerprint({ low, high }: Fingerprint): void {
    this.uint32(high)
    this.uint32(low)
  }

  bytes(value: Uint8Array): void {
    this.#bytes.set(value, this.#length)
    this.#length += value.length
  }

  done(): Uint8Array {
    return this.#bytes.subarray(0, this.#length)
  }
}

class Reader {
  readonly #bytes: Uint8Array
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  get isDone(): boolean {
    return this.#at === this.#bytes.length
  }

  end(): void {
    if (!this.isDone) throw malformed('what comes behind a list')
  }

  byte(): number {
    const byte = this.#bytes[this.#at++]
    if (byte === undefined) throw malformed('a list that is cut off')
    return byte
  }

  uint32(): number {
    let value = 0
    for (let i = 0; i < 4; i++) value = value * 0x100 + this.byte()
    return value
  }

  time(): number {
    let high = 0
    for (let i = 0; i < 3; i++) high = high * 0x100 + this.byte()
    return high * uint32Span + this.uint32()
  }

  /** Of at most 32 bits. */
  varint(): number {
    let value = 0
    for (let i = 0, scale = 1; i < maxVarintBytes; i++, scale *= 0x80) {
      const byte = this.byte()
      value += (byte & 0x7f) * scale
      if (byte < 0x80) {
        if (value >= uint32Span) break
        return value
      }
    }
    throw malformed('a number')
  }

  fingerprint(): Fingerprint {
    const high = this.uint32()
    return { high, low: this.uint32() }
  }

  /** A copy, so that the message need not be kept. */
  bytes(length: number): Uint8Array {
    if (this.#at + length > this.#bytes.length) throw malformed('a list that is cut off')
    const start = this.#at
    this.#at += length
    return Uint8Array.from(this.#bytes.subarray(start, this.#at))
  }
}
