/**
 * Cuts a stream of bytes into messages, each preceded by its length as an unsigned varint. What libp2p's own
 * `LengthPrefixedDecoder` does, with three faults less: it takes a length that is padded with zero bits
 * (0x80 0x00) for a shorter one and goes on in the wrong place, it throws where one chunk brings more than
 * its buffer's limit however small the messages, and it keeps a message that arrives in tiny pieces as that
 * many objects.
 */
import { MalformedError, noBytes } from './frame.ts'

/** Bytes reserved for a message when its first piece is here, or its length if that is less. */
const firstReservation = 64 * 1024

/** Bytes of a length's varint: 2^28 - 1, far above any limit. */
const maxPrefixBytes = 4

/** A message whose length says that it is over the limit. */
export class TooLargeError extends MalformedError {
  readonly maxMessageBytes: number

  constructor(bytes: number, maxMessageBytes: number) {
    super(`a message of ${bytes} bytes; the limit is ${maxMessageBytes}`)
    this.maxMessageBytes = maxMessageBytes
  }
}

export class MessageDecoder {
  /** What is still to be read, and from where. */
  #chunk: Uint8Array = noBytes
  #offset = 0
  /** The length's bits so far; complete when the length is known. */
  #length = 0
  #prefixBytes = 0
  #isLengthKnown = false
  /** The message under way when it does not lie in one chunk: never larger than twice what was received. */
  #partial: Uint8Array | undefined
  #partialBytes = 0

  /** Adds a chunk. The one before must be used up: `next()` has returned undefined. */
  push(chunk: Uint8Array): void {
    this.#chunk = chunk
    this.#offset = 0
  }

  /**
   * The next message, or undefined where more bytes are needed. A view of the chunk where it lies in one.
   * Throws MalformedError for a length that is zero, padded or over the limit, before anything is reserved.
   */
  next(maxMessageBytes: number): Uint8Array | undefined {
    if (!this.#isLengthKnown && !this.#readLength(maxMessageBytes)) return undefined
    const message = this.#partial === undefined ? this.#readWhole() : this.#readRest(this.#partial)
    if (message === undefined) return undefined
    this.#isLengthKnown = false
    this.#length = 0
    this.#prefixBytes = 0
    this.#partial = undefined
    return message
  }

  #readLength(maxMessageBytes: number): boolean {
    while (this.#offset < this.#chunk.length) {
      const byte = this.#chunk[this.#offset++]!
      this.#length |= (byte & 0x7f) << (7 * this.#prefixBytes)
      this.#prefixBytes += 1
      if (byte < 0x80) {
        if (byte === 0) throw new MalformedError('a message of length zero, or a padded length')
        if (this.#length > maxMessageBytes) {
          throw new TooLargeError(this.#length, maxMessageBytes)
        }
        this.#isLengthKnown = true
        return true
      }
      if (this.#prefixBytes === maxPrefixBytes) throw new MalformedError('a length of more than four bytes')
    }
    return false
  }

  #readWhole(): Uint8Array | undefined {
    const available = this.#chunk.length - this.#offset
    if (available >= this.#length) {
      this.#offset += this.#length
      return this.#chunk.subarray(this.#offset - this.#length, this.#offset)
    }
    this.#partial = new Uint8Array(Math.min(this.#length, Math.max(2 * available, firstReservation)))
    this.#partialBytes = 0
    return this.#readRest(this.#partial)
  }

  #readRest(partial: Uint8Array): Uint8Array | undefined {
    const count = Math.min(this.#length - this.#partialBytes, this.#chunk.length - this.#offset)
    const needed = this.#partialBytes + count
    if (needed > partial.length) {
      const larger = new Uint8Array(Math.min(this.#length, 2 * needed))
      larger.set(partial.subarray(0, this.#partialBytes))
      this.#partial = partial = larger
    }
    partial.set(this.#chunk.subarray(this.#offset, this.#offset + count), this.#partialBytes)
    this.#offset += count
    this.#partialBytes = needed
    return needed === this.#length ? partial : undefined
  }
}
