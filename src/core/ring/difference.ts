/**
 * What changes hands from one ring to another, range by range. Movement plans by it, transitions learn from
 * it who takes what, and `plan` on the command line shows it before it is made.
 *
 *     before   ----a-----------b---------c----
 *     after    ----a-----d-----b---------c----     d joins: with one copy, (a, d] moves from b to d
 *
 * Both rings are walked at once, from each token of either to the next; between two, neither changes.
 */
import { memberKey, type RingMember } from '../member.ts'
import type { Layout } from './layout.ts'
import { comparePositionsAt, positionBytes } from './position.ts'
import { wholeRing, type Range } from './range.ts'
import { rowHas, sameRow, type ReplicaTable } from './replica-table.ts'
import type { Ring } from './ring.ts'

/** A range and who replicates it in each of two rings, in the order of `Ring.replicas`. */
export interface Reassignment<M extends RingMember> {
  readonly range: Range
  /** Empty where the ring before is. */
  readonly before: readonly M[]
  /** Empty where the ring after is. */
  readonly after: readonly M[]
}

/** Neighbouring segments with the same two rows. Boundaries are counted through `before` and on through `after`. */
export interface Stretch {
  /** A segment of each ring that the stretch lies in. */
  readonly before: number
  readonly after: number
  /** The boundary it begins behind; replaced where the ring's first stretch goes on from its last. */
  start: number
  end: number
}

/**
 * The whole ring, each position once, in ranges throughout which both rings keep their replicas, in ring
 * order; neighbours differ in one list at least. `count` is the replication factor: each ring has as many
 * replicas of that as it has members.
 */
export function partition<M extends RingMember>(
  before: Ring<M>,
  after: Ring<M>,
  count: number
): Reassignment<M>[] {
  const rings = new RingPair(before, after, count)
  return rings.stretches().map(stretch => rings.reassignment(stretch))
}

/** Those ranges of `partition` whose sets of replicas differ, by peer id and life. */
export function difference<M extends RingMember>(
  before: Ring<M>,
  after: Ring<M>,
  count: number
): Reassignment<M>[] {
  const rings = new RingPair(before, after, count)
  const changed = rings.stretches().filter(stretch => !rings.sameSets(stretch))
  return changed.map(stretch => rings.reassignment(stretch))
}

/** For partition.ts too. */
export class RingPair<M extends RingMember> {
  readonly #before: Ring<M>
  readonly #after: Ring<M>
  readonly #count: number
  readonly #beforeTable: ReplicaTable
  readonly #afterTable: ReplicaTable
  /** For each member of the ring before, its index in the ring after, or -1. */
  readonly #counterparts: Int32Array

  constructor(before: Ring<M>, after: Ring<M>, count: number) {
    this.#before = before
    this.#after = after
    this.#count = count
    this.#beforeTable = before.replicaTable(count)
    this.#afterTable = after.replicaTable(count)
    const indexes = new Map(after.members.map((member, index) => [memberKey(member), index]))
    this.#counterparts = Int32Array.from(before.members, member => indexes.get(memberKey(member)) ?? -1)
  }

  stretches(): Stretch[] {
    const stretches: Stretch[] = []
    let last: Stretch | undefined
    this.#walk((before, after, end) => {
      if (last !== undefined && this.#sameRows(last, { before, after })) {
        last.end = end
        return
      }
      // The first begins behind the last boundary of all, which is known in the end.
      last = { before, after, start: last?.end ?? 0, end }
      stretches.push(last)
    })
    const first = stretches[0]
    if (first === undefined || last === undefined) return [{ before: 0, after: 0, start: 0, end: 0 }]
    first.start = last.end
    if (first !== last && this.#sameRows(first, last)) {
      first.start = last.start
      stretches.pop()
    }
    return stretches
  }

  reassignment({ before, after, start, end }: Stretch): Reassignment<M> {
    return {
      range: this.#range(start, end),
      before: this.#before.replicasOfSegment(before, this.#count),
      after: this.#after.replicasOfSegment(after, this.#count)
    }
  }

  /** Whether the same members replicate a stretch in both rings, in whatever order. */
  sameSets({ before, after }: Stretch): boolean {
    const { width, rows } = this.#beforeTable
    if (width !== this.#afterTable.width) return false
    for (let i = before * width; i < (before + 1) * width; i++) {
      if (!rowHas(this.#afterTable, after, this.#counterparts[rows[i]!]!)) return false
    }
    return true
  }

  /** Visits each boundary once, in ring order, with the segments of both rings that end there or lie across it. */
  #walk(visit: (before: number, after: number, boundary: number) => void): void {
    const a = this.#before.layout
    const b = this.#after.layout
    let i = 0
    let j = 0
    while (i < a.size || j < b.size) {
      const order = compareTokens(a, i, b, j)
      // Behind its last token a ring is in segment 0 again.
      visit(i < a.size ? i : 0, j < b.size ? j : 0, order <= 0 ? i : a.size + j)
      if (order <= 0) i = a.segmentAfter(i)
      if (order >= 0) j = b.segmentAfter(j)
    }
  }

  /** A ring without boundaries, or with one replica list throughout, is one range. */
  #range(start: number, end: number): Range {
    return start === end ? wholeRing : { start: this.#boundary(start), end: this.#boundary(end) }
  }

  #boundary(index: number): Uint8Array {
    const { layout } = this.#before
    return index < layout.size ? layout.token(index) : this.#after.layout.token(index - layout.size)
  }

  #sameRows(a: { before: number; after: number }, b: { before: number; after: number }): boolean {
    return sameRow(this.#beforeTable, a.before, b.before) && sameRow(this.#afterTable, a.after, b.after)
  }
}

/** Compares tokens of two layouts; one behind the last comes after all. */
function compareTokens(a: Layout, i: number, b: Layout, j: number): number {
  if (i === a.size) return 1
  if (j === b.size) return -1
  return comparePositionsAt(a.positions, i * positionBytes, b.positions, j * positionBytes)
}
