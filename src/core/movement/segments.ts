/** The ring cut into segments that have the same replicas throughout, by the rings in force. */
import type { Member, Topology } from '../topology/topology.ts'
import { partition, type Reassignment } from '../ring/difference.ts'

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
