/**
 * What a store holds, in short: for each of 65,536 slots of the ring how many records lie there and the sum of
 * their fingerprints. A store keeps its own up as changes become durable; members compare them to find where
 * they differ.
 *
 *     position  a3f1 9c0e..   ->  slot a3f1: count + 1, sum + fingerprint
 *
 * A damaged record is in no sum, as nobody may count on it; its position is kept instead.
 */
import { prefixAt } from '../ring/position.ts'
import {
  type Fingerprint,
  type Fingerprinted,
  fingerprintOf,
  type FingerprintSum,
  noRecords
} from './fingerprint.ts'

/** Some 15 records to a slot at a million. */
export const slotCount = 65_536

/** Slots of a page, which is made when it is first needed: a thousand small stores fit in one process. */
const slotsPerPage = 64

/** Of each slot its count and the two lanes of its sum, in a row. */
const numbersPerSlot = 3

/** The slot of a position: its first 16 bits. */
export function slotOf(position: Uint8Array): number {
  return prefixAt(position, 0) >>> 16
}

/** What all but the store itself see of it. */
export interface FingerprintIndex {
  /** Resolves when all records are counted: some stores are not done with that when they open. */
  readonly completed: Promise<unknown>
  /** Whether all records are counted now. */
  readonly isComplete: boolean
  /** Why they could not be counted when that was last tried, in words; undefined where nothing is amiss. */
  readonly trouble: string | undefined
  /** What the slots from `first` to before `end` hold together. */
  sum(first: number, end: number): FingerprintSum
  /** Positions of the records that are damaged, in the slots from `first` to before `end`, in no order. */
  damaged(first: number, end: number): Uint8Array[]
}

export class Fingerprints implements FingerprintIndex {
  #pages: Array<Uint32Array | undefined> = emptyPages()
  /** By the bytes of their positions. There are few. */
  readonly #damaged = new Map<string, Uint8Array>()
  #completed = resolved()
  #isComplete = true
  #trouble: string | undefined

  get completed(): Promise<unknown> {
    return this.#completed.promise
  }

  get isComplete(): boolean {
    return this.#isComplete
  }

  get trouble(): string | undefined {
    return this.#trouble
  }

  /** From now on, until `complete`, there are records that are not counted yet. */
  begin(): void {
    // Who waits already goes on waiting for the same.
    if (this.#isComplete) this.#completed = Promise.withResolvers<undefined>()
    this.#isComplete = false
  }

  /** They could not be counted, for this reason. Who waits goes on waiting: a part must never pass for all. */
  fail(reason: string): void {
    this.#trouble = reason
  }

  complete(): void {
    this.#isComplete = true
    this.#trouble = undefined
    this.#completed.resolve(undefined)
  }

  sum(first: number, end: number): FingerprintSum {
    let { count, low, high } = noRecords
    for (let slot = first; slot < end;) {
      const page = this.#pages[Math.floor(slot / slotsPerPage)]
      const pageEnd = Math.min(end, slot - (slot % slotsPerPage) + slotsPerPage)
      for (; page !== undefined && slot < pageEnd; slot++) {
        const at = (slot % slotsPerPage) * numbersPerSlot
        count += page[at]!
        low = (low + page[at + 1]!) >>> 0
        high = (high + page[at + 2]!) >>> 0
      }
      slot = pageEnd
    }
    return { count, low, high }
  }

  damaged(first: number, end: number): Uint8Array[] {
    const positions: Uint8Array[] = []
    for (const position of this.#damaged.values()) {
      const slot = slotOf(position)
      if (slot >= first && slot < end) positions.push(position)
    }
    return positions
  }

  /** A record is met that was there all the time. */
  count(head: Fingerprinted): void {
    this.#change(slotOf(head.position), 1, fingerprintOf(head))
  }

  /** A record is there that was not. Whatever was damaged under its position is no more. */
  add(head: Fingerprinted): void {
    this.#damaged.delete(nameOf(head.position))
    this.count(head)
  }

  /** A record that was there is not; where it is damaged, only that is forgotten. */
  remove(head: Fingerprinted): void {
    if (this.#damaged.delete(nameOf(head.position))) return
    const { low, high } = fingerprintOf(head)
    this.#change(slotOf(head.position), -1, { low: -low, high: -high })
  }

  /** A record that is counted was found damaged, and what it was is known still. */
  damage(head: Fingerprinted): void {
    if (this.isDamaged(head.position)) return
    this.remove(head)
    this.noteDamaged(head.position)
  }

  /** A damaged record that is not counted, or of which it is not known what it was: then `setSlot` must follow. */
  noteDamaged(position: Uint8Array): void {
    this.#damaged.set(nameOf(position), new Uint8Array(position))
  }

  /** What was damaged has been replaced; what is there now, if anything, is counted. */
  noteRepaired(position: Uint8Array): void {
    this.#damaged.delete(nameOf(position))
  }

  isDamaged(position: Uint8Array): boolean {
    return this.#damaged.size > 0 && this.#damaged.has(nameOf(position))
  }

  /** Replaces what a slot counts. */
  setSlot(slot: number, { count, low, high }: FingerprintSum): void {
    this.#page(slot).set([count, low, high], (slot % slotsPerPage) * numbersPerSlot)
  }

  clear(): void {
    this.#pages = emptyPages()
    this.#damaged.clear()
  }

  #change(slot: number, count: number, { low, high }: Fingerprint): void {
    const page = this.#page(slot)
    const at = (slot % slotsPerPage) * numbersPerSlot
    // The array keeps each modulo 2^32.
    page[at] = page[at]! + count
    page[at + 1] = page[at + 1]! + low
    page[at + 2] = page[at + 2]! + high
  }

  #page(slot: number): Uint32Array {
    return (this.#pages[Math.floor(slot / slotsPerPage)] ??= new Uint32Array(slotsPerPage * numbersPerSlot))
  }
}

function resolved(): PromiseWithResolvers<undefined> {
  const resolvers = Promise.withResolvers<undefined>()
  resolvers.resolve(undefined)
  return resolvers
}

function emptyPages(): Array<Uint32Array | undefined> {
  return new Array<Uint32Array | undefined>(slotCount / slotsPerPage).fill(undefined)
}

function nameOf(position: Uint8Array): string {
  return Buffer.from(position.buffer, position.byteOffset, position.byteLength).toString('latin1')
}
