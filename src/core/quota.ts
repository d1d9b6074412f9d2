/**
 * How much of its disk a peer may fill. What a user puts anew is refused first; what the cluster has already, and comes
 * to this replica late, and tombstones, which make room elsewhere or here, have a margin each above that:
 *
 *     new values          | up to the quota
 *     copies of values    | up to 1/16 above: writing back by gets, sessions, taking over
 *     tombstones          | up to 1/8 above
 *
 * So a peer that is at its quota answers gets and takes deletes, and takes puts again by itself as soon as there is
 * room. What counts are records as encoded, their keys among it: not what the database needs beside them. Used by
 * replicas and by the store that registers and movement work on.
 */
import { StoreFullError, type Clock, type Logger, type Store } from './ports.ts'
import type { StoredRecord } from './record/record.ts'

/** Bytes of the least quota: several values of middling size, and margins that a key fits into many times. */
export const minDiskBytes = 1024 * 1024

const copyMargin = 1 / 16
const tombstoneMargin = 1 / 8

/** Ms between two lines in the log, and for how long the status tells of a write that was refused. */
const tellEveryMs = 60_000

export interface QuotaComponents {
  readonly store: Pick<Store, 'usage'>
  readonly clock: Clock
  readonly logger: Logger
}

export interface QuotaInit {
  /** Left out: none. */
  readonly maxBytes?: number | undefined
}

export class Quota {
  readonly #components: QuotaComponents
  /** Infinity: none. */
  readonly maxBytes: number
  /** Bytes of records that are on their way to the disk. */
  #underWay = 0
  #refused = 0
  #refusedAt = -Infinity
  #toldAt = -Infinity

  constructor(components: QuotaComponents, { maxBytes = Infinity }: QuotaInit) {
    this.#components = components
    this.maxBytes = maxBytes
  }

  /** How many writes were refused over it. */
  get refused(): number {
    return this.#refused
  }

  /** In words, where new values are refused, or lately one was; undefined where they are not. */
  get trouble(): string | undefined {
    const wasLately = this.#components.clock.monotonic() - this.#refusedAt < tellEveryMs
    return wasLately || this.#bytes >= this.maxBytes ? this.#words : undefined
  }

  /** Why a new value of so many bytes, as encoded, is not taken; undefined where there is room. */
  refusalOf(bytes: number): string | undefined {
    return this.#bytes + bytes <= this.maxBytes ? undefined : this.#refuse()
  }

  /** Does the writing of records, unless they go beyond the margins. Throws StoreFullError, and then writes nothing. */
  during<T>(records: readonly StoredRecord[], write: () => Promise<T>): Promise<T> {
    return this.maxBytes === Infinity ? write() : this.#during(records, write)
  }

  async #during<T>(records: readonly StoredRecord[], write: () => Promise<T>): Promise<T> {
    const bytes = records.reduce((sum, { size }) => sum + size, 0)
    const isDelete = records.every(({ kind }) => kind === 'tombstone')
    const limit = this.maxBytes * (1 + (isDelete ? tombstoneMargin : copyMargin))
    if (this.#bytes + bytes > limit) throw new StoreFullError(this.#refuse())
    this.#underWay += bytes
    try {
      return await write()
    } finally {
      this.#underWay -= bytes
    }
  }

  get #bytes(): number {
    return this.#components.store.usage().bytes + this.#underWay
  }

  get #words(): string {
    return `its disk quota of ${this.maxBytes} bytes is used up`
  }

  #refuse(): string {
    const { clock, logger } = this.#components
    this.#refused++
    this.#refusedAt = clock.monotonic()
    if (this.#refusedAt - this.#toldAt >= tellEveryMs) {
      this.#toldAt = this.#refusedAt
      const { maxBytes } = this
      logger.warn('the disk quota is used up: new values are refused', { maxBytes, bytes: this.#bytes })
    }
    return this.#words
  }
}
