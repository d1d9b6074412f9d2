/**
 * The hash of a run: equal for runs in which the same happened. Messages go in by length and CRC-32 of their bytes:
 * nobody forges a run, and SHA-256 over values of 200 KB would be a fourth of all that a run costs.
 */
import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'

/** Characters gathered before they are hashed: each call costs more than it hashes. */
const gatheredChars = 16_384

export class RunDigest {
  readonly #hash = createHash('sha256')
  #gathered = ''

  note(text: string): void {
    this.#gathered += `${text}\n`
    if (this.#gathered.length < gatheredChars) return
    this.#hash.update(this.#gathered)
    this.#gathered = ''
  }

  message(what: string, body: Uint8Array): void {
    this.note(`${what} ${body.byteLength} ${crc32(body)}`)
  }

  /** Nothing may be noted any more. */
  hex(): string {
    return this.#hash.update(this.#gathered).digest('hex')
  }
}
