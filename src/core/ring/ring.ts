/**
 * A ring places keys on members by consistent hashing (Karger et al., STOC 1997) with virtual nodes (Chord,
 * SIGCOMM 2001, section 6.2; Dynamo, SOSP 2007, section 4.2). It is an immutable value and a function of the
 * set of its members alone, so all who know the members agree on the replicas of every key. The topology
 * holds the rings in force; coordinators, movement and status ask them.
 */
import { memberKey, sameMember, type MemberId, type RingMember } from '../member.ts'
import { Layout } from './layout.ts'
import { positionBytes } from './position.ts'
import { wholeRing, type Range } from './range.ts'
import { replicaTable, rowHas, type ReplicaTable } from './replica-table.ts'
import { sharedLayout } from './shared-layouts.ts'

/** What changes from one ring to the next. */
export interface RingChange<M extends RingMember> {
  readonly add?: readonly M[]
  readonly remove?: readonly MemberId[]
}

/** All that follows from a number of copies, kept since one ring is asked for the same number again and again. */
interface Placement<M> {
  readonly table: ReplicaTable
  /** The lists handed out so far, by segment. */
  readonly lists: Map<number, readonly M[]>
  /** Share of all copies of each member; worked out when first asked for. */
  shares: Float64Array | undefined
}

/** Placements kept per ring: a cluster uses one number of copies, the rest are the curious. */
const maxPlacements = 4

export class Ring<M extends RingMember> {
  /** Sorted by peer id, then life, by code units. */
  readonly members: readonly M[]
  /** The tokens, for difference.ts. */
  readonly layout: Layout
  readonly #placements = new Map<number, Placement<M>>()

  private constructor(members: readonly M[], from: Layout) {
    this.members = members
    this.layout = sharedLayout(from, members)
  }

  /**
   * The ring of these members, in whatever order they come. Throws an Error where two are of the same peer, a
   * peer id is not base58btc, or a vnode count is out of bounds. Some 0.4 ms per member of 128 vnodes, once.
   */
  static of<M extends RingMember>(members: readonly M[]): Ring<M> {
    return new Ring(sortMembers(members), Layout.empty)
  }

  /**
   * The ring with some members added and others removed; only what is added is hashed. To replace a life, do
   * both. Throws as `of` does, and where one to remove is not a member.
   */
  with({ add = [], remove = [] }: RingChange<M>): Ring<M> {
    const removed = new Set(remove.map(memberKey))
    const stay = this.members.filter(member => !removed.has(memberKey(member)))
    if (stay.length !== this.members.length - removed.size) {
      const stranger = remove.find(member => this.indexOf(member) < 0)!
      throw new Error(`${memberKey(stranger)} is to be removed from a ring it is not a member of`)
    }
    return new Ring(sortMembers([...stay, ...add]), this.layout)
  }

  /**
   * The replicas of a key at this position: the first `count` distinct members clockwise from it, or all
   * members where there are fewer. The same array for every position of a segment.
   */
  replicas(position: Uint8Array, count: number): readonly M[] {
    if (position.length !== positionBytes) {
      throw new Error(`a position has ${positionBytes} bytes, not ${position.length}`)
    }
    return this.replicasOfSegment(this.layout.segmentOf(position), count)
  }

  /** The replicas of a segment of the layout; none on an empty ring. */
  replicasOfSegment(segment: number, count: number): readonly M[] {
    const { table, lists } = this.#placement(count)
    const known = lists.get(segment)
    if (known !== undefined) return known
    const { width, rows } = table
    const row = rows.subarray(segment * width, (segment + 1) * width)
    const list = Array.from(row, index => this.members[index]!)
    lists.set(segment, list)
    return list
  }

  /** The replicas of all segments, by index of member; for difference.ts. */
  replicaTable(count: number): ReplicaTable {
    return this.#placement(count).table
  }

  /** The share of all copies that a member holds, from 0 to 1; the members' sum to 1. Strangers hold 0. */
  share(member: MemberId, count: number): number {
    const index = this.indexOf(member)
    if (index < 0) return 0
    const placement = this.#placement(count)
    placement.shares ??= sharesOf(this.layout, placement.table)
    return placement.shares[index]!
  }

  /** The ranges that a member replicates, as few as can be, in ring order; none for a stranger. */
  rangesOf(member: MemberId, count: number): Range[] {
    const index = this.indexOf(member)
    if (index < 0) return []
    const { layout } = this
    const { table } = this.#placement(count)
    const holds = (segment: number): boolean => rowHas(table, segment, index)
    const last = layout.size - 1
    const starts: number[] = []
    const ends: number[] = []
    for (let segment = 0; segment <= last; segment++) {
      const previous = segment === 0 ? last : segment - 1
      if (holds(segment) === holds(previous)) continue
      if (holds(segment)) starts.push(previous)
      else ends.push(previous)
    }
    if (starts.length === 0) return holds(0) ? [wholeRing] : []
    // What is held up to the last token goes on behind position zero: the first end is that of the last start.
    if (holds(last)) ends.push(ends.shift()!)
    return starts.map((start, i) => ({ start: layout.token(start), end: layout.token(ends[i]!) }))
  }

  /** The index of a member in `members`, or -1. */
  indexOf(member: MemberId): number {
    let low = 0
    let high = this.members.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.members[middle]!.peerId < member.peerId) low = middle + 1
      else high = middle
    }
    const found = this.members[low]
    return found !== undefined && sameMember(found, member) ? low : -1
  }

  #placement(count: number): Placement<M> {
    if (!Number.isInteger(count) || count < 1) {
      throw new Error(`a ring is asked for ${count} copies: a whole number from 1 on is allowed`)
    }
    const copies = Math.min(count, this.members.length)
    const known = this.#placements.get(copies)
    if (known !== undefined) return known
    if (this.#placements.size === maxPlacements) {
      const [oldest] = this.#placements.keys()
      this.#placements.delete(oldest!)
    }
    const made = { table: replicaTable(this.layout, copies), lists: new Map(), shares: undefined }
    this.#placements.set(copies, made)
    return made
  }
}

function sortMembers<M extends RingMember>(members: readonly M[]): M[] {
  const sorted = members.toSorted((a, b) => compareTexts(a.peerId, b.peerId) || compareTexts(a.life, b.life))
  for (let i = 1; i < sorted.length; i++) {
    if (sorted[i]!.peerId !== sorted[i - 1]!.peerId) continue
    throw new Error(
      `${memberKey(sorted[i - 1]!)} and ${memberKey(sorted[i]!)} are one peer: it can have one life`
    )
  }
  return sorted
}

function compareTexts(a: string, b: string): number {
  if (a === b) return 0
  return a < b ? -1 : 1
}

function sharesOf(layout: Layout, { width, rows }: ReplicaTable): Float64Array {
  const shares = new Float64Array(layout.places.length)
  for (let segment = 0; segment < layout.size; segment++) {
    const share = layout.width(segment) / width
    for (let i = segment * width; i < (segment + 1) * width; i++) shares[rows[i]!]! += share
  }
  return shares
}
