/**
 * What a displaced peer does: a foreign record, one in no range that this member replicates in a ring in
 * force, is offered to all of its replicas, and dropped once every one of them has it on disk, if it is then
 * still foreign and unchanged.
 */
import { memberKey, sameMember, type MemberId } from '../member.ts'
import { maxBatchBytes } from '../limits.ts'
import { DamagedRecordError, TransportError, type Store } from '../ports.ts'
import type { RecordHead, StoredRecord } from '../record/record.ts'
import { formatPosition } from '../ring/position.ts'
import type { Calls } from '../rpc-types.ts'
import type { Range } from '../ring/range.ts'
import type { Topology } from '../topology/topology.ts'
import { ask, EpochMovedError, noAnswer } from './ask.ts'
import { moved, type Progress } from './progress.ts'
import { appendRange, segmentsOf } from './segments.ts'
import { toWireVersions } from './wire.ts'

/** Records offered at a time. */
const batchRecords = 256

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
  /** Records that stay until the next pass: a replica did not take them, or they changed meanwhile. */
  readonly kept: number
}

/** One pass over all foreign records. Throws when the signal aborts. */
export async function handOver(components: HandOverComponents, init: HandOverInit): Promise<HandOverResult> {
  let dropped = 0
  let kept = 0
  const topology = components.topology()
  if (topology === undefined) return { dropped, kept }
  for (const range of foreignRanges(topology, init.self)) {
    for await (const heads of pagesOf(components.store, range)) {
      const held = await giveToAll(components, init, topology, heads)
      for (const head of heads) {
        if (held.has(head) && (await dropIfForeign(components, init.self, head))) dropped++
        else kept++
      }
    }
  }
  return { dropped, kept }
}

/** The ranges that this member replicates in no ring in force. */
function foreignRanges(topology: Topology, self: MemberId): Range[] {
  const ranges: Range[] = []
  for (const { range, before, after } of segmentsOf(topology)) {
    if (![...before, ...after].some(member => sameMember(member, self))) appendRange(ranges, range)
  }
  return ranges
}

async function* pagesOf(store: Store, range: Range): AsyncGenerator<RecordHead[], void> {
  let heads = await store.heads(range, { limit: batchRecords })
  while (heads.length > 0) {
    yield heads
    if (heads.length < batchRecords) return
    heads = await store.heads(range, { limit: batchRecords, after: heads.at(-1)!.position })
  }
}

/**
 * Nothing comes between the look at the log and the drop: whatever is served at a newer epoch reaches the
 * store after it.
 */
async function dropIfForeign(
  { store, topology }: HandOverComponents,
  self: MemberId,
  { position, version }: RecordHead
): Promise<boolean> {
  const current = topology()
  if (current === undefined || replicasOf(current, position).some(member => sameMember(member, self)))
    return false
  return store.drop(position, version)
}

/** The replicas of a position in all rings in force, each once. */
function replicasOf(topology: Topology, position: Uint8Array): MemberId[] {
  const members = new Map<string, MemberId>()
  for (const ring of topology.rings) {
    for (const member of ring.replicas(position, topology.replicas)) members.set(memberKey(member), member)
  }
  return [...members.values()]
}

/** Gives records to all their replicas, one replica after the other; tells which of them all have now. */
async function giveToAll(
  components: HandOverComponents,
  init: HandOverInit,
  topology: Topology,
  heads: readonly RecordHead[]
): Promise<ReadonlySet<RecordHead>> {
  const shares = new Map<string, { member: MemberId; heads: RecordHead[] }>()
  for (const head of heads) {
    for (const member of replicasOf(topology, head.position)) {
      const key = memberKey(member)
      const share = shares.get(key) ?? { member, heads: [] }
      share.heads.push(head)
      shares.set(key, share)
    }
  }
  const held = new Set(heads)
  for (const share of shares.values()) {
    for (const head of await give(components, init, topology.epoch, share)) held.delete(head)
  }
  return held
}

/** Sees to it that a member has these records or newer ones on disk; tells which of them it may not have. */
async function give(
  { calls, store }: HandOverComponents,
  { signal, progress }: HandOverInit,
  epoch: number,
  { member, heads }: { readonly member: MemberId; readonly heads: readonly RecordHead[] }
): Promise<readonly RecordHead[]> {
  const asked = { epoch, signal }
  try {
    const offer = { offerVersions: { versions: toWireVersions(heads) } }
    const { wanted } = await ask(calls, member, asked, offer)
    if (wanted === undefined) throw noAnswer(member)
    const positions = new Set(wanted.positions.map(formatPosition))
    const missing = new Set(heads.filter(({ position }) => positions.has(formatPosition(position))))
    for await (const { records, bytes } of batchesOf(store, [...missing])) {
      const encoded = [...records.values()].map(record => record.encoded)
      const { done } = await ask(calls, member, asked, { pushRecords: { records: encoded } })
      if (done === undefined) throw noAnswer(member)
      for (const head of records.keys()) missing.delete(head)
      moved(progress, records.size, bytes)
    }
    return [...missing]
  } catch (error) {
    signal.throwIfAborted()
    if (!(error instanceof TransportError || error instanceof EpochMovedError)) throw error
    // A member that is away, or behind, is offered them again at the next pass.
    progress.waitsFor = `${member.peerId} to take what it now replicates`
    return heads
  }
}

interface Batch {
  readonly records: ReadonlyMap<RecordHead, StoredRecord>
  /** Bytes of the records as encoded. */
  readonly bytes: number
}

/** The records under these heads, as many at a time as fit one message; without what cannot be read. */
async function* batchesOf(store: Store, heads: readonly RecordHead[]): AsyncGenerator<Batch, void> {
  let records = new Map<RecordHead, StoredRecord>()
  let bytes = 0
  for (const head of heads) {
    const record = await readUndamaged(store, head.position)
    if (record === undefined) continue
    if (records.size > 0 && bytes + record.size > maxBatchBytes) {
      yield { records, bytes }
      records = new Map()
      bytes = 0
    }
    records.set(head, record)
    bytes += record.size
  }
  if (records.size > 0) yield { records, bytes }
}

async function readUndamaged(store: Store, position: Uint8Array): Promise<StoredRecord | undefined> {
  try {
    return await store.read(position)
  } catch (error) {
    // One record with a damaged value must not keep the others here.
    if (error instanceof DamagedRecordError) return undefined
    throw error
  }
}
