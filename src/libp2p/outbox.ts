/**
 * What a channel has to send: a bounded queue in front of its stream. Frames that are added in one turn of
 * the event loop leave together, in one write: a write costs a Yamux frame, a Noise frame with its cipher
 * and a system call, whatever its size, and that is most of what a small request costs.
 *
 * libp2p's stream has a queue too, without a limit and without a way to take anything back. So no more is
 * handed to it than it asks for, a batch at a time; what waits here can still be withdrawn.
 */
import { varintLength, writeVarint } from '../wire/varint.ts'
import { type Frame, frameLength, maxFrameOverheadBytes, writeFrame } from './frame.ts'
import type { FramedStream } from './framed-stream.ts'
import { writeBatchBytes } from './limits.ts'

/** A frame that waits to be sent. */
export interface Outgoing {
  /** The frame as it shall be sent now; called once. */
  frame(): Frame
  /** Bytes of its body and reason, for the queue's limit. */
  readonly size: number
}

/** Bytes that the limits count for a frame besides its body: its fields, and the objects that hold it. */
const bytesPerFrame = 128

export class Outbox {
  readonly #stream: FramedStream
  readonly #queue = new Set<Outgoing>()
  /** Sent before all else: a sign of life must not wait behind megabytes. */
  readonly #urgent = new Set<Outgoing>()
  #bytes = 0
  #flush: NodeJS.Immediate | undefined

  constructor(stream: FramedStream) {
    this.#stream = stream
  }

  /** Bytes that wait. */
  get bytes(): number {
    return this.#bytes
  }

  /** Frames that wait. */
  get size(): number {
    return this.#queue.size + this.#urgent.size
  }

  /** Adds a frame, whatever waits already: the limits are the callers', who know what can be refused. */
  add(outgoing: Outgoing, isUrgent = false): void {
    const queue = isUrgent ? this.#urgent : this.#queue
    queue.add(outgoing)
    this.#bytes += outgoing.size + bytesPerFrame
    // After the poll phase: all that was received and answered in this turn is in the queue by then.
    this.#flush ??= setImmediate(() => this.flush())
  }

  /** Takes back a frame; false where it has been sent. */
  withdraw(outgoing: Outgoing): boolean {
    if (!this.#queue.delete(outgoing) && !this.#urgent.delete(outgoing)) return false
    this.#bytes -= outgoing.size + bytesPerFrame
    return true
  }

  /** Writes what the stream takes. */
  flush(): void {
    clearImmediate(this.#flush)
    this.#flush = undefined
    while (this.size > 0 && this.#stream.isWritable) this.#stream.send(this.#nextBatch())
  }

  /** Forgets what waits. */
  clear(): void {
    clearImmediate(this.#flush)
    this.#flush = undefined
    this.#queue.clear()
    this.#urgent.clear()
    this.#bytes = 0
  }

  /** Takes frames off the queue and puts them into one buffer, each with its length: at least one of them. */
  #nextBatch(): Uint8Array {
    const frames: Frame[] = []
    const lengths: number[] = []
    let total = 0
    for (const outgoing of this.#inOrder()) {
      if (total > 0 && total + outgoing.size + maxFrameOverheadBytes > writeBatchBytes) break
      this.withdraw(outgoing)
      const frame = outgoing.frame()
      const length = frameLength(frame)
      frames.push(frame)
      lengths.push(length)
      total += varintLength(length) + length
    }
    const batch = Buffer.allocUnsafeSlow(total)
    let offset = 0
    for (const [index, frame] of frames.entries()) {
      offset = writeFrame(batch, writeVarint(batch, offset, lengths[index]!), frame)
    }
    return batch
  }

  *#inOrder(): Generator<Outgoing> {
    yield* this.#urgent
    yield* this.#queue
  }
}

/** An answer, an error or a sign: a frame that does not change while it waits. */
export class FixedFrame implements Outgoing {
  readonly #frame: Frame
  readonly size: number

  constructor(frame: Frame) {
    this.#frame = frame
    this.size = frame.body.length + frame.reason.length
  }

  frame(): Frame {
    return this.#frame
  }
}
