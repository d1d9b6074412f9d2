/**
 * A libp2p stream that carries messages: bytes in, messages out, and every way a stream can end as one call.
 * The greeting and then the channel listen to it, one after the other; what arrives in between is kept.
 */
import type { Stream, StreamCloseEvent, StreamMessageEvent } from '@libp2p/interface'
import { varintLength, writeVarint } from '../wire/varint.ts'
import type { Deadlines } from './deadlines.ts'
import { MalformedError } from './frame.ts'
import { lingerMs, maxHeldBytes } from './limits.ts'
import { MessageDecoder } from './message-decoder.ts'

/** Bytes that the limit counts for a chunk that is kept, besides its own: the object that holds it. */
const bytesPerChunk = 128

export interface StreamListener {
  /** Bytes of the largest message that it takes. */
  readonly maxMessageBytes: number
  /** A message has arrived. A throw ends the stream. */
  message(message: Uint8Array): void
  /** The stream takes more after `send` had returned false. */
  drained(): void
  /** The stream has ended, by either end or with its connection; called once, nothing follows. */
  closed(reason: string): void
}

export interface FramedStreamInit {
  readonly stream: Stream
  readonly deadlines: Deadlines
  /** Told what is wrong with a message for which the stream is ended. */
  readonly malformed?: (error: MalformedError) => void
}

export class FramedStream {
  /** Resolves when the stream is gone: nothing of it is left in libp2p. */
  readonly gone: Promise<void>
  readonly #stream: Stream
  readonly #deadlines: Deadlines
  readonly #malformed: ((error: MalformedError) => void) | undefined
  readonly #decoder = new MessageDecoder()
  #listener: StreamListener | undefined
  #held: Uint8Array[] = []
  #heldBytes = 0
  #closeReason: string | undefined
  /** This end wants no more of it, so what has arrived is not handed out either. */
  #isAbandoned = false
  /** True while messages are handed out: a listener may be exchanged in the middle of it. */
  #isReading = false

  constructor(init: FramedStreamInit) {
    this.#stream = init.stream
    this.#deadlines = init.deadlines
    this.#malformed = init.malformed
    this.gone = new Promise(resolve => {
      init.stream.addEventListener('close', () => resolve())
      if (isGone(init.stream)) resolve()
    })
    init.stream.addEventListener('message', event => this.#receive(event))
    init.stream.addEventListener('drain', () => queueMicrotask(() => this.#listener?.drained()))
    init.stream.addEventListener('close', event => this.#end(closeReason(event)))
    init.stream.addEventListener('remoteCloseWrite', () => {
      this.#end('the other end closed it')
      this.#finish()
    })
    if (isGone(init.stream)) this.#end('it was closed before it was used')
  }

  get isOpen(): boolean {
    return this.#closeReason === undefined
  }

  /** False where the stream is full and `send` would only add to its buffer; `drained` will be called. */
  get isWritable(): boolean {
    return this.isOpen && !this.#stream.writableNeedsDrain
  }

  /** Hands all that arrives to this listener, what was kept first; undefined: keeps it for the next one. */
  listen(listener: StreamListener | undefined): void {
    this.#listener = listener
    this.#read()
  }

  /** Sends bytes that hold messages with their lengths. Never throws: a stream that has failed ends. */
  send(bytes: Uint8Array): void {
    if (!this.isOpen) return
    try {
      this.#stream.send(bytes)
    } catch (error) {
      this.abort(`it could not be written: ${messageOf(error)}`)
    }
  }

  /** Sends one message, its length before it. */
  sendMessage(message: Uint8Array): void {
    const prefix = varintLength(message.length)
    const bytes = new Uint8Array(prefix + message.length)
    bytes.set(message, writeVarint(bytes, 0, message.length))
    this.send(bytes)
  }

  /** Ends the stream once what was sent has left; resets it where that takes too long. */
  close(reason: string): void {
    this.#isAbandoned = true
    this.#end(reason)
    this.#finish()
  }

  /** Resets the stream. */
  abort(reason: string): void {
    this.#isAbandoned = true
    this.#end(reason)
    this.#stream.abort(new Error(reason))
  }

  #finish(): void {
    if (isGone(this.#stream)) return
    const linger = this.#deadlines.after(lingerMs, () =>
      this.#stream.abort(new Error('closing took too long'))
    )
    this.#stream.addEventListener('close', () => linger.cancel())
    this.#stream.close().catch((error: unknown) => this.#stream.abort(new Error(messageOf(error))))
  }

  #end(reason: string): void {
    if (this.#closeReason !== undefined) return
    this.#closeReason = reason
    // While messages are handed out the listener is told after the last of them: an answer that arrived
    // with the end of its stream still counts.
    if (!this.#isReading && (this.#isAbandoned || this.#held.length === 0)) this.#tellClosed(reason)
  }

  #tellClosed(reason: string): void {
    const listener = this.#listener
    this.#listener = undefined
    listener?.closed(reason)
  }

  #receive(event: StreamMessageEvent): void {
    if (!this.isOpen) return
    const chunks = event.data instanceof Uint8Array ? [event.data] : event.data
    for (const chunk of chunks) {
      // Noise gives Buffers, whose `slice` does not copy: nobody who gets a message must have to know that.
      this.#held.push(new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.length))
      this.#heldBytes += heldBytesOf(chunk)
    }
    this.#read()
    if (this.#heldBytes > maxHeldBytes) {
      const words = 'it sent too much before it was answered'
      this.#malformed?.(new MalformedError(words))
      this.abort(words)
    }
  }

  #read(): void {
    if (this.#isReading) return
    this.#isReading = true
    try {
      this.#handOut()
    } catch (error) {
      if (error instanceof MalformedError) this.#malformed?.(error)
      this.abort(error instanceof MalformedError ? error.message : `reading failed: ${messageOf(error)}`)
    } finally {
      this.#isReading = false
    }
    if (this.#closeReason !== undefined) this.#tellClosed(this.#closeReason)
  }

  #handOut(): void {
    while (this.#listener !== undefined && !this.#isAbandoned) {
      const message = this.#decoder.next(this.#listener.maxMessageBytes)
      if (message !== undefined) {
        this.#listener.message(message)
        continue
      }
      const chunk = this.#held.shift()
      if (chunk === undefined) return
      this.#heldBytes -= heldBytesOf(chunk)
      this.#decoder.push(chunk)
    }
  }
}

/** What a chunk that is kept counts for: millions of a byte each would take many times their bytes. */
function heldBytesOf(chunk: Uint8Array): number {
  return chunk.length + bytesPerChunk
}

function isGone(stream: Stream): boolean {
  return stream.status !== 'open' && stream.status !== 'closing'
}

function closeReason(event: StreamCloseEvent): string {
  return event.error === undefined ? 'its connection closed' : messageOf(event.error)
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
