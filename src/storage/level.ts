/**
 * The Store port on disk: LevelDB (classic-level) with group commit, keyed by position, so that a range of
 * the ring is a range of the store. Every peer with a data folder uses it.
 *
 * Reads look only at the database, which shows a batch no sooner than it is synced. Small rows are read with
 * `getSync`: cheaper by far than a trip to another thread.
 */
import {
  DamagedRecordError,
  type HeadsOptions,
  type Logger,
  type MetaChange,
  type Scrubbed,
  type ScrubbedPart,
  type Store,
  StoreError
} from '../core/ports.ts'
import type { FingerprintIndex } from '../core/record/fingerprints.ts'
import type { RecordHead, StoredRecord } from '../core/record/record.ts'
import type { Version } from '../core/record/version.ts'
import type { Range } from '../core/ring/range.ts'
import { CheckedLevel } from './checked-level.ts'
import { storeUnusable } from './data-folder.ts'
import { asStoreError, GroupCommit } from './group-commit.ts'
import { LevelFingerprints } from './level-fingerprints.ts'
import { scrub } from './level-scrub.ts'
import { isUnreadable, type OpenLevel } from './open-level.ts'
import { type HeldRecord, isApart, RecordBatch } from './record-batch.ts'
import { asHead, RecordRows } from './record-rows.ts'
import * as rows from './rows.ts'
import { segmentsOf } from './segments.ts'

/** About how many bytes a change takes in LevelDB's log beside keys and values. */
const changeOverheadBytes = 64

/** Heads that a listing fetches at a time: each fetch is a trip to another thread, and holds whole rows. */
const maxHeadsFetched = 1024

export interface LevelStoreInit {
  readonly logger: Logger
  /** How the database is opened; tests put faulty ones here. */
  readonly open?: OpenLevel
}

/**
 * Opens the store in a folder of its own, which is made where it is missing. Throws AnnulusError:
 * ERR_STORE_LOCKED where another process has it open, ERR_STORE where it cannot be used, with the reason.
 */
export async function openLevelStore(folder: string, init: LevelStoreInit): Promise<Store> {
  try {
    return await openStore(folder, init)
  } catch (error) {
    // The database was open before it was found out: this time it is repaired.
    if (isUnreadable(folder)) return openStore(folder, init)
    throw error
  }
}

async function openStore(folder: string, { logger, open }: LevelStoreInit): Promise<Store> {
  const level = await CheckedLevel.open(folder, { logger, ...(open && { open }) })
  const store = new LevelStore({ level, logger })
  try {
    await store.load()
    return store
  } catch (error) {
    await level.close()
    throw storeUnusable(folder, error)
  }
}

class LevelStore implements Store {
  readonly #level: CheckedLevel
  readonly #rows: RecordRows
  readonly #commits: GroupCommit<RecordBatch>
  readonly #fingerprints: LevelFingerprints
  #usage: rows.Usage = { records: 0, bytes: 0 }
  #loss: string | undefined
  /** The names that a clear under way keeps: the rest is gone for readers as soon as it is begun. */
  #keeping: readonly string[] | undefined
  #closing: Promise<void> | undefined

  constructor({ level, logger }: { level: CheckedLevel; logger: Logger }) {
    this.#level = level
    this.#rows = new RecordRows(
      { level, logger },
      { onDamaged: position => this.#fingerprints.damaged(position) }
    )
    this.#commits = new GroupCommit({ begin: () => this.#begin(), commit: batch => this.#commit(batch) })
    this.#fingerprints = new LevelFingerprints(
      { level, rows: this.#rows, logger },
      { alone: action => this.#commits.alone(action), usage: () => this.#usage }
    )
  }

  get fingerprints(): FingerprintIndex {
    return this.#fingerprints.index
  }

  get loss(): string | undefined {
    return this.#loss
  }

  get trouble(): string | undefined {
    return this.#level.trouble
  }

  /** Reads what is kept in memory, after finishing a clear that was cut short. */
  async load(): Promise<void> {
    const clearing = this.#level.get(rows.clearingRow)
    if (clearing !== undefined) await this.#finishClear(rows.decodeNames(clearing))
    this.#keeping = undefined
    await this.#readAllMeta()
    const totals = rows.decodeTotals(this.#level.get(rows.usageRow))
    this.#usage = totals.usage
    this.#loss = this.#level.readLoss()
    await this.#fingerprints.load(totals)
  }

  /** So that metadata that cannot be read is found out here, where the database can be repaired. */
  async #readAllMeta(): Promise<void> {
    const pages = this.#level.walk(rows.metaRows)
    for (let page = await pages.next(); page.done !== true;) page = await pages.next()
  }

  head(position: Uint8Array): Promise<RecordHead | undefined> {
    return this.#read(() => {
      const head = this.#keeping === undefined ? this.#rows.head(position) : undefined
      return head && asHead(head)
    })
  }

  read(position: Uint8Array): Promise<StoredRecord | undefined> {
    return this.#read(() => (this.#keeping === undefined ? this.#rows.read(position) : undefined))
  }

  merge(record: StoredRecord): Promise<void> {
    return this.mergeAll([record])
  }

  mergeAll(records: readonly StoredRecord[]): Promise<void> {
    const bytes = records.reduce((sum, { size }) => sum + size + changeOverheadBytes, 0)
    return this.#commits.submit({ bytes, decide: batch => batch.merge(records) })
  }

  drop(position: Uint8Array, version: Version): Promise<boolean> {
    return this.#commits.submit({
      bytes: changeOverheadBytes,
      decide: batch => batch.drop(position, version)
    })
  }

  repair(position: Uint8Array, record: StoredRecord | undefined): Promise<boolean> {
    return this.#commits.alone(async () => {
      try {
        const batch = await this.#begin()
        const remains = await this.#rows.remains(position)
        if (remains === undefined) return false
        batch.replace(remains, record)
        await this.#commit(batch)
        this.#rows.repaired(position)
        this.#fingerprints.repaired(position)
        return true
      } catch (error) {
        throw asStoreError(error)
      }
    })
  }

  heads(range: Range, { limit, after, onDamaged }: HeadsOptions): Promise<RecordHead[]> {
    return this.#read(async () => {
      const heads: RecordHead[] = []
      for (const segment of segmentsOf(range, after)) {
        for await (const page of this.#level.walk(
          rows.recordRowsIn(segment),
          Math.min(limit, maxHeadsFetched)
        )) {
          for (const [key, row] of page) {
            if (heads.length >= limit || this.#keeping !== undefined) return heads
            const position = rows.positionIn(key)
            const head = this.#rows.listed(position, row)
            if (head !== undefined) heads.push(head)
            else onDamaged?.(position)
          }
        }
      }
      return heads
    })
  }

  scrub(first: number, end: number, pace: (read: ScrubbedPart) => Promise<void>): Promise<Scrubbed> {
    const { index } = this.#fingerprints
    const components = {
      level: this.#level,
      rows: this.#rows,
      index,
      alone: (action: () => Promise<number>) =>
        this.#commits.alone(async () => {
          // While a clear waits to be finished, rows say nothing of what is held.
          const miscounted = this.#keeping === undefined && index.isComplete ? await action() : 0
          if (miscounted > 0) await this.#fingerprints.corrected()
          return miscounted
        })
    }
    return this.#read(() => scrub(components, { first, end, pace }))
  }

  usage(): rows.Usage {
    return this.#usage
  }

  readMeta(name: string): Promise<Uint8Array | undefined> {
    return this.#read(() => {
      const value = this.#shows(name) ? this.#level.get(rows.metaRow(name)) : undefined
      return value && new Uint8Array(value)
    })
  }

  listMeta(prefix: string): Promise<Array<[name: string, value: Uint8Array]>> {
    return this.#read(async () => {
      const entries: Array<[name: string, value: Uint8Array]> = []
      for await (const page of this.#level.walk({ gte: rows.metaRow(prefix), lt: rows.metaRows.lt })) {
        for (const [key, value] of page) {
          const name = rows.nameIn(key)
          if (!name.startsWith(prefix)) return entries
          if (this.#shows(name)) entries.push([name, new Uint8Array(value)])
        }
      }
      return entries
    })
  }

  writeMeta(changes: readonly MetaChange[]): Promise<void> {
    const bytes = changes.reduce((sum, [, value]) => sum + (value?.length ?? 0) + changeOverheadBytes, 0)
    return this.#commits.submit({ bytes, decide: batch => batch.writeMeta(changes) })
  }

  clear(keep: readonly string[]): Promise<void> {
    return this.#commits.alone(async () => {
      try {
        await this.#settle()
        await this.#level.write([{ type: 'put', key: rows.clearingRow, value: rows.encodeNames(keep) }])
        await this.#finishClear(keep)
      } catch (error) {
        throw asStoreError(error)
      }
    })
  }

  close(): Promise<void> {
    this.#closing ??= Promise.all([this.#commits.close(), this.#fingerprints.stop()]).then(() =>
      this.#level.close()
    )
    return this.#closing
  }

  async #begin(): Promise<RecordBatch> {
    await this.#settle()
    return new RecordBatch({ usage: this.#usage, held: position => this.#heldAt(position) })
  }

  async #commit(batch: RecordBatch): Promise<void> {
    const changes = batch.changes(this.#fingerprints.kept)
    if (changes.length === 0) return
    await this.#level.write(changes)
    this.#usage = batch.usage
    this.#fingerprints.apply(batch)
  }

  /** Makes good what an earlier failure has left open. */
  async #settle(): Promise<void> {
    if ((await this.#level.recover()) || this.#keeping !== undefined) await this.load()
  }

  /** Goes through with a clear whose row is durable: from here on it is finished at the latest on opening. */
  async #finishClear(keep: readonly string[]): Promise<void> {
    this.#keeping = keep
    this.#fingerprints.clear()
    for (const span of [rows.recordRows, rows.valueRows, rows.slotRows, rows.metaRows]) {
      for await (const page of this.#level.walkKeys(span)) {
        const gone = span === rows.metaRows ? page.filter(key => !keep.includes(rows.nameIn(key))) : page
        await this.#level.write(gone.map(key => ({ type: 'del', key })))
      }
    }
    const usage: rows.Usage = { records: 0, bytes: 0 }
    await this.#level.write([
      { type: 'put', key: rows.usageRow, value: rows.encodeTotals({ usage, areSlotsKept: true }) },
      { type: 'del', key: rows.clearingRow }
    ])
    this.#level.forgetLoss()
    this.#loss = undefined
    this.#usage = usage
    this.#rows.reset()
    this.#keeping = undefined
  }

  #shows(name: string): boolean {
    return this.#keeping === undefined || this.#keeping.includes(name)
  }

  #heldAt(position: Uint8Array): HeldRecord | undefined {
    try {
      const head = this.#rows.head(position)
      return (
        head && {
          version: head.version,
          kind: head.kind,
          size: head.size,
          apart: isApart(head.valueBytes)
        }
      )
    } catch (error) {
      throw error instanceof DamagedRecordError ? error : asStoreError(error)
    }
  }

  async #read<T>(action: () => T | Promise<T>): Promise<T> {
    if (this.#closing !== undefined) throw new StoreError('the store is closed')
    try {
      // A read is what comes first to a peer again and again, so it opens the database as well as a write would.
      if (this.#level.isShut) await this.#commits.alone(() => this.#settle())
      return await action()
    } catch (error) {
      throw error instanceof DamagedRecordError ? error : asStoreError(error)
    }
  }
}
