/**
 * After a time away a member may have missed writes: it pulls what it replicates from each of the other
 * replicas. Whoever cannot be reached, or is at another epoch, is left for later: quorums do without.
 */
import { memberKey, sameMember, type MemberId } from '../member.ts'
import type { Logger, Store } from '../ports.ts'
import type { Calls } from '../rpc-types.ts'
import type { Range } from '../ring/range.ts'
import type { Topology } from '../topology/topology.ts'
import { moved, type Progress } from './progress.ts'
import { pull } from './pull.ts'
import { appendRange, segmentsOf } from './segments.ts'

export interface RefreshComponents {
  readonly calls: Calls
  readonly store: Store
  readonly logger: Logger
  readonly isAlive: (member: MemberId) => boolean
}

export interface RefreshInit {
  readonly self: MemberId
  readonly topology: Topology
  /** Keys of the members to ask; all that share ranges with this one. */
  readonly toAsk: 'all' | ReadonlySet<string>
  readonly signal: AbortSignal
  readonly progress: Progress
}

/** Gives the keys of the members that could not be asked. Throws when the signal aborts. */
export async function refresh(
  components: RefreshComponents,
  init: RefreshInit
): Promise<ReadonlySet<string>> {
  const left = new Set<string>()
  for (const { member, ranges } of sharedRanges(init.topology, init.self)) {
    const key = memberKey(member)
    if (init.toAsk !== 'all' && !init.toAsk.has(key)) continue
    if (!components.isAlive(member)) {
      left.add(key)
      continue
    }
    try {
      await pull(components, {
        source: member,
        ranges,
        epoch: init.topology.epoch,
        signal: init.signal,
        onProgress: (records, bytes) => moved(init.progress, records, bytes)
      })
    } catch (error) {
      init.signal.throwIfAborted()
      components.logger.debug('could not refresh', { from: member.peerId, error: String(error) })
      left.add(key)
    }
  }
  return left
}

/** What this member replicates together with each of the others, in the ring before and the one after. */
function sharedRanges(topology: Topology, self: MemberId): { member: MemberId; ranges: Range[] }[] {
  const shared = new Map<string, { member: MemberId; ranges: Range[] }>()
  for (const { range, before, after } of segmentsOf(topology)) {
    const replicas = new Map([...before, ...after].map(member => [memberKey(member), member]))
    if (!replicas.delete(memberKey(self))) continue
    for (const [key, member] of replicas) {
      const entry = shared.get(key) ?? { member, ranges: [] }
      appendRange(entry.ranges, range)
      shared.set(key, entry)
    }
  }
  return [...shared.values()].filter(({ member }) => !sameMember(member, self))
}
