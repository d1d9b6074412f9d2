/**
 * What a displaced peer does: a foreign record, one in no range that this member replicates in a ring in
 * force, is offered to all of its replicas, and dropped once every one of them has it on disk, if it is then
 * still foreign and unchanged.
 */
import { memberKey, sameMember, type MemberId } from '../member.ts'
import { maxBatchBytes } from '../limits.ts'
import type { Store } from '../ports.ts'
import type { RecordHead } from '../record/record.ts'
import type { Calls } from '../rpc-types.ts'
import type { Range } from '../ring/range.ts'
import type { Topology } from '../topology/topology.ts'
import { EpochMovedError } from './pull.ts'
import { segmentsOf } from './segments.ts'
import type { Progress } from './taker.ts'
import { toWireVersions } from './wire.ts'

/** Records offered at a time. */
const batchRecords = 256

/** How long one offer or push may take, in ms. */
const requestTimeoutMs = 10_000

export interface HandOverComponents {
  readonly calls: Calls
  readonly store: Store
  /** The topology in force now. */
  readonly topology: () => Topology | undefined
}

export interface HandOverInit {
  readonly self: MemberId
  readonly signal: AbortSignal
  readonly progress: Progress
}

/** Outcome of one pass over the store. */
export interface HandOverResult {
  readonly dropped: number
  /** Foreign records that stay until the next pass, because one of their replicas did not answer. */
  readonly kept: number
}

/** One pass over all foreign records. Throws when the signal aborts or the epoch moves: begin anew then. */
export async function handOver(components: HandOverComponents, init: HandOverInit): Promise<HandOverResult> {
  const topology = components.topology()
  if (topology === undefined) return { dropped: 0, kept: 0 }
  let dropped = 0
  let kept = 0
  for (const range of foreignRanges(topology, init.self)) {
    let after: Uint8Array | undefined
    for (;;) {
      const page = { limit: batchRecords }
      const heads = await components.store.heads(range, after === undefined ? page : { ...page, after })
      if (heads.length === 0) break
      const held = await offer(components, init, topology, heads)
      for (const head of heads) {
        if (held.has(head) && isForeign(components.topology(), init.self, head.position)) {
          if (await components.store.drop(head.position, head.version)) dropped++
        } else kept++
      }
      after = heads.at(-1)!.position
      if (heads.length < batchRecords) break
    }
  }
  return { dropped, kept }
}

/** The ranges that this member replicates in no ring in force. */
function foreignRanges(topology: Topology, self: MemberId): Range[] {
  return segmentsOf(topology)
    .filter(({ before, after }) => ![...before, ...after].some(member => sameMember(member, self)))
    .map(({ range }) => range)
}

function isForeign(topology: Topology | undefined, self: MemberId, position: Uint8Array): boolean {
  if (topology === undefined) return false
  return !replicasOf(topology, position).some(member => sameMember(member, self))
}

/** The replicas of a position in all rings in force, each once. */
function replicasOf(topology: Topology, position: Uint8Array): MemberId[] {
  const members = new Map<string, MemberId>()
  for (const ring of topology.rings) {
    for (const member of ring.replicas(position, topology.replicas)) members.set(memberKey(member), member)
  }
  return [...members.values()]
}

/** Offers records to all their replicas; gives those that all of them have. */
async function offer(
  components: HandOverComponents,
  init: HandOverInit,
  topology: Topology,
  heads: readonly RecordHead[]
): Promise<Set<RecordHead>> {
  const offers = new Map<string, { member: MemberId; heads: RecordHead[] }>()
  for (const head of heads) {
    for (const member of replicasOf(topology, head.position)) {
      const key = memberKey(member)
      const entry = offers.get(key) ?? { member, heads: [] }
      entry.heads.push(head)
      offers.set(key, entry)
    }
  }
  const held = new Set(heads)
  for (const { member, heads: offered } of offers.values()) {
    // A replica that has failed for some keeps those here; it is asked again at the next pass.
    if (!(await give(components, init, topology.epoch, member, offered)))
      for (const head of offered) held.delete(head)
  }
  return held
}

/** Sees to it that a member has these records or newer ones on disk; false where it could not be reached. */
async function give(
  components: HandOverComponents,
  init: HandOverInit,
  epoch: number,
  member: MemberId,
  offered: readonly RecordHead[]
): Promise<boolean> {
  const ask = async (request: Parameters<Calls['call']>[1]): ReturnType<Calls['call']> => {
    init.signal.throwIfAborted()
    const response = await components.calls.call(member, request, {
      timeoutMs: requestTimeoutMs,
      signal: init.signal,
      bulk: true
    })
    if (response.epoch !== epoch) throw new EpochMovedError(`${member.peerId} is at epoch ${response.epoch}`)
    return response
  }
  try {
    const { wanted } = await ask({ offerVersions: { versions: toWireVersions(offered) } })
    if (wanted === undefined) return false
    let records: Uint8Array<ArrayBuffer>[] = []
    let bytes = 0
    const push = async (): Promise<void> => {
      const { done } = await ask({ pushRecords: { records } })
      if (done === undefined) throw new EpochMovedError(`${member.peerId} did not take the records`)
      init.progress.records += records.length
      init.progress.bytes += bytes
      records = []
      bytes = 0
    }
    for (const position of wanted.positions) {
      const record = await components.store.read(position)
      if (record === undefined) continue
      if (records.length > 0 && bytes + record.size > maxBatchBytes) await push()
      records.push(record.encoded as Uint8Array<ArrayBuffer>)
      bytes += record.size
    }
    if (records.length > 0) await push()
    init.progress.waitsFor = undefined
    return true
  } catch (error) {
    init.signal.throwIfAborted()
    if (error instanceof EpochMovedError) throw error
    init.progress.waitsFor = `${member.peerId} to take what it now replicates`
    return false
  }
}
