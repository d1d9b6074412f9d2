/**
 * What a simulated disk holds, and since when: for checks of what was sent to somebody who had it already. The disk
 * writes it down, run/movement-rules.ts reads it.
 */
import { compareVersions, type Version } from '../../src/core/record/version.ts'
import { formatPosition } from '../../src/core/ring/position.ts'
import type { StoredRecord } from '../../src/core/record/record.ts'

/** One version of a record, which became durable at some virtual time. */
export interface Held extends Pick<StoredRecord, 'version' | 'kind' | 'expiresAt'> {
  /** Encoded bytes. */
  readonly size: number
  readonly sinceMs: number
}

export class Holdings {
  /** By position in hex: ever newer versions. What was lost, dropped or damaged begins anew. */
  readonly #held = new Map<string, Held[]>()
  /** By position in hex: the newest that ever was there, lost or not. */
  readonly #newestEver = new Map<string, Version>()

  /** A store merged these: it holds each, or something newer. */
  kept(records: readonly StoredRecord[], sinceMs: number): void {
    for (const { position, version, kind, expiresAt, size } of records) {
      const name = formatPosition(position)
      if (compareVersions(version, this.#newestEver.get(name)) > 0) this.#newestEver.set(name, { ...version })
      const versions = this.#held.get(name) ?? []
      if (compareVersions(versions.at(-1)?.version, version) >= 0) continue
      this.#held.set(name, [...versions, { version: { ...version }, kind, expiresAt, size, sinceMs }])
    }
  }

  /** Whatever is under this position from now on, it is not known that it was there before. */
  gone(position: Uint8Array): void {
    this.#held.delete(formatPosition(position))
  }

  clear(): void {
    this.#held.clear()
  }

  /** Since when this version or newer ones have been there without a break, in virtual ms; undefined: they are not. */
  since(position: Uint8Array, version: Version): number | undefined {
    const versions = this.#held.get(formatPosition(position)) ?? []
    return versions.find(held => compareVersions(held.version, version) >= 0)?.sinceMs
  }

  /** The newest under a position, in hex. */
  newest(position: string): Held | undefined {
    return this.#held.get(position)?.at(-1)
  }

  /** Whether this version or a newer one ever was under a position, in hex. */
  hasHad(position: string, version: Version): boolean {
    return compareVersions(this.#newestEver.get(position), version) >= 0
  }

  /** All positions that hold something, in hex. */
  get positions(): Iterable<string> {
    return this.#held.keys()
  }
}
