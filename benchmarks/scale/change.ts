/** What a join costs each member before it can serve at the new epoch: no network, no disk, no other peers. */
import { maxMembers } from '../../src/core/limits.ts'
import { Domains } from '../../src/core/movement/domains.ts'
import { Ring } from '../../src/core/ring/ring.ts'
import { applyEntry, openEntry } from '../../src/core/topology/entry.ts'
import type { Topology } from '../../src/core/topology/topology.ts'
import { ownProcessorMs } from '../harness/processor-time.ts'
import { median } from '../harness/ratios.ts'
import { memberOf, membersOf } from '../ring/made-up.ts'
import { usedBytes } from './memory.ts'

/** Joins measured, each to the same members. */
const joins = 7

const replicas = 3

/** Whatever key is asked for: the first lookup makes all that lookups need. */
const position = new Uint8Array(32)

export interface ChangeCost {
  /** With the one that joins. */
  readonly members: number
  /** Processor ms until the new ring answers for keys; the median. */
  readonly ringMs: number
  /**
   * Processor ms for all that a member does by itself to follow the log by that entry: the topology, both rings, what it
   * shares with whom and what is foreign; undefined above the limit of members.
   */
  readonly followMs: number | undefined
  /** Memory of one ring. */
  readonly ringBytes: number
}

export async function changeCost(members: number): Promise<ChangeCost> {
  const before = await usedBytes()
  const ring = Ring.of(membersOf(members - 1))
  ring.replicas(position, replicas)
  const ringBytes = (await usedBytes()) - before
  const ringMs = measured(join => ring.with({ add: [memberOf(members + join)] }).replicas(position, replicas))
  const followMs = members <= maxMembers ? measured(following(members)) : undefined
  return { members, ringMs, followMs, ringBytes }
}

function measured(act: (join: number) => unknown): number {
  const took = Array.from({ length: joins }, (_, join) => {
    const beganMs = ownProcessorMs()
    act(join)
    return ownProcessorMs() - beganMs
  })
  return median(took)!
}

/** What a member does when it learns of the entry that lets another one join. */
function following(members: number): (join: number) => unknown {
  const topology = topologyOf(members - 1)
  const self = memberOf(0)
  const domains = made(new Domains(topology, self))
  return join => {
    const entry = openEntry(topology.epoch + 1, { joins: [memberOf(members + join)] })
    return made(new Domains(applyEntry(topology, entry), self, domains))
  }
}

function topologyOf(count: number): Topology {
  const [founder, ...others] = membersOf(count)
  const settings = { clusterId: '0123456789abcdef0123456789abcdef', network: 'scale', replicas }
  const founded = applyEntry(undefined, { kind: 'found', epoch: 1, ...settings, founder: founder! })
  return applyEntry(applyEntry(founded, openEntry(2, { joins: others })), { kind: 'close', epoch: 3 })
}

/** Domains, and the rings that they follow from, are made when they are first asked for. */
function made(domains: Domains): Domains {
  const { shared, foreign, duties, topology } = domains
  for (const ring of topology.rings) ring.replicas(position, replicas)
  if (shared.length + duties.length === 0 && foreign === undefined)
    throw new Error('there is nothing to share')
  return domains
}
