/**
 * The fingerprints of a LevelDB store: counted from the rows after it opened, carried on by each batch, and
 * counted anew, slot by slot, where a record turns out to be damaged, since nobody can say what it was.
 *
 * Counting a million records takes seconds, and nobody who reads or writes need wait for that: it goes on in
 * the background, over the rows as they stood when it began, while batches add and take away what they change.
 * Sums do not mind the order.
 */
import type { Logger } from '../core/ports.ts'
import { fingerprintOf, type FingerprintSum, noRecords, plusOne } from '../core/record/fingerprint.ts'
import { Fingerprints, slotOf } from '../core/record/fingerprints.ts'
import type { CheckedLevel } from './checked-level.ts'
import type { RecordBatch } from './record-batch.ts'
import type { RecordRows } from './record-rows.ts'
import { positionIn, recordRows, recordRowsInSlot } from './rows.ts'

/** Rows counted in one turn of the event loop: about a millisecond. */
const rowsPerTurn = 256

export interface LevelFingerprintsComponents {
  readonly level: CheckedLevel
  readonly rows: RecordRows
  readonly logger: Logger
}

export interface LevelFingerprintsInit {
  /** Runs an action while no batch is under way; rejects once the store closes. */
  readonly alone: (action: () => Promise<void>) => Promise<void>
}

export class LevelFingerprints {
  readonly index = new Fingerprints()
  readonly #components: LevelFingerprintsComponents
  readonly #alone: LevelFingerprintsInit['alone']
  /** The count under way: another one, or none, takes its place when it is given up. */
  #counting: Promise<void> | undefined

  constructor(components: LevelFingerprintsComponents, { alone }: LevelFingerprintsInit) {
    this.#components = components
    this.#alone = alone
  }

  /** Begins to count all there is. No batch may be under way. */
  recount(): void {
    this.index.clear()
    this.index.begin()
    const counting: Promise<void> = this.#countAll(() => this.#counting === counting).then(isWhole => {
      if (isWhole) this.index.complete()
    })
    this.#counting = counting
    counting.catch((error: unknown) => {
      // Whoever waits goes on waiting: a sum that lacks something must never pass for equal.
      if (this.#counting === counting)
        this.#components.logger.error('could not count the records', { error: String(error) })
    })
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
    const setSlot = async (): Promise<void> => this.index.setSlot(slot, await this.#count(slot))
    // Where it fails the slot's sum stays too large by one until it is counted anew on opening.
    this.index.completed.then(() => this.#alone(setSlot)).catch(() => undefined)
  }

  /** A damaged record was replaced, perhaps by nothing. */
  repaired(position: Uint8Array): void {
    this.index.noteRepaired(position)
  }

  /** There are no records any more. */
  clear(): void {
    this.#counting = undefined
    this.index.clear()
    this.index.complete()
  }

  /** Ends what goes on in the background. */
  async stop(): Promise<void> {
    const counting = this.#counting
    this.#counting = undefined
    await counting?.catch(() => undefined)
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
