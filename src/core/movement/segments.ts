/** The ring cut into segments that have the same replicas throughout, by the rings in force. */
import type { MemberId } from '../member.ts'
import type { Member, Topology } from '../topology/topology.ts'
import { partition, type Reassignment } from '../ring/difference.ts'
import { comparePositions } from '../ring/position.ts'
import { rangeBetween, type Range } from '../ring/range.ts'

const known = new WeakMap<Topology, readonly Reassignment<Member>[]>()

/** Computed once for each topology. Without a transition, `after` is the same as `before`. */
export function segmentsOf(topology: Topology): readonly Reassignment<Member>[] {
  let segments = known.get(topology)
  if (segments === undefined) {
    segments = partition(topology.before, topology.after ?? topology.before, topology.replicas)
    known.set(topology, segments)
  }
  return segments
}

/** Of each member the numbers of its segments, all in one list: those of the i-th begin at `starts[i]`. */
interface Places {
  readonly indexes: ReadonlyMap<Member, number>
  readonly starts: Uint32Array
  readonly numbers: Uint32Array
}

const placesKnown = new WeakMap<Topology, Places>()

const nowhere = new Uint32Array()

/**
 * The numbers, in `segmentsOf` and in its order, of the segments that a member replicates in a ring in force: few of
 * all there are in a large cluster, of which each member would else look through all for its own.
 */
export function placesOf(topology: Topology, id: MemberId): Uint32Array {
  const places = placesKnown.get(topology) ?? findPlaces(topology)
  placesKnown.set(topology, places)
  const member = topology.member(id)
  const index = member === undefined ? undefined : places.indexes.get(member)
  return index === undefined
    ? nowhere
    : places.numbers.subarray(places.starts[index], places.starts[index + 1])
}

/** Counts first how many each member has, and then puts each behind those of the members before it. */
function findPlaces(topology: Topology): Places {
  const segments = segmentsOf(topology)
  const { members } = topology
  const indexes = new Map(members.map((member, index) => [member, index]))
  const starts = new Uint32Array(members.length + 1)
  for (const segment of segments) {
    for (const member of replicasOf(segment)) starts[indexes.get(member)! + 1]!++
  }
  for (let i = 1; i < starts.length; i++) starts[i]! += starts[i - 1]!
  const numbers = new Uint32Array(starts.at(-1)!)
  const next = starts.slice()
  for (const [number, segment] of segments.entries()) {
    for (const member of replicasOf(segment)) numbers[next[indexes.get(member)!]!++] = number
  }
  return { indexes, starts, numbers }
}

/** In the rings in force, each once. */
export function replicasOf({ before, after }: Reassignment<Member>): readonly Member[] {
  return before === after ? before : [...new Set([...before, ...after])]
}

/** Adds a range to some, as one with the last where they touch: ranges that come in ring order stay few. */
export function appendRange(ranges: Range[], range: Range): void {
  const last = ranges.at(-1)
  if (last === undefined || comparePositions(last.end, range.start) !== 0) ranges.push(range)
  else ranges[ranges.length - 1] = rangeBetween(last.start, range.end)
}
