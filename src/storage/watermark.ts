/**
 * A small file beside the database with the number of the last batch that was made durable. LevelDB takes a
 * log that was cut short for one that ended there; a database that is behind this number has lost batches.
 *
 * It is written after the batch is durable and not synced itself: after a power cut it may be behind, never
 * ahead. Twelve bytes: the number (8), and their CRC-32 (4). They lie in one sector, so they change at once.
 */
import { closeSync, existsSync, fsyncSync, openSync, readSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'

const fileName = 'DURABLE'
const numberBytes = 8
const fileBytes = numberBytes + 4

export class Watermark {
  readonly #file: number
  readonly #bytes = Buffer.alloc(fileBytes)

  private constructor(file: number) {
    this.#file = file
  }

  static exists(folder: string): boolean {
    return existsSync(join(folder, fileName))
  }

  /** Opens the file, or makes it; throws the file system's error. */
  static open(folder: string, { create }: { create: boolean }): Watermark {
    return new Watermark(openSync(join(folder, fileName), create ? 'w+' : 'r+'))
  }

  /** The number in the file; undefined where it is damaged. */
  read(): number | undefined {
    const bytes = Buffer.alloc(fileBytes)
    const complete = readSync(this.#file, bytes, 0, fileBytes, 0) === fileBytes
    if (!complete || crc32(bytes.subarray(0, numberBytes)) !== bytes.readUInt32BE(numberBytes))
      return undefined
    return Number(bytes.readBigUInt64BE(0))
  }

  write(number: number): void {
    this.#bytes.writeBigUInt64BE(BigInt(number), 0)
    this.#bytes.writeUInt32BE(crc32(this.#bytes.subarray(0, numberBytes)), numberBytes)
    writeSync(this.#file, this.#bytes, 0, fileBytes, 0)
  }

  sync(): void {
    fsyncSync(this.#file)
  }

  close(): void {
    closeSync(this.#file)
  }
}
