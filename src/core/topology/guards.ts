/**
 * What must hold before a member is removed against its will: enough of the others are there, as seen from
 * here. Pure functions, used by decide.ts.
 */
import { Partition } from '../ring/partition.ts'
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
  const uncounted = new Set(before.members.filter(member => !isCounted(member)))
  if (uncounted.size === 0) return undefined
  const segments = new Partition(before, before, replicas)
  const missing = new Set<string>()
  let ranges = 0
  // Only where one of these is a replica can too few be left.
  for (const number of new Set([...uncounted].flatMap(member => [...segments.placesOf(member)]))) {
    const { before: held } = segments.at(number)
    if (held.filter(member => !uncounted.has(member)).length >= neededOf(held)) continue
    ranges++
    for (const member of held) if (uncounted.has(member)) missing.add(member.peerId)
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
