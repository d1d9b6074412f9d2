/**
 * The least that requests over one libp2p stream need: frames of one length with an id, all frames of one
 * turn of the event loop in one write. Both ends of the raw streams use it that our figures are held against.
 *
 *     | 4 bytes: length of the rest | 4 bytes: id | 1 byte: 1 to write it to disk first | zeros up to `frameBytes` |
 */
import type { Stream } from '@libp2p/interface'

export const echoProtocol = '/annulus-bench/echo/1.0.0'

/** Bytes of a frame: a value of 128 bytes and what a small request takes besides. */
export const frameBytes = 160

export interface Frame {
  readonly id: number
  /** To be on disk before it is answered. */
  readonly toDisk: boolean
}

export class FrameStream {
  readonly #stream: Stream
  readonly #onFrame: (frame: Frame) => void
  #waiting: Frame[] = []
  #partial = Buffer.alloc(0)

  constructor(stream: Stream, onFrame: (frame: Frame) => void) {
    this.#stream = stream
    this.#onFrame = onFrame
    stream.addEventListener('message', ({ data }) => this.#receive(data.subarray()))
  }

  /** Sends a frame at the end of this turn. What is in flight is bounded and small, so the stream never fills. */
  send(frame: Frame): void {
    if (this.#waiting.length === 0) setImmediate(() => this.#flush())
    this.#waiting.push(frame)
  }

  #flush(): void {
    const batch = Buffer.alloc(this.#waiting.length * frameBytes)
    for (const [index, { id, toDisk }] of this.#waiting.entries()) {
      const offset = index * frameBytes
      batch.writeUInt32BE(frameBytes - 4, offset)
      batch.writeUInt32BE(id, offset + 4)
      batch.writeUInt8(Number(toDisk), offset + 8)
    }
    this.#waiting = []
    this.#stream.send(batch)
  }

  #receive(chunk: Uint8Array): void {
    const view = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length)
    const bytes = this.#partial.length === 0 ? view : Buffer.concat([this.#partial, view])
    let offset = 0
    while (bytes.length - offset >= frameBytes) {
      this.#onFrame({ id: bytes.readUInt32BE(offset + 4), toDisk: bytes.readUInt8(offset + 8) === 1 })
      offset += bytes.readUInt32BE(offset) + 4
    }
    this.#partial = Buffer.from(bytes.subarray(offset))
  }
}
