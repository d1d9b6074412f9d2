/**
 * Where a key lies at one epoch: its replicas in each ring in force, and in which order a coordinator asks
 * them. Also the little that a coordinator has to know of the topology.
 */
import { memberKey, sameMember, type MemberId } from '../member.ts'
import type { LatencyBook } from './latency.ts'

/** What a coordinator needs of a topology (see the topology folder for the whole of it). */
export interface RegisterTopology {
  readonly epoch: number
  /** The replication factor, N. */
  readonly replicas: number
  /** No write of this epoch has a stamp below this time, in microseconds as in versions; see topology/purge.ts. */
  readonly fence: number
  /** The rings in force: one, or two during a transition. */
  readonly rings: readonly RegisterRing[]
}

export interface RegisterRing {
  /** The first min(count, members) distinct members clockwise from a position. */
  replicas(position: Uint8Array, count: number): readonly MemberId[]
}

/** The log, as a coordinator sees it. */
export interface TopologySource {
  /** The topology now on disk; undefined while none is known. */
  readonly current: RegisterTopology | undefined
  /** Calls `listener` after each change of `current`, until the function returned is called. */
  onChange(listener: () => void): () => void
}

export type LivenessOf = (member: MemberId) => 'alive' | 'suspect' | 'down'

/** A replica of the key at hand. */
export interface Candidate {
  readonly member: MemberId
  /** Its `memberKey`. */
  readonly key: string
}

export interface Placement {
  readonly epoch: number
  /** No write at this placement has a stamp below this time. */
  readonly fence: number
  /** The keys of the replicas in each ring, clockwise. */
  readonly rings: ReadonlyArray<readonly string[]>
  /** The replicas in all rings, each once, the first to ask first. */
  readonly candidates: readonly Candidate[]
}

export interface Preferences {
  /** The member that coordinates, if it is one: asking itself is free. */
  readonly self: MemberId | undefined
  readonly livenessOf: LivenessOf
  readonly latency: LatencyBook
}

/**
 * The placement of a position. First to be asked is the coordinator itself; then the alive before the suspect
 * before the down; among these, members of both rings, whose answers count twice; among these, the fastest.
 */
export function placementOf(
  topology: RegisterTopology,
  position: Uint8Array,
  preferences: Preferences
): Placement {
  const rings: string[][] = []
  const ranked = new Map<string, Candidate & { readonly rank: number; readonly ms: number; rings: number }>()
  for (const ring of topology.rings) {
    const keys: string[] = []
    for (const member of ring.replicas(position, topology.replicas)) {
      const key = memberKey(member)
      keys.push(key)
      const known = ranked.get(key)
      if (known !== undefined) known.rings++
      else ranked.set(key, { member, key, rings: 1, ...standingOf(member, key, preferences) })
    }
    rings.push(keys)
  }
  const candidates = [...ranked.values()].sort((a, b) => a.rank - b.rank || b.rings - a.rings || a.ms - b.ms)
  return { epoch: topology.epoch, fence: topology.fence, rings, candidates }
}

const livenessRank = { alive: 1, suspect: 2, down: 3 } as const

function standingOf(
  member: MemberId,
  key: string,
  { self, livenessOf, latency }: Preferences
): { rank: number; ms: number } {
  if (self !== undefined && sameMember(self, member)) return { rank: 0, ms: 0 }
  return { rank: livenessRank[livenessOf(member)], ms: latency.expectedMs(key) }
}
