/**
 * What a transition asks of its members before it may close. Pure functions of the two rings; used by the
 * topology (who must report), by movement (what to pull, from whom) and by the decision to close.
 *
 * Every write that was acknowledged before the transition lies on a quorum of q of a range's n replicas in
 * the ring before, so whoever pulls from n - q + 1 of them meets at least one that has it. A write that is
 * acknowledged later was counted in both rings. When n shrinks, a quorum of the smaller ring could consist of
 * members that all missed a write, so there every member pulls.
 */
import type { MemberId } from '../member.ts'
import { difference, partition, type Reassignment } from '../ring/difference.ts'
import { rangeBetween, type Range } from '../ring/range.ts'
import { includesMember } from './shapes.ts'
import type { Member, Topology } from './topology.ts'

/** A range that a member takes. */
export interface Duty {
  readonly range: Range
  /** Its replicas in the ring before; the member itself where it is one. */
  readonly sources: readonly Member[]
  /**
   * With how many of the sources the range must be reconciled, the member itself counted where it is one. Fewer than
   * `pullCount` of them: with so many of those that were not given up.
   */
  readonly needed: number
}

/** Of how many of a range's n replicas every quorum holds at least one: n - q + 1 with q = floor(n/2) + 1. */
export function pullCount(replicas: number): number {
  return replicas - Math.floor(replicas / 2)
}

/** From how many of these replicas to pull; fewer only where copies were given up (accept loss). */
export function neededOf(sources: readonly Member[]): number {
  return Math.min(pullCount(sources.length), sources.filter(source => !source.lost).length)
}

/** The members that must report before the transition closes, in the order of peer id. */
export function takersOf(topology: Topology): readonly Member[] {
  const { after } = topology
  if (after === undefined) return []
  if (shrinks(topology)) return after.members
  const takers = new Set(segmentsToTake(topology).flatMap(({ before, after: next }) => without(next, before)))
  return after.members.filter(member => takers.has(member))
}

/** What a member has to take before it may report; empty where it takes nothing or no transition is open. */
export function dutiesOf(topology: Topology, id: MemberId): Duty[] {
  const member = topology.member(id)
  if (member === undefined || topology.after === undefined) return []
  const everyone = shrinks(topology)
  const duties: Duty[] = []
  for (const { range, before, after } of segmentsToTake(topology)) {
    // Rings of one topology hold the same members: that they are the same object is quick to see.
    if (after.includes(member) && (everyone || !before.includes(member))) append(duties, range, before)
  }
  return joinEnds(duties)
}

const known = new WeakMap<Topology, ReadonlyArray<Reassignment<Member>>>()

/** Where somebody takes something, of a transition. Computed once for each topology: all its members ask. */
function segmentsToTake(topology: Topology): ReadonlyArray<Reassignment<Member>> {
  const { before, after = before, replicas } = topology
  const segments =
    known.get(topology) ?? (shrinks(topology) ? partition : difference)(before, after, replicas)
  known.set(topology, segments)
  return segments
}

function without(members: readonly Member[], others: readonly Member[]): Member[] {
  return members.filter(member => !others.includes(member))
}

/** Whether a key has fewer replicas after than before. */
function shrinks({ before, after = before, replicas }: Topology): boolean {
  return Math.min(replicas, after.members.length) < Math.min(replicas, before.members.length)
}

/** Adds a range, to the one before it where they touch and have the same sources. */
function append(duties: Duty[], range: Range, sources: readonly Member[]): void {
  const last = duties.at(-1)
  if (last !== undefined && touches(last, { range, sources })) {
    duties[duties.length - 1] = { ...last, range: rangeBetween(last.range.start, range.end) }
  } else {
    duties.push({ range, sources, needed: neededOf(sources) })
  }
}

/** The walk around the ring starts somewhere: what it cut there is one range again. */
function joinEnds(duties: Duty[]): Duty[] {
  const first = duties[0]
  const last = duties.at(-1)
  if (first === undefined || last === undefined || first === last || !touches(last, first)) return duties
  const joined = { ...last, range: rangeBetween(last.range.start, first.range.end) }
  return [...duties.slice(1, -1), joined]
}

function touches(a: { range: Range; sources: readonly Member[] }, b: typeof a): boolean {
  return (
    Buffer.compare(a.range.end, b.range.start) === 0 &&
    a.sources.length === b.sources.length &&
    a.sources.every(source => includesMember(b.sources, source))
  )
}
