/**
 * Requests and responses as bytes, for both ends of requests. The few messages of which puts and gets consist are
 * encoded and decoded by hand: with the generated code, which makes an object for each writer, reader and field, a get
 * took about 1.14 times the processor time within the core (Node 24; sixteen processes of each, standard error 0.05).
 * All others, and bytes that are not as they are written here, are left to the generated code. A test holds both together.
 *
 *     08 epoch | tag, length | 0a, length, bytes | 10 number          a position or a record, and what is to be stored
 *     08 epoch | tag, length | 0a, length | 08 time | 12 10 writer    a version, unless it has an rmw
 */
import { Request, Response } from '../../wire/generated/messages.ts'
import { varintLength, writeVarint } from '../../wire/varint.ts'
import { writerBytes, type Version } from '../record/version.ts'

/** Tags of messages.proto: the number of a field times 8, and 2 more for what has a length. */
const requestTag = { readVersion: 0x12, readRecord: 0x1a, writeRecord: 0x22 } as const
const responseTag = { version: 0x1a, record: 0x22, done: 0x2a } as const
const firstNumber = 0x08
const firstBytes = 0x0a
const secondNumber = 0x10
const writerBytesTag = 0x12

const maxUint32 = 0xffff_ffff
const nothing = new Uint8Array(0)

export function encodeRequest(request: Request): Uint8Array {
  const { epoch, readVersion, readRecord, writeRecord } = request
  // Exactly one body is set.
  if (readVersion !== undefined) {
    const { position, storing } = readVersion
    return encodeBytes(epoch, requestTag.readVersion, position, storing)
  }
  if (readRecord !== undefined) return encodeBytes(epoch, requestTag.readRecord, readRecord.position)
  if (writeRecord !== undefined) {
    const { record, put } = writeRecord
    return encodeBytes(epoch, requestTag.writeRecord, record, put === undefined ? undefined : Number(put))
  }
  return Request.encode(request)
}

/** Throws an Error where the bytes are no request. Bytes in it are views of these. */
export function decodeRequest(bytes: Uint8Array): Request {
  const reader = new Reader(bytes)
  const epoch = reader.number(firstNumber)
  const tag = reader.next
  const content = reader.opens(tag) ? reader.bytes() : undefined
  if (epoch === undefined || content === undefined) return Request.decode(bytes)
  const request = reader.isAtEnd
    ? requestOf(epoch, tag, content)
    : requestWith(epoch, tag, content, reader.lastNumber(secondNumber))
  return request ?? Request.decode(bytes)
}

function requestOf(epoch: number, tag: number | undefined, content: Uint8Array): Request | undefined {
  if (tag === requestTag.readVersion) return { epoch, readVersion: { position: content } }
  if (tag === requestTag.readRecord) return { epoch, readRecord: { position: content } }
  if (tag === requestTag.writeRecord) return { epoch, writeRecord: { record: content } }
  return undefined
}

function requestWith(
  epoch: number,
  tag: number | undefined,
  content: Uint8Array,
  number: number | undefined
): Request | undefined {
  if (number === undefined || number > maxUint32) return undefined
  if (tag === requestTag.readVersion) return { epoch, readVersion: { position: content, storing: number } }
  if (tag === requestTag.writeRecord && number <= 1)
    return { epoch, writeRecord: { record: content, put: number === 1 } }
  return undefined
}

export function encodeResponse(response: Response): Uint8Array {
  const { epoch, log, version: answer, record, done } = response
  if (log !== undefined) return Response.encode(response)
  if (record !== undefined) return encodeBytes(epoch, responseTag.record, record.record)
  if (done !== undefined) return encodeBytes(epoch, responseTag.done, nothing)
  if (answer === undefined || answer.full !== undefined) return Response.encode(response)
  const { version } = answer
  if (version === undefined) return encodeBytes(epoch, responseTag.version, nothing)
  const isUsual = version.rmw === 0 && version.writer.length === writerBytes
  return isUsual ? encodeVersion(epoch, version.time, version.writer) : Response.encode(response)
}

/** Throws an Error where the bytes are no response. Bytes in it are views of these. */
export function decodeResponse(bytes: Uint8Array): Response {
  const reader = new Reader(bytes)
  const epoch = reader.number(firstNumber)
  const tag = reader.next
  if (epoch === undefined || !reader.opens(tag)) return Response.decode(bytes)
  if (tag === responseTag.done && reader.isAtEnd) return { epoch, done: {} }
  if (tag === responseTag.record) {
    const record = reader.isAtEnd ? nothing : reader.lastBytes()
    if (record !== undefined) return { epoch, record: { record } }
  }
  if (tag === responseTag.version) {
    if (reader.isAtEnd) return { epoch, version: {} }
    const version = reader.lastVersion()
    if (version !== undefined) return { epoch, version: { version } }
  }
  return Response.decode(bytes)
}

/** A message of these bytes, none where they are empty, as in proto3, and of a number where one is given. */
function encodeBytes(epoch: number, tag: number, content: Uint8Array, number?: number): Uint8Array {
  const { length } = content
  const numberBytes = number === undefined ? 0 : 1 + varintLength(number)
  const inner = (length === 0 ? 0 : 1 + varintLength(length) + length) + numberBytes
  const bytes = new Uint8Array(numberLength(epoch) + 1 + varintLength(inner) + inner)
  let offset = writeNumber(bytes, 0, epoch)
  bytes[offset++] = tag
  offset = writeVarint(bytes, offset, inner)
  if (length > 0) {
    bytes[offset++] = firstBytes
    offset = writeVarint(bytes, offset, length)
    bytes.set(content, offset)
    offset += length
  }
  if (number === undefined) return bytes
  bytes[offset++] = secondNumber
  writeVarint(bytes, offset, number)
  return bytes
}

function encodeVersion(epoch: number, time: number, writer: Uint8Array): Uint8Array {
  // Both lengths fit into a byte: a number has at most 8 of them.
  const inner = numberLength(time) + 2 + writerBytes
  const bytes = new Uint8Array(numberLength(epoch) + 4 + inner)
  let offset = writeNumber(bytes, 0, epoch)
  bytes[offset++] = responseTag.version
  bytes[offset++] = inner + 2
  bytes[offset++] = firstBytes
  bytes[offset++] = inner
  offset = writeNumber(bytes, offset, time)
  bytes[offset++] = writerBytesTag
  bytes[offset++] = writerBytes
  bytes.set(writer, offset)
  return bytes
}

function numberLength(value: number): number {
  return value === 0 ? 0 : 1 + varintLength(value)
}

function writeNumber(target: Uint8Array, offset: number, value: number): number {
  if (value === 0) return offset
  target[offset++] = firstNumber
  return writeVarint(target, offset, value)
}

/** Reads what is written above, and finds out where it is anything else. */
class Reader {
  readonly #bytes: Uint8Array
  #offset = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  get next(): number | undefined {
    return this.#bytes[this.#offset]
  }

  get isAtEnd(): boolean {
    return this.#offset === this.#bytes.length
  }

  /** The number under a tag; 0 where there is none, undefined where it is not written as here. */
  number(tag: number): number | undefined {
    if (this.next !== tag) return 0
    this.#offset++
    return this.#varint()
  }

  /** Whether something with this tag comes next that reaches up to the end; then what is in it comes next. */
  opens(tag: number | undefined): boolean {
    if (this.#offset >= this.#bytes.length || this.next !== tag) return false
    this.#offset++
    const length = this.#varint()
    return length === this.#bytes.length - this.#offset
  }

  /** The bytes up to the end, where the first field holds them and there are any. */
  lastBytes(): Uint8Array | undefined {
    return this.opens(firstBytes) && !this.isAtEnd ? this.#bytes.subarray(this.#offset) : undefined
  }

  /** The bytes of the first field, where there are any; what comes behind them comes next. */
  bytes(): Uint8Array | undefined {
    if (this.next !== firstBytes) return undefined
    this.#offset++
    const length = this.#varint()
    if (length === undefined || length === 0 || length > this.#bytes.length - this.#offset) return undefined
    this.#offset += length
    return this.#bytes.subarray(this.#offset - length, this.#offset)
  }

  /** The number under a tag, where nothing comes behind it. */
  lastNumber(tag: number): number | undefined {
    if (this.next !== tag) return undefined
    const number = this.number(tag)
    return this.isAtEnd ? number : undefined
  }

  lastVersion(): Version | undefined {
    if (!this.opens(firstBytes)) return undefined
    const time = this.number(firstNumber)
    if (time === undefined || !this.opens(writerBytesTag)) return undefined
    return { time, writer: this.#bytes.subarray(this.#offset), rmw: 0 }
  }

  #varint(): number | undefined {
    let value = 0
    for (let scale = 1; scale < 2 ** 56; scale *= 0x80) {
      const byte = this.next
      if (byte === undefined) return undefined
      this.#offset++
      value += (byte & 0x7f) * scale
      if (byte < 0x80) return Number.isSafeInteger(value) ? value : undefined
    }
    return undefined
  }
}
