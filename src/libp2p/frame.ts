/**
 * Frames as bytes: what a channel writes and reads after the greeting. The format is the message `Frame` of
 * src/wire/frame.proto, encoded by hand: every request costs four of these, and the generated code, which
 * goes through names for enumerations and an object for each writer, takes several times as long. A test
 * holds both together.
 */
import { varintLength, writeVarint } from '../wire/varint.ts'

/** The numbers of `FrameKind` in frame.proto. */
export const frameKind = {
  request: 1,
  response: 2,
  error: 3,
  cancel: 4,
  ping: 5,
  pong: 6,
  goodbye: 7
} as const

export type FrameKind = (typeof frameKind)[keyof typeof frameKind]

export interface Frame {
  readonly kind: FrameKind
  /** Chosen by the requester; 32 bits, never zero. */
  readonly id: number
  /** Of a request: how long its sender will wait, in ms. */
  readonly timeoutMs: number
  readonly body: Uint8Array
  /** Of an error: a number of `ErrorCode` in frame.proto. */
  readonly code: number
  readonly reason: string
}

/** What was received is no frame: the channel cannot go on. */
export class MalformedError extends Error {
  override readonly name = 'MalformedError'
}

export const noBytes = new Uint8Array(0)

/** Bytes that a frame without a reason has at most besides its body: five fields' tags and varints. */
export const maxFrameOverheadBytes = 32

const tag = { kind: 0x08, id: 0x10, timeoutMs: 0x18, body: 0x22, code: 0x28, reason: 0x32 } as const

const lastKind = Math.max(...Object.values(frameKind))

/** Bytes of a frame as `writeFrame` writes it. Fields with their default value are left out, as in proto3. */
export function frameLength(frame: Frame): number {
  let length = 2
  if (frame.id !== 0) length += 1 + varintLength(frame.id)
  if (frame.timeoutMs !== 0) length += 1 + varintLength(frame.timeoutMs)
  if (frame.body.length !== 0) length += 1 + varintLength(frame.body.length) + frame.body.length
  if (frame.code !== 0) length += 1 + varintLength(frame.code)
  if (frame.reason !== '') {
    const bytes = Buffer.byteLength(frame.reason)
    length += 1 + varintLength(bytes) + bytes
  }
  return length
}

/** Writes a frame where there is room for it; returns the offset behind it. */
export function writeFrame(target: Buffer, offset: number, frame: Frame): number {
  target[offset++] = tag.kind
  target[offset++] = frame.kind
  offset = writeNumber(target, offset, tag.id, frame.id)
  offset = writeNumber(target, offset, tag.timeoutMs, frame.timeoutMs)
  if (frame.body.length !== 0) {
    target[offset++] = tag.body
    offset = writeVarint(target, offset, frame.body.length)
    target.set(frame.body, offset)
    offset += frame.body.length
  }
  offset = writeNumber(target, offset, tag.code, frame.code)
  if (frame.reason !== '') {
    target[offset++] = tag.reason
    offset = writeVarint(target, offset, Buffer.byteLength(frame.reason))
    offset += target.write(frame.reason, offset)
  }
  return offset
}

function writeNumber(target: Uint8Array, offset: number, fieldTag: number, value: number): number {
  if (value === 0) return offset
  target[offset++] = fieldTag
  return writeVarint(target, offset, value)
}

/**
 * Reads a frame. Its body is a view of `bytes`: whoever keeps it for long copies it, or keeps alive all that
 * was received with it. Fields of later versions are skipped. Throws MalformedError.
 */
export function readFrame(bytes: Uint8Array): Frame {
  const reader = new FrameReader(bytes)
  let kind = 0
  let id = 0
  let timeoutMs = 0
  let body: Uint8Array = noBytes
  let code = 0
  let reason = ''
  while (!reader.isAtEnd) {
    const field = reader.varint()
    if (field === tag.kind) kind = reader.varint()
    else if (field === tag.id) id = reader.varint()
    else if (field === tag.timeoutMs) timeoutMs = reader.varint()
    else if (field === tag.body) body = reader.bytes()
    else if (field === tag.code) code = reader.varint()
    else if (field === tag.reason) reason = Buffer.from(reader.bytes()).toString()
    else reader.skip(field & 7)
  }
  if (!isKind(kind)) throw new MalformedError(`no kind of frame has the number ${kind}`)
  if (id === 0) throw new MalformedError('a frame without an id')
  return { kind, id, timeoutMs, body, code, reason }
}

function isKind(number: number): number is FrameKind {
  return number > 0 && number <= lastKind
}

class FrameReader {
  readonly #bytes: Uint8Array
  #offset = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  get isAtEnd(): boolean {
    return this.#offset >= this.#bytes.length
  }

  /** A varint of up to 64 bits, of which the lower 32 count: what protobuf does for a uint32. */
  varint(): number {
    let value = 0
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = this.#bytes[this.#offset++]
      if (byte === undefined) break
      if (shift < 32) value |= (byte & 0x7f) << shift
      if (byte < 0x80) return value >>> 0
    }
    throw new MalformedError('a number in a frame does not end')
  }

  bytes(): Uint8Array {
    const length = this.varint()
    this.#advance(length)
    return this.#bytes.subarray(this.#offset - length, this.#offset)
  }

  skip(wireType: number): void {
    if (wireType === 0) this.varint()
    else if (wireType === 1) this.#advance(8)
    else if (wireType === 2) this.bytes()
    else if (wireType === 5) this.#advance(4)
    else throw new MalformedError(`a field in a frame has the unknown wire type ${wireType}`)
  }

  #advance(count: number): void {
    if (count > this.#bytes.length - this.#offset)
      throw new MalformedError('a field reaches beyond its frame')
    this.#offset += count
  }
}
