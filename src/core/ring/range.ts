/**
 * A range of the ring: the positions in (start, end], clockwise, which may wrap. Equal ends: the whole ring.
 * There is no empty range: where nothing is meant, there is no range.
 */
import { comparePositions, positionBytes, prefixAt } from './position.ts'

export interface Range {
  /** 32 bytes, not in the range. */
  readonly start: Uint8Array
  /** 32 bytes, in the range. */
  readonly end: Uint8Array
}

/** Every position. What a whole ring is always written as by the functions of this folder. */
export const wholeRing: Range = {
  start: new Uint8Array(positionBytes),
  end: new Uint8Array(positionBytes)
}

export function isWholeRing(range: Range): boolean {
  return comparePositions(range.start, range.end) === 0
}

/** Whether a position lies in a range. */
export function contains(range: Range, position: Uint8Array): boolean {
  const afterStart = comparePositions(position, range.start) > 0
  const upToEnd = comparePositions(position, range.end) <= 0
  const wraps = comparePositions(range.start, range.end) >= 0
  return wraps ? afterStart || upToEnd : afterStart && upToEnd
}

/** The range from one token to another: the whole ring, in its one spelling, where they are the same. */
export function rangeBetween(start: Uint8Array, end: Uint8Array): Range {
  return comparePositions(start, end) === 0 ? wholeRing : { start, end }
}

export function sameRange(a: Range, b: Range): boolean {
  return comparePositions(a.start, b.start) === 0 && comparePositions(a.end, b.end) === 0
}

/** How much of the ring a range is, from 0 to 1, to the precision of a double. */
export function widthOf(range: Range): number {
  if (isWholeRing(range)) return 1
  const width = fraction(range.end) - fraction(range.start)
  return comparePositions(range.start, range.end) > 0 ? width + 1 : width
}

function fraction(position: Uint8Array): number {
  return prefixAt(position, 0) / 2 ** 32 + prefixAt(position, 4) / 2 ** 64
}
