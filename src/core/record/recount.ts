/**
 * The fingerprints of some slots, counted from the records that are found there, to be held against those that a
 * store has kept. Used by the stores when they are scrubbed.
 */
import {
  fingerprintOf,
  type Fingerprinted,
  type FingerprintSum,
  noRecords,
  plusOne,
  sameSum
} from './fingerprint.ts'
import { type Fingerprints, slotOf } from './fingerprints.ts'

export class Recount {
  readonly #first: number
  readonly #end: number
  readonly #sums = new Map<number, FingerprintSum>()

  /** Of the slots from `first` to before `end`. */
  constructor(first: number, end: number) {
    this.#first = first
    this.#end = end
  }

  add(head: Fingerprinted): void {
    const slot = slotOf(head.position)
    this.#sums.set(slot, plusOne(this.#sums.get(slot) ?? noRecords, fingerprintOf(head)))
  }

  /** The slots in which something else is kept, in order. */
  differing(kept: Pick<Fingerprints, 'sum'>): number[] {
    const slots: number[] = []
    for (let slot = this.#first; slot < this.#end; slot++) {
      if (!sameSum(kept.sum(slot, slot + 1), this.#sumOf(slot))) slots.push(slot)
    }
    return slots
  }

  /** Has these counts kept; gives in how many slots others were. No record may change meanwhile. */
  correct(kept: Fingerprints): number {
    const slots = this.differing(kept)
    for (const slot of slots) kept.setSlot(slot, this.#sumOf(slot))
    return slots.length
  }

  #sumOf(slot: number): FingerprintSum {
    return this.#sums.get(slot) ?? noRecords
  }
}
