/**
 * The least that a change of the ring has to move: each range that a member is to replicate and does not yet, and
 * whom it displaces there. Pure, so that tests and benchmarks hold what was really copied against it; the plan of
 * a change counts the records in it.
 *
 *     before   b c d | e      (a, x] is replicated by b, c, d
 *     after    b n c | d e    n joins: it takes (a, x], and displaces d
 */
import { lastingKey, type RingMember } from '../member.ts'
import { difference } from '../ring/difference.ts'
import type { Layout } from '../ring/layout.ts'
import { comparePositions } from '../ring/position.ts'
import { contains, widthOf, type Range } from '../ring/range.ts'
import type { Ring } from '../ring/ring.ts'

/** One copy of all that lies in a range. */
export interface Move<M extends RingMember> {
  readonly range: Range
  /** The replica that `to` displaces; where it displaces none, the first that there is. */
  readonly from: M
  /** Replicates the range in the ring after, and not in the ring before. */
  readonly to: M
}

/**
 * All moves from one ring to another, in ring order. `replicas` is the replication factor. Where a ring is empty
 * nothing can move.
 */
export function movesOf<M extends RingMember>(before: Ring<M>, after: Ring<M>, replicas: number): Move<M>[] {
  return difference(before, after, replicas).flatMap(segment => {
    const displaced = without(segment.before, segment.after)
    return without(segment.after, segment.before).flatMap((to, i) => {
      const from = displaced[i] ?? segment.before[0]
      return from === undefined ? [] : [{ range: segment.range, from, to }]
    })
  })
}

/** The share of all copies that moves, from 0 to 1, where each position has so many copies in the end. */
export function shareOf(moves: readonly { readonly range: Range }[], copies: number): number {
  return moves.reduce((sum, { range }) => sum + widthOf(range), 0) / copies
}

/** A range in pieces, in ring order, each of which lies in one segment of a layout. */
export function cutAt(layout: Layout, { start, end }: Range): Range[] {
  const pieces: Range[] = []
  let from = start
  let segment = layout.segmentOf(start)
  for (let i = 0; i < layout.size; i++) {
    const token = layout.token(segment)
    segment = (segment + 1) % layout.size
    if (comparePositions(token, from) === 0) continue
    if (!contains({ start: from, end }, token) || comparePositions(token, end) === 0) break
    pieces.push({ start: from, end: token })
    from = token
  }
  pieces.push({ start: from, end })
  return pieces
}

function without<M extends RingMember>(members: readonly M[], others: readonly M[]): M[] {
  const names = new Set(others.map(lastingKey))
  return members.filter(member => !names.has(lastingKey(member)))
}
