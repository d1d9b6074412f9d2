/** The ring cut into segments that have the same replicas throughout, by the rings in force. */
import type { Reassignment } from '../ring/difference.ts'
import { Partition } from '../ring/partition.ts'
import { comparePositions } from '../ring/position.ts'
import { rangeBetween, type Range } from '../ring/range.ts'
import type { Member, Topology } from '../topology/topology.ts'

const known = new WeakMap<Topology, Partition<Member>>()

/** Computed once for each topology. Without a transition, `after` is the same as `before`. */
export function segmentsOf(topology: Topology): Partition<Member> {
  let segments = known.get(topology)
  if (segments === undefined) {
    segments = new Partition(topology.before, topology.after ?? topology.before, topology.replicas)
    known.set(topology, segments)
  }
  return segments
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
