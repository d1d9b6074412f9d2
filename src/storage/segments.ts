/** How a range of the ring, which may wrap, lies in a store ordered by position; used by every store. */
import type { Range } from '../core/ring/range.ts'
import { comparePositions } from '../core/ring/position.ts'

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
