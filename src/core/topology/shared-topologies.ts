/**
 * Topologies that equal ones share (see shared.ts), each with its encoding. Used by log.ts for whatever it holds, so
 * that peers of one process that are at the same epoch hold the same object.
 */
import { Topology as WireTopology } from '../../wire/generated/messages.ts'
import { topologyFromWire, topologyToWire } from './codec.ts'
import { applyEntry, checkEntry } from './entry.ts'
import type { KeptEntry } from './kept-entry.ts'
import { Shared } from './shared.ts'
import type { Topology } from './topology.ts'

const topologies = new Shared<Topology>()
const encodings = new WeakMap<Topology, Uint8Array>()

/** What entries have made of topologies: the same one makes the same of it at every peer. */
const outcomes = new WeakMap<Topology, WeakMap<KeptEntry, Topology>>()

/** The topology that all use who have an equal one. */
export function sharedTopology(topology: Topology): Topology {
  const bytes = WireTopology.encode(topologyToWire(topology))
  return topologies.one(bytes, () => {
    encodings.set(topology, bytes)
    return topology
  })
}

/** Throws where the bytes are no topology. */
export function topologyFromBytes(bytes: Uint8Array): Topology {
  return topologies.one(bytes, () => {
    const topology = topologyFromWire(WireTopology.decode(bytes))
    encodings.set(topology, bytes)
    return topology
  })
}

/** A topology as it lies on disk; not to be changed. */
export function encodingOf(topology: Topology): Uint8Array {
  return encodings.get(topology) ?? WireTopology.encode(topologyToWire(topology))
}

/** What an entry makes of a topology (undefined: none yet), or in words why it may not follow. */
export function outcomeOf(topology: Topology | undefined, kept: KeptEntry): Topology | string {
  const known = topology === undefined ? undefined : outcomes.get(topology)?.get(kept)
  if (known !== undefined) return known
  const reason = checkEntry(topology, kept.entry)
  if (reason !== undefined) return reason
  const outcome = sharedTopology(applyEntry(topology, kept.entry))
  if (topology !== undefined) {
    const ofThis = outcomes.get(topology) ?? new WeakMap<KeptEntry, Topology>()
    outcomes.set(topology, ofThis.set(kept, outcome))
  }
  return outcome
}
