/** The ring cut into segments that have the same replicas throughout, by the rings in force. */
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

/** Adds a range to some, as one with the last where they touch: ranges that come in ring order stay few. */
export function appendRange(ranges: Range[], range: Range): void {
  const last = ranges.at(-1)
  if (last === undefined || comparePositions(last.end, range.start) !== 0) ranges.push(range)
  else ranges[ranges.length - 1] = rangeBetween(last.start, range.end)
}
