/**
 * What a session between two members is about: some ranges of the ring, which both work out from the topology
 * and never send. Ranges end at tokens, and so amid slots: a domain is whole slots, whose sums the store
 * keeps, and parts of slots, which have to be looked into.
 *
 *     slots       | 41      | 42      | 43      | 44      |
 *     ranges           (------------------]   (---]
 *     domain        part      whole     part
 */
import { slotCount, slotOf } from '../record/fingerprints.ts'
import { comparePositions, positionBytes } from '../ring/position.ts'
import { contains, isWholeRing, sameRange, type Range } from '../ring/range.ts'
import type { SlotSpan } from './slot-tree.ts'

/** Whole slots, or the parts of one slot in these ranges, which do not wrap and come in ring order. */
export interface DomainPart extends SlotSpan {
  readonly parts: readonly Range[] | undefined
}

export class Domain {
  /** As they were given. */
  readonly ranges: readonly Range[]
  #partsMade: readonly DomainPart[] | undefined

  /** The ranges must not overlap. */
  constructor(ranges: readonly Range[]) {
    this.ranges = ranges
  }

  /** In the order of their slots, each slot at most once. Made when first needed: most domains of a topology never are. */
  get #parts(): readonly DomainPart[] {
    return (this.#partsMade ??= partsOf(this.ranges))
  }

  /** Whether it is about the same positions as another one that was put together in ring order too. */
  isSame(other: Domain): boolean {
    const { ranges } = this
    return (
      other === this ||
      (ranges.length === other.ranges.length &&
        ranges.every((range, i) => sameRange(range, other.ranges[i]!)))
    )
  }

  /** What of it lies in some slots. */
  *within({ first, end }: SlotSpan): Generator<DomainPart, void, undefined> {
    const parts = this.#parts
    for (let i = firstEndingAfter(parts, first); i < parts.length; i++) {
      const part = parts[i]!
      if (part.first >= end) return
      yield { first: Math.max(part.first, first), end: Math.min(part.end, end), parts: part.parts }
    }
  }

  touches(slots: SlotSpan): boolean {
    return this.within(slots).next().done !== true
  }

  /** The same as ranges, from position zero on. Only one that begins there has a start behind its end. */
  *rangesWithin(slots: SlotSpan): Generator<Range, void, undefined> {
    for (const { first, end, parts } of this.within(slots)) {
      if (parts !== undefined) yield* parts
      else yield { start: lastPositionOf(first - 1), end: lastPositionOf(end - 1) }
    }
  }

  has(position: Uint8Array): boolean {
    const slot = slotOf(position)
    for (const { parts } of this.within({ first: slot, end: slot + 1 })) {
      return parts === undefined || parts.some(part => contains(part, position))
    }
    return false
  }
}

/** The index of the first part that ends behind a slot's beginning. */
function firstEndingAfter(parts: readonly DomainPart[], slot: number): number {
  let low = 0
  let high = parts.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (parts[middle]!.end <= slot) low = middle + 1
    else high = middle
  }
  return low
}

/** The slots that a range touches, a wrapping one's too. */
export function* slotsTouchedBy(range: Range): Generator<SlotSpan, void, undefined> {
  const first = slotOf(range.start)
  const last = slotOf(range.end)
  if (comparePositions(range.start, range.end) < 0) {
    yield { first, end: last + 1 }
    return
  }
  yield { first, end: slotCount }
  yield { first: 0, end: last + 1 }
}

/** The last position of a slot; of slot -1, behind position zero, that of the ring. */
function lastPositionOf(slot: number): Uint8Array {
  const position = new Uint8Array(positionBytes).fill(0xff)
  if (slot >= 0) position.set([slot >>> 8, slot & 0xff])
  return position
}

function partsOf(ranges: readonly Range[]): readonly DomainPart[] {
  const whole: SlotSpan[] = []
  const partial = new Map<number, Range[]>()
  const addPartial = (slot: number, part: Partial<Range>): void => {
    const range = { start: lastPositionOf(slot - 1), end: lastPositionOf(slot), ...part }
    // Behind a slot's last position there is nothing of it; written as a range, that would be the whole ring.
    if (isWholeRing(range)) return
    const parts = partial.get(slot) ?? []
    parts.push(range)
    partial.set(slot, parts)
  }
  for (const { start, end } of ranges.flatMap(unwrapped)) {
    const first = start === undefined ? -1 : slotOf(start)
    const last = end === undefined ? slotCount : slotOf(end)
    if (first === last) {
      // Both are there, as neither -1 nor the count is the slot of a position.
      addPartial(first, { start: start!, end: end! })
      continue
    }
    if (start !== undefined) addPartial(first, { start })
    if (end !== undefined) addPartial(last, { end })
    if (first + 1 < last) whole.push({ first: first + 1, end: last })
  }
  const parts: DomainPart[] = whole.map(span => ({ ...span, parts: undefined }))
  for (const [slot, inSlot] of partial) {
    inSlot.sort((a, b) => comparePositions(a.end, b.end))
    parts.push({ first: slot, end: slot + 1, parts: inSlot })
  }
  return parts.sort((a, b) => a.first - b.first)
}

/** A range as one or two stretches from position zero on, open where they begin or end with the ring. */
function unwrapped(range: Range): Array<{ start?: Uint8Array; end?: Uint8Array }> {
  if (isWholeRing(range)) return [{}]
  const { start, end } = range
  if (comparePositions(start, end) < 0) return [{ start, end }]
  return [{ end }, { start }]
}
