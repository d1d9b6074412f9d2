/**
 * What must hold before a member is removed against its will: enough of the others are there, as seen from
 * here. Pure functions, used by decide.ts.
 */
import { partition } from '../ring/difference.ts'
import { neededOf } from './transition.ts'
import type { Member, Topology } from './topology.ts'

/** Ranges of which too few replicas are left to pull everything that was acknowledged. */
export interface Risk {
  readonly ranges: number
  /** Peer ids of the replicas of those ranges that cannot be counted on, in order. */
  readonly missing: readonly string[]
}

/** The ranges of the ring in force with fewer than n - q + 1 replicas that can be counted on, if there are any. */
export function riskOf(topology: Topology, isCounted: (member: Member) => boolean): Risk | undefined {
  const { before, replicas } = topology
  const counted = new Set(before.members.filter(isCounted))
  const missing = new Set<string>()
  let ranges = 0
  for (const segment of partition(before, before, replicas)) {
    const there = segment.before.filter(member => counted.has(member)).length
    if (there >= neededOf(segment.before)) continue
    ranges++
    for (const member of segment.before) if (!counted.has(member)) missing.add(member.peerId)
  }
  return ranges === 0 ? undefined : { ranges, missing: [...missing].sort() }
}

/** Whether more than half of these members can be counted on: who sees fewer may itself be the one cut off. */
export function seesMost(members: readonly Member[], isCounted: (member: Member) => boolean): boolean {
  return members.filter(isCounted).length * 2 > members.length
}

/** A risk in words. */
export function describeRisk({ ranges, missing }: Risk): string {
  return `${ranges} ranges would have too few copies left; missing are ${missing.join(', ')}`
}
