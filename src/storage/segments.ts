/** How a range of the ring, which may wrap, lies in a store ordered by position; used by every store. */
import type { Range } from '../core/ring/range.ts'
import { slotCount } from '../core/record/fingerprints.ts'
import { comparePositions, positionBytes } from '../core/ring/position.ts'

/** Positions above `above` and up to `upTo`; an end that is left out is that of all positions. */
export interface Segment {
  readonly above?: Uint8Array
  readonly upTo?: Uint8Array
}

/** The range (after `after`, a position in it) as one or two segments, in ring order. */
export function segmentsOf({ start, end }: Range, after?: Uint8Array): Segment[] {
  const wraps = comparePositions(start, end) >= 0
  if (!wraps) return [{ above: after ?? start, upTo: end }]
  const pastZero = after !== undefined && comparePositions(after, end) <= 0
  return pastZero ? [{ above: after, upTo: end }] : [{ above: after ?? start }, { upTo: end }]
}

/** The positions in the slots from `first` to before `end`. */
export function segmentOfSlots(first: number, end: number): Segment {
  return {
    ...(first === 0 ? {} : { above: lastInSlot(first - 1) }),
    ...(end === slotCount ? {} : { upTo: lastInSlot(end - 1) })
  }
}

function lastInSlot(slot: number): Uint8Array {
  const position = new Uint8Array(positionBytes).fill(0xff)
  position[0] = slot >>> 8
  position[1] = slot & 0xff
  return position
}
