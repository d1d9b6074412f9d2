/**
 * A file to which as much is written and synced as a store's log needs for the same puts: all that arrive during
 * one sync share the next. Used by the echo server.
 */
import { fdatasync, write } from 'node:fs'
import { promisify } from 'node:util'
import { frameBytes } from './frames.ts'

const writeTo = promisify(write)
const sync = promisify(fdatasync)

export class SyncedFile {
  readonly #descriptor: number
  #waiting: Array<() => void> = []
  #isWriting = false

  constructor(descriptor: number) {
    this.#descriptor = descriptor
  }

  /** Calls back when the bytes of one frame more are on disk. */
  append(written: () => void): void {
    this.#waiting.push(written)
    if (!this.#isWriting) void this.#writeAll()
  }

  async #writeAll(): Promise<void> {
    this.#isWriting = true
    while (this.#waiting.length > 0) {
      const group = this.#waiting
      this.#waiting = []
      await writeTo(this.#descriptor, Buffer.alloc(group.length * frameBytes))
      await sync(this.#descriptor)
      for (const written of group) written()
    }
    this.#isWriting = false
  }
}
