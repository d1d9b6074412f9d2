/** Where a key lies, as users are told. */
import type { Location } from '../api.ts'
import { formatPosition, positionOf } from './ring/position.ts'
import type { Topology } from './topology/topology.ts'

/** The replicas of a key, a list for each ring in force. */
export function locate(topology: Topology, key: Uint8Array): Location {
  const position = positionOf(key)
  return {
    key: new TextDecoder().decode(key),
    position: formatPosition(position),
    replicas: topology.rings.map(ring =>
      ring.replicas(position, topology.replicas).map(({ peerId }) => peerId)
    )
  }
}
