/**
 * The fingerprints of a LevelDB store: read from the rows of its slots when it opens, carried on by each batch, which
 * writes those rows too, and counted anew, slot by slot, where a record turns out to be damaged, since nobody can say
 * what it was.
 *
 * Where the rows are missing or wrong, all records are counted. A million of them take seconds, and nobody who reads
 * or writes need wait for that: it goes on in the background, over the rows as they stood when it began, while batches
 * add and take away what they change. Sums do not mind the order. Afterwards the slots get their rows. Where the disk
 * fails meanwhile that is tried again and again, ever more seldom, and the index says so.
 *
 * The rows are kept no longer once a record was found to be damaged, or to have gone without a trace: it is in no sum
 * here, and the next opening must find that again.
 */
import type { Logger } from '../core/ports.ts'
import { fingerprintOf, type FingerprintSum, noRecords, plusOne } from '../core/record/fingerprint.ts'
import { Fingerprints, slotCount, slotOf } from '../core/record/fingerprints.ts'
import type { CheckedLevel, RowChange } from './checked-level.ts'
import { describeLevelError } from './open-level.ts'
import type { RecordBatch } from './record-batch.ts'
import type { RecordRows } from './record-rows.ts'
import {
  encodeTotals,
  positionIn,
  recordRows,
  recordRowsInSlot,
  slotRows,
  type Totals,
  type Usage,
  usageRow
} from './rows.ts'
import { decodeSlot, putSlot } from './slot-rows.ts'

/** Rows counted in one turn of the event loop: about a millisecond. */
const rowsPerTurn = 256

/** Rows of slots read at a time: some 10 ms, and four trips to LevelDB's thread for all of them. */
const slotRowsPerTurn = 16_384

/**
 * Before a count that failed is tried again, in ms, doubled each time up to the second. A disk may be well again soon; a
 * table that cannot be read is not until the peer is restarted, and reading up to it takes seconds each time.
 */
const retryMs = [1_000, 300_000] as const

export interface LevelFingerprintsComponents {
  readonly level: CheckedLevel
  readonly rows: RecordRows
  readonly logger: Logger
}

export interface LevelFingerprintsInit {
  /** Runs an action while no batch is under way; rejects once the store closes. */
  readonly alone: (action: () => Promise<void>) => Promise<void>
  /** What the last durable batch left. */
  readonly usage: () => Usage
}

export class LevelFingerprints {
  readonly index = new Fingerprints()
  readonly #components: LevelFingerprintsComponents
  readonly #init: LevelFingerprintsInit
  /** The count under way: another one, or none, takes its place when it is given up. */
  #counting: Promise<void> | undefined
  #retry: NodeJS.Timeout | undefined

  /** Whether the rows of the slots say what the index does. */
  #isKept = false

  constructor(components: LevelFingerprintsComponents, init: LevelFingerprintsInit) {
    this.#components = components
    this.#init = init
  }

  /** What a batch has to write on, into the rows of the slots; undefined where nothing. */
  get kept(): Fingerprints | undefined {
    return this.#isKept ? this.index : undefined
  }

  /** Reads the rows of the slots; where they cannot be, begins to count all there is. No batch may be under way. */
  async load({ usage, areSlotsKept }: Totals): Promise<void> {
    this.#giveUpCounting()
    this.index.begin()
    this.index.clear()
    this.#isKept = areSlotsKept && (await this.#readSlots()) === usage.records
    if (this.#isKept) {
      this.index.complete()
      return
    }
    if (areSlotsKept) this.#components.logger.warn('the sums of the records are damaged, and counted anew')
    this.#recount()
  }

  /** `failures`: of the counts before this one. */
  #recount(failures = 0): void {
    this.index.clear()
    const counting: Promise<void> = this.#countAll(() => this.#counting === counting).then(isWhole => {
      if (!isWhole) return
      this.index.complete()
      this.#soon(() => this.#keep())
    })
    this.#counting = counting
    counting.catch((error: unknown) => {
      if (this.#counting === counting) this.#recountLater(counting, failures, error)
    })
  }

  #recountLater(failed: Promise<void>, failures: number, error: unknown): void {
    const { reason } = describeLevelError(error)
    const [first, most] = retryMs
    const delayMs = Math.min(most, first * 2 ** failures)
    this.index.fail(reason)
    this.#components.logger.error('could not count the records, so none are compared with those of others', {
      reason,
      againInMs: delayMs
    })
    this.#retry = setTimeout(() => {
      // With no batch under way, so that each one is either in what is walked over, or adds to it.
      const again = (): Promise<void> => {
        if (this.#counting === failed) this.#recount(failures + 1)
        return Promise.resolve()
      }
      // It rejects where the store closes.
      this.#init.alone(again).catch(() => undefined)
    }, delayMs)
    this.#retry.unref()
  }

  #giveUpCounting(): void {
    this.#counting = undefined
    clearTimeout(this.#retry)
  }

  /** What a batch that is durable now has changed. */
  apply(batch: RecordBatch): void {
    batch.applyTo(this.index)
  }

  /** A record was found damaged, perhaps not for the first time. */
  damaged(position: Uint8Array): void {
    if (this.index.isDamaged(position)) return
    this.index.noteDamaged(position)
    const slot = slotOf(position)
    if (this.#isKept) this.#soon(() => this.#keepNoMore())
    this.#isKept = false
    // Where it fails the slot's sum stays too large by one until it is counted anew on opening.
    this.#soon(async () => this.index.setSlot(slot, await this.#count(slot)))
  }

  /** The index was put right, other than by a batch. No batch may be under way. */
  async corrected(): Promise<void> {
    if (!this.#isKept) return
    this.#isKept = false
    await this.#keepNoMore()
  }

  /** A damaged record was replaced, perhaps by nothing. */
  repaired(position: Uint8Array): void {
    this.index.noteRepaired(position)
  }

  /** There are no records any more, and no rows of slots as soon as another batch can be written. */
  clear(): void {
    this.#giveUpCounting()
    this.index.clear()
    this.index.complete()
    this.#isKept = true
  }

  /** Ends what goes on in the background. */
  async stop(): Promise<void> {
    const counting = this.#counting
    this.#giveUpCounting()
    await counting?.catch(() => undefined)
  }

  /** Does something once all is counted and no batch is under way, unless the store closes before. */
  #soon(action: () => Promise<void>): void {
    const { completed } = this.index
    // After a failure of the disk the sums may be of another count, which needs nothing of this.
    const unlessLoadedAnew = async (): Promise<void> => {
      if (this.index.completed === completed) await action()
    }
    completed
      .then(() => this.#init.alone(unlessLoadedAnew))
      .catch((error: unknown) => {
        this.#components.logger.debug('the sums of the records are not kept', { error: String(error) })
      })
  }

  /** Writes the rows of all slots, unless they would hide a record that is damaged or gone from the next opening. */
  async #keep(): Promise<void> {
    const { level } = this.#components
    const isWhole = this.index.sum(0, slotCount).count === this.#init.usage().records
    if (this.#isKept || level.hasFailed || !isWhole || this.index.damaged(0, slotCount).length > 0) return
    const changes: RowChange[] = []
    for await (const page of level.walkKeys(slotRows))
      for (const key of page) changes.push({ type: 'del', key })
    for (let slot = 0; slot < slotCount; slot++) {
      const sum = this.index.sum(slot, slot + 1)
      if (sum.count > 0) changes.push(putSlot(slot, sum))
    }
    await level.write([...changes, this.#totals(true)])
    // One may have been found meanwhile.
    if (this.index.damaged(0, slotCount).length > 0) await this.#keepNoMore()
    else this.#isKept = true
  }

  async #keepNoMore(): Promise<void> {
    if (!this.#components.level.hasFailed) await this.#components.level.write([this.#totals(false)])
  }

  #totals(areSlotsKept: boolean): RowChange {
    const totals = encodeTotals({ usage: this.#init.usage(), areSlotsKept })
    return { type: 'put', key: usageRow, value: totals }
  }

  /** Takes in the rows of the slots; how many records they count, undefined where one is damaged. */
  async #readSlots(): Promise<number | undefined> {
    let records = 0
    try {
      for await (const page of this.#components.level.walk(slotRows, slotRowsPerTurn)) {
        for (const [key, row] of page) {
          const decoded = decodeSlot(key, row)
          if (decoded === undefined) return undefined
          this.index.setSlot(decoded.slot, decoded.sum)
          records += decoded.sum.count
        }
      }
    } catch (error) {
      if (describeLevelError(error).code !== 'LEVEL_CORRUPTION') throw error
      return undefined
    }
    return records
  }

  /** False where it was given up. */
  async #countAll(isWanted: () => boolean): Promise<boolean> {
    for await (const page of this.#components.level.walk(recordRows, rowsPerTurn)) {
      if (!isWanted()) return false
      for (const [key, row] of page) {
        const position = positionIn(key)
        const head = this.#components.rows.decoded(position, row)
        if (head === undefined) this.index.noteDamaged(position)
        else this.index.count(head)
      }
    }
    return isWanted()
  }

  async #count(slot: number): Promise<FingerprintSum> {
    let sum = noRecords
    for await (const page of this.#components.level.walk(recordRowsInSlot(slot))) {
      for (const [key, row] of page) {
        const head = this.#components.rows.decoded(positionIn(key), row)
        if (head !== undefined) sum = plusOne(sum, fingerprintOf(head))
      }
    }
    return sum
  }
}
