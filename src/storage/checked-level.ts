/**
 * A LevelDB whose synced batches are numbered, so that the loss of any of them is found when it is opened.
 * LevelDB alone takes a log that was cut short for one that ended there, and skips a damaged piece in its
 * midst, without a word.
 *
 * Every batch writes a row with its own number, the trail, and the number of the last durable batch stands
 * in a file beside the database. On opening, the trail must have no gap and reach that number:
 *
 *     trail 17 18 19 20, file 20 (or less)   all there
 *     trail 17 18,       file 20             19 and 20 are lost: the log was cut short
 *     trail 17 18 20,    file 20             19 is lost: damage in the log's midst
 *
 * What lies in LevelDB's tables and not in its log, the trail need not show: opening moves all there, so that
 * the trail starts anew, and it is kept no longer than a log can be.
 */
import { StoreError, StoreFullError, type Logger } from '../core/ports.ts'
import {
  databaseFolder,
  forgetLoss,
  prepareFolder,
  readLoss,
  rememberLoss,
  storeUnusable,
  syncFolder
} from './data-folder.ts'
import {
  describeLevelError,
  type Level,
  openLevel,
  type OpenLevel,
  openOrRepair,
  rememberUnreadable
} from './open-level.ts'
import { numberIn, type Row, type RowSpan, trailRow, trailRows } from './rows.ts'
import { whyNoRoom } from './room.ts'
import { Watermark } from './watermark.ts'

/**
 * Batches that the trail shows. Up to two logs are replayed, each of 4 MiB in memory, where the smallest
 * batch takes some 200 bytes.
 */
const trailBatches = 65_536
/** Bytes and rows that a walk fetches at a time: each fetch is a trip to another thread. */
const fetchBytes = 256 * 1024
const fetchRows = 1024
/** Ms after a failed attempt to open the database anew, until the next one: each may read all of its log. */
const reopenPauseMs = 1_000

export type RowChange =
  | { readonly type: 'put'; readonly key: Row; readonly value: Uint8Array }
  | { readonly type: 'del'; readonly key: Row }

export interface CheckedLevelComponents {
  readonly logger: Logger
  /** How databases are opened; tests put faulty ones here. */
  readonly open?: OpenLevel
}

interface CheckedLevelInit {
  readonly folder: string
  readonly open: OpenLevel
  readonly level: Level
  readonly watermark: Watermark
  readonly logger: Logger
  /** Number of the last batch known to have been durable. */
  readonly newest: number
}

/** The numbers of the batches that the database shows. */
interface Trail {
  readonly rows: Row[]
  readonly newest: number
  /** The first number that is missing between others. */
  readonly gap: number | undefined
}

export class CheckedLevel {
  readonly #folder: string
  readonly #open: OpenLevel
  readonly #watermark: Watermark
  readonly #logger: Logger
  #isUnreadable = false
  #level: Level
  #newest: number
  /** Where the trail begins: what trimming deletes next. */
  #oldest: number
  #failed = false
  /** The last attempt to open the database anew that failed. */
  #attempt: { readonly at: number; readonly error: unknown } | undefined

  private constructor({ folder, open, level, watermark, logger, newest }: CheckedLevelInit) {
    this.#folder = folder
    this.#open = open
    this.#level = level
    this.#watermark = watermark
    this.#logger = logger
    this.#newest = newest
    this.#oldest = newest + 1
  }

  /**
   * Opens the database in a store's folder, or makes both. Throws AnnulusError: ERR_STORE_LOCKED where
   * another process has it open, else ERR_STORE.
   */
  static async open(folder: string, components: CheckedLevelComponents): Promise<CheckedLevel> {
    const { logger, open = openLevel } = components
    prepareFolder(folder)
    const isNew = !Watermark.exists(folder)
    const level = await openOrRepair(folder, { open, createIfMissing: isNew, logger })
    try {
      return await CheckedLevel.#check({ folder, open, level, logger, isNew })
    } catch (error) {
      await level.close()
      rememberUnreadable(folder, error)
      throw storeUnusable(folder, error)
    }
  }

  static async #check(init: {
    folder: string
    open: OpenLevel
    level: Level
    logger: Logger
    isNew: boolean
  }): Promise<CheckedLevel> {
    const { folder, open, level, logger, isNew } = init
    const trail = await readTrail(level)
    const watermark = Watermark.open(folder, { create: isNew })
    // A new database is at 0; one that has batches but no file beside it has lost the file.
    const durable = isNew && trail.newest === 0 ? 0 : watermark.read()
    const loss = lossIn(trail, durable)
    if (loss !== undefined) rememberLoss(folder, loss)
    const newest = Math.max(trail.newest, durable ?? 0)
    const checked = new CheckedLevel({ folder, open, level, watermark, logger, newest })
    await checked.write(trail.rows.map(key => ({ type: 'del', key })))
    watermark.sync()
    syncFolder(folder)
    return checked
  }

  /** What was found lost or damaged, in words, until `forgetLoss`. */
  readLoss(): string | undefined {
    return readLoss(this.#folder)
  }

  forgetLoss(): void {
    forgetLoss(this.#folder)
  }

  /** A batch has failed, and `recover` has not been called since. */
  get hasFailed(): boolean {
    return this.#failed
  }

  /** It could not be opened anew after a failure: nothing can be read until `recover` succeeds. */
  get isShut(): boolean {
    return this.#failed && this.#level.status !== 'open'
  }

  /** What keeps it from writing, in words. */
  get trouble(): string | undefined {
    if (!this.#failed) return undefined
    return whyNoRoom(databaseFolder(this.#folder)) ?? 'its disk took no write when it was last asked to'
  }

  get(row: Row): Uint8Array | undefined {
    try {
      return this.#level.getSync(row)
    } catch (error) {
      this.#noteUnreadable(error)
      throw error
    }
  }

  /** For large values: off the event loop's thread, and past the cache. */
  async getLarge(row: Row): Promise<Uint8Array | undefined> {
    try {
      return await this.#level.get(row, { fillCache: false })
    } catch (error) {
      this.#noteUnreadable(error)
      throw error
    }
  }

  /** The rows of a range in order, as they stand when the walk begins, in pages of up to `pageRows` and 256 KiB. */
  async *walk(
    range: RowSpan,
    pageRows = fetchRows
  ): AsyncGenerator<Array<[Row, Uint8Array]>, void, undefined> {
    const iterator = this.#level.iterator({ ...range, highWaterMarkBytes: fetchBytes })
    try {
      for (;;) {
        const page = await iterator.nextv(pageRows)
        if (page.length === 0) return
        yield page
      }
    } catch (error) {
      this.#noteUnreadable(error)
      throw error
    } finally {
      await iterator.close()
    }
  }

  /** The keys of a range, likewise. */
  async *walkKeys(range: RowSpan): AsyncGenerator<Row[], void, undefined> {
    const iterator = this.#level.keys({ ...range, highWaterMarkBytes: fetchBytes })
    try {
      for (;;) {
        const page = await iterator.nextv(fetchRows)
        if (page.length === 0) return
        yield page
      }
    } catch (error) {
      this.#noteUnreadable(error)
      throw error
    } finally {
      await iterator.close()
    }
  }

  /**
   * Makes a batch durable; one at a time. Where it fails, nothing is known of it until `recover` has been
   * called.
   */
  async write(changes: readonly RowChange[]): Promise<void> {
    const number = this.#newest + 1
    const trims = number - this.#oldest >= trailBatches
    const batch: RowChange[] = [...changes, { type: 'put', key: trailRow(number), value: nothing }]
    if (trims) batch.push({ type: 'del', key: trailRow(this.#oldest) })
    try {
      await this.#level.batch(batch, { sync: true })
      this.#watermark.write(number)
    } catch (error) {
      this.#failed = true
      this.#noteUnreadable(error)
      const { reason } = describeLevelError(error)
      this.#logger.error('the disk took no write; reads go on', { folder: this.#folder, reason })
      throw error
    }
    this.#newest = number
    if (trims) this.#oldest++
  }

  /**
   * After a failed batch: opens the database anew, as the end of its log cannot be trusted, and what is
   * appended behind a torn piece may be skipped by the next replay. True where that was necessary (the
   * failed batch may then be there or not). Throws where it fails, and may be tried again; StoreFullError where
   * the disk has no room for it, and then the failed one stays open to be read from.
   */
  async recover(): Promise<boolean> {
    if (!this.#failed) return false
    const last = this.#attempt
    if (last !== undefined && performance.now() - last.at < reopenPauseMs) throw last.error
    if (!this.isShut) {
      const full = whyNoRoom(databaseFolder(this.#folder))
      if (full !== undefined) throw new StoreFullError(full)
    }
    try {
      await this.#reopen()
    } catch (error) {
      this.#attempt = { at: performance.now(), error }
      throw error
    }
    this.#attempt = undefined
    this.#failed = false
    this.#logger.info('the disk takes writes again', { folder: this.#folder })
    return true
  }

  async #reopen(): Promise<void> {
    await this.#level.close()
    try {
      this.#level = await this.#open(databaseFolder(this.#folder), { createIfMissing: false })
    } catch (error) {
      const { reason } = describeLevelError(error)
      throw new StoreError(`the database failed and cannot be opened anew: ${reason}`, { cause: error })
    }
    const trail = await readTrail(this.#level)
    if (trail.gap !== undefined || trail.newest < this.#newest) {
      throw new StoreError(
        `the database lost batches when it failed; it is at ${trail.newest} of ${this.#newest}`
      )
    }
    this.#newest = trail.newest
  }

  /**
   * A whole part of a table cannot be read, so nobody knows what is lost; and sooner or later LevelDB takes no more
   * writes, as it cannot rewrite that table. The next opening repairs the database and counts it as a loss.
   */
  #noteUnreadable(error: unknown): void {
    if (this.#isUnreadable || !rememberUnreadable(this.#folder, error)) return
    this.#isUnreadable = true
    const { reason } = describeLevelError(error)
    this.#logger.error(
      'a part of the database cannot be read; restart this peer, and it gets its records anew',
      {
        reason
      }
    )
  }

  async close(): Promise<void> {
    await this.#level.close()
    this.#watermark.sync()
    this.#watermark.close()
  }
}

const nothing = new Uint8Array(0)

async function readTrail(level: Level): Promise<Trail> {
  const rows = await level.keys({ ...trailRows, highWaterMarkBytes: fetchBytes }).all()
  const numbers = rows.map(numberIn)
  const gapAt = numbers.findIndex((number, i) => i > 0 && number !== numbers[i - 1]! + 1)
  return { rows, newest: numbers.at(-1) ?? 0, gap: gapAt === -1 ? undefined : numbers[gapAt - 1]! + 1 }
}

function lossIn({ newest, gap }: Trail, durable: number | undefined): string | undefined {
  if (durable === undefined)
    return 'the number of the last durable batch is missing or damaged, so writes may be lost'
  if (gap !== undefined)
    return `durable writes are missing from the midst of the database's log, from batch ${gap} on`
  if (newest < durable) {
    return `the database ends at batch ${newest}, though batch ${durable} was durable: its log was cut short`
  }
  return undefined
}
