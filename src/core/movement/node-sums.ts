/**
 * The fingerprint of what a store holds in a node of the slot tree and in a domain: both ends of a session ask
 * here. Whole slots cost next to nothing. Where a domain has a part of a slot, the heads there are read once,
 * and again only when something in the slot has changed.
 */
import type { Store } from '../ports.ts'
import {
  fingerprintOf,
  type FingerprintSum,
  noRecords,
  plus,
  plusOne,
  sameSum
} from '../record/fingerprint.ts'
import { slotOf } from '../record/fingerprints.ts'
import type { RecordHead } from '../record/record.ts'
import { comparePositions } from '../ring/position.ts'
import type { Range } from '../ring/range.ts'
import type { Domain, DomainPart } from './domain.ts'
import type { SlotSpan } from './slot-tree.ts'

/** Heads read at a time. */
const headsPerRead = 1024

/** What the part of a slot summed up to, when the whole slot stood as the tag says. */
interface PartSum {
  readonly tag: FingerprintSum
  readonly sum: FingerprintSum
}

export class NodeSums {
  readonly #store: Store
  readonly #partSums = new WeakMap<Domain, Map<number, PartSum>>()

  constructor(components: { readonly store: Store }) {
    this.#store = components.store
  }

  /** What is held in these slots and in the domain. */
  async sum(domain: Domain, slots: SlotSpan): Promise<FingerprintSum> {
    let sum = noRecords
    for (const part of domain.within(slots)) {
      sum = plus(
        sum,
        part.parts === undefined
          ? this.#store.fingerprints.sum(part.first, part.end)
          : await this.#sumOfPart(domain, part)
      )
    }
    return sum
  }

  /** The heads there, from position zero on; not those of damaged records. */
  async *heads(
    domain: Domain,
    slots: SlotSpan,
    after?: Uint8Array
  ): AsyncGenerator<RecordHead, void, undefined> {
    const from = after === undefined ? slots : { first: slotOf(after), end: slots.end }
    for (const range of domain.rangesWithin(from)) {
      const rest = after === undefined ? range : restAfter(range, after)
      if (rest !== undefined) yield* this.#headsIn(rest)
    }
  }

  /** The slots there in which a record of the domain is damaged, in order. */
  damagedSlots(domain: Domain, { first, end }: SlotSpan): number[] {
    const slots = new Set<number>()
    for (const position of this.#store.fingerprints.damaged(first, end)) {
      if (domain.has(position)) slots.add(slotOf(position))
    }
    return [...slots].sort((a, b) => a - b)
  }

  async #sumOfPart(domain: Domain, { first, end, parts }: DomainPart): Promise<FingerprintSum> {
    const tag = this.#store.fingerprints.sum(first, end)
    if (tag.count === 0) return noRecords
    const known = this.#partSums.get(domain) ?? new Map<number, PartSum>()
    this.#partSums.set(domain, known)
    const last = known.get(first)
    if (last !== undefined && sameSum(last.tag, tag)) return last.sum
    let sum = noRecords
    for (const range of parts ?? []) {
      for await (const head of this.#headsIn(range)) sum = plusOne(sum, fingerprintOf(head))
    }
    // What changed meanwhile may be in the sum or not: right enough to compare now, but not to be kept.
    if (sameSum(this.#store.fingerprints.sum(first, end), tag)) known.set(first, { tag, sum })
    return sum
  }

  async *#headsIn(range: Range): AsyncGenerator<RecordHead, void, undefined> {
    let after: Uint8Array | undefined
    for (;;) {
      const heads = await this.#store.heads(range, { limit: headsPerRead, ...(after && { after }) })
      yield* heads
      if (heads.length < headsPerRead) return
      after = heads.at(-1)!.position
    }
  }
}

/** What of a range of a domain comes after a position, counted from position zero. */
function restAfter({ start, end }: Range, after: Uint8Array): Range | undefined {
  if (comparePositions(end, after) <= 0) return undefined
  const isFromZero = comparePositions(start, end) >= 0
  return { start: isFromZero || comparePositions(start, after) < 0 ? after : start, end }
}
