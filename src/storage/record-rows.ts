/**
 * Reads records out of the rows of a LevelDB store and verifies them. A record is damaged where its row or
 * its value fails a checksum, is cut off or is missing, or where LevelDB finds its table corrupted.
 */
import { DamagedRecordError, type Logger } from '../core/ports.ts'
import {
  assertValue,
  type DecodedHead,
  decodeHead,
  decodeRecord,
  RecordFormatError
} from '../core/record/codec.ts'
import type { RecordHead, StoredRecord } from '../core/record/record.ts'
import { compareVersions } from '../core/record/version.ts'
import { formatPosition } from '../core/ring/position.ts'
import type { CheckedLevel } from './checked-level.ts'
import { describeLevelError } from './open-level.ts'
import { isApart, type Remains } from './record-batch.ts'
import { recordRow, type Row, valueRow, valueRowsAt } from './rows.ts'

/** Damaged records that a listing has met and logged; beyond, they are logged again. */
const maxLoggedDamages = 1000

export interface RecordRowsComponents {
  readonly level: CheckedLevel
  readonly logger: Logger
}

export interface RecordRowsInit {
  /** Told of each damaged record that is met, each time. */
  readonly onDamaged: (position: Uint8Array) => void
}

export class RecordRows {
  readonly #level: CheckedLevel
  readonly #logger: Logger
  readonly #onDamaged: RecordRowsInit['onDamaged']
  /** Records whose head is whole but whose value was found damaged, by position in hex, and what is wrong. */
  readonly #damagedValues = new Map<string, string>()
  readonly #loggedDamages = new Set<string>()

  constructor({ level, logger }: RecordRowsComponents, { onDamaged }: RecordRowsInit) {
    this.#level = level
    this.#logger = logger
    this.#onDamaged = onDamaged
  }

  /** Throws DamagedRecordError, or LevelDB's own error where the disk fails. */
  head(position: Uint8Array): DecodedHead | undefined {
    return this.#telling(() => {
      const row = this.#rowAt(position)
      return row && this.#decode(position, row)
    })
  }

  /** Rejects likewise. */
  async read(position: Uint8Array): Promise<StoredRecord | undefined> {
    for (;;) {
      const row = this.#telling(() => this.#rowAt(position))
      if (row === undefined) return undefined
      const head = this.#telling(() => this.#decode(position, row))
      if (!isApart(head.valueBytes)) return this.#telling(() => this.#whole(head, row))
      const value = await this.#level.getLarge(valueRow(position, head.version))
      if (value !== undefined) return this.#telling(() => this.#join(head, row, value))
      // Either the record was replaced while its value was fetched, or the value is lost.
      const unchanged = compareVersions(this.head(position)?.version, head.version) === 0
      if (unchanged) {
        this.#telling(() => {
          throw this.#damagedValue(position, 'its value is missing')
        })
      }
    }
  }

  /** The head in a row that a walk came by; nothing, and a line in the log, where it is damaged. */
  listed(position: Uint8Array, row: Uint8Array): RecordHead | undefined {
    const head = this.decoded(position, row)
    if (head === undefined) this.#onDamaged(position)
    return head && asHead(head)
  }

  /**
   * Likewise, its value looked at too where it is in the row; else `isApart`, and the value is for `read` to look at.
   */
  verified(position: Uint8Array, row: Uint8Array): { head: RecordHead; isApart: boolean } | undefined {
    try {
      return this.#telling(() => {
        const head = this.#decode(position, row)
        if (isApart(head.valueBytes)) return { head: asHead(head), isApart: true }
        this.#whole(head, row)
        return { head: asHead(head), isApart: false }
      })
    } catch (error) {
      if (!(error instanceof DamagedRecordError)) throw error
      this.#logOnce(error)
      return undefined
    }
  }

  /** Likewise, for whoever counts and keeps nothing of it: tells nobody else of the damage. */
  decoded(position: Uint8Array, row: Uint8Array): DecodedHead | undefined {
    try {
      return this.#decode(position, row)
    } catch (error) {
      if (!(error instanceof DamagedRecordError)) throw error
      this.#logOnce(error)
      return undefined
    }
  }

  /** What the rows of a damaged record come to; undefined where what is held, if anything, is sound. */
  async remains(position: Uint8Array): Promise<Remains | undefined> {
    try {
      // The value too: damage to it may have been found in an earlier process only.
      await this.read(position)
      return undefined
    } catch (error) {
      if (!(error instanceof DamagedRecordError)) throw error
    }
    const rows: Row[] = [recordRow(position)]
    let bytes = 0
    for await (const page of this.#level.walk(valueRowsAt(position))) {
      for (const [row, value] of page) {
        rows.push(row)
        bytes += value.length
      }
    }
    try {
      bytes += this.#level.get(recordRow(position))?.length ?? 0
    } catch (error) {
      // What cannot be read has no size that anyone knows.
      if (describeLevelError(error).code !== 'LEVEL_CORRUPTION') throw error
    }
    return { position, rows, bytes }
  }

  /** Its rows have been replaced. */
  repaired(position: Uint8Array): void {
    this.#damagedValues.delete(formatPosition(position))
    this.#loggedDamages.delete(formatPosition(position))
  }

  /** Forgets what was damaged: there are no records any more. */
  reset(): void {
    this.#damagedValues.clear()
    this.#loggedDamages.clear()
  }

  #telling<T>(action: () => T): T {
    try {
      return action()
    } catch (error) {
      if (error instanceof DamagedRecordError) this.#onDamaged(error.position)
      throw error
    }
  }

  #rowAt(position: Uint8Array): Uint8Array | undefined {
    return guard(position, () => this.#level.get(recordRow(position)))
  }

  #decode(position: Uint8Array, row: Uint8Array): DecodedHead {
    const head = guard(position, () => decodeHead(row, position))
    const rowBytes = isApart(head.valueBytes) ? head.size - head.valueBytes : head.size
    if (row.length !== rowBytes) {
      throw new DamagedRecordError(position, `its row has ${row.length} bytes, not ${rowBytes}`)
    }
    const damage =
      this.#damagedValues.size > 0 ? this.#damagedValues.get(formatPosition(position)) : undefined
    if (damage !== undefined) throw new DamagedRecordError(position, damage)
    return head
  }

  /** A record whose value is in its row. */
  #whole(head: DecodedHead, row: Uint8Array): StoredRecord {
    try {
      return decodeRecord(row, head.position)
    } catch (error) {
      throw this.#damagedValue(head.position, describeLevelError(error).reason)
    }
  }

  #join(head: DecodedHead, row: Uint8Array, value: Uint8Array): StoredRecord {
    try {
      assertValue(value, head.valueChecksum)
    } catch (error) {
      throw this.#damagedValue(head.position, describeLevelError(error).reason)
    }
    const encoded = new Uint8Array(head.size)
    encoded.set(row)
    encoded.set(value, row.length)
    return { ...asHead(head), key: head.key, value: encoded.subarray(row.length), encoded }
  }

  /** From now on the record counts as damaged, for votes and writes too, though its head is whole. */
  #damagedValue(position: Uint8Array, what: string): DamagedRecordError {
    this.#damagedValues.set(formatPosition(position), what)
    return new DamagedRecordError(position, what)
  }

  #logOnce(error: DamagedRecordError): void {
    const name = formatPosition(error.position)
    if (this.#loggedDamages.has(name)) return
    if (this.#loggedDamages.size >= maxLoggedDamages) this.#loggedDamages.clear()
    this.#loggedDamages.add(name)
    this.#logger.error(error.message)
  }
}

/** A head that does not keep the row that it was read from in memory. */
export function asHead({ position, version, kind, expiresAt, size }: DecodedHead): RecordHead {
  return { position, version: { ...version, writer: new Uint8Array(version.writer) }, kind, expiresAt, size }
}

/** Tells damage, found by the codec or by LevelDB, from failures of the disk. */
function guard<T>(position: Uint8Array, action: () => T): T {
  try {
    return action()
  } catch (error) {
    const { code, reason } = describeLevelError(error)
    if (error instanceof RecordFormatError || code === 'LEVEL_CORRUPTION') {
      throw new DamagedRecordError(position, reason)
    }
    throw error
  }
}
