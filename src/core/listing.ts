/**
 * Lists the keys that are live, a page at a time in the order of their positions: of one store, or of all
 * members merged, each key once. A listing is no snapshot: keys put or deleted meanwhile may show or not.
 */
import type { CancelSignal } from './canceller.ts'
import { AnnulusError } from './errors.ts'
import { isLive } from './record/record.ts'
import type { Clock, Store } from './ports.ts'
import type { MemberId } from './member.ts'
import type { Calls } from './rpc-types.ts'
import { quorumOf } from './register/quorum.ts'
import { comparePositions, positionOf } from './ring/position.ts'

/** Keys on one page: 1 MiB of the largest ones. */
export const keysPerPage = 1_000

/** How long each member may take for its page, in ms. */
const pageTimeoutMs = 5_000

export interface KeyPage {
  readonly keys: Uint8Array[]
  /** Position up to which the page lists everything; the next one goes on after it. */
  readonly after: Uint8Array
  readonly finished: boolean
}

/** The highest position: where a listing of the whole ring starts, and ends. */
const lastPosition = new Uint8Array(32).fill(0xff)

/** A page of the live keys in one store. An empty `after` begins at the ring's zero. */
export async function listOwnKeys(store: Store, clock: Clock, after: Uint8Array): Promise<KeyPage> {
  const from = after.length === 0 ? lastPosition : after
  const range = { start: from, end: lastPosition }
  if (after.length > 0 && comparePositions(after, lastPosition) === 0)
    return { keys: [], after, finished: true }
  const heads = await store.heads(range, { limit: keysPerPage })
  const keys: Uint8Array[] = []
  for (const head of heads) {
    if (!isLive(head, clock.now())) continue
    const record = await store.read(head.position)
    if (record !== undefined) keys.push(record.key)
  }
  const finished = heads.length < keysPerPage
  return { keys, after: finished ? lastPosition : heads.at(-1)!.position, finished }
}

export interface ClusterListing {
  /** Those that may hold a key, in either ring in force. */
  readonly members: readonly MemberId[]
  readonly isDown: (member: MemberId) => boolean
  /** The replication factor. */
  readonly replicas: number
  /** Position after which the page begins; empty: the ring's zero. */
  readonly after: Uint8Array
  readonly signal: CancelSignal
}

/**
 * A page of the live keys of all members. Every acknowledged key is at a quorum, so as many as are one short of
 * that may be missing. Throws ERR_QUORUM where more are.
 */
export async function listClusterKeys(calls: Calls, listing: ClusterListing): Promise<KeyPage> {
  const { members, isDown, after, signal } = listing
  const asked = members.filter(member => !isDown(member))
  const outcomes = await Promise.allSettled(asked.map(member => askForPage(calls, member, after, signal)))
  signal.throwIfAborted()
  const pages = outcomes.flatMap(outcome => (outcome.status === 'fulfilled' ? [outcome.value] : []))
  const quorum = quorumOf(Math.min(listing.replicas, members.length))
  if (members.length - pages.length >= quorum) {
    const failure = outcomes.find(outcome => outcome.status === 'rejected')
    throw new AnnulusError(
      'ERR_QUORUM',
      `only ${pages.length} of ${members.length} members could be asked for their keys; the listing would have gaps`,
      { cause: failure?.reason }
    )
  }
  return mergePages(pages)
}

async function askForPage(
  calls: Calls,
  member: MemberId,
  after: Uint8Array,
  signal: CancelSignal
): Promise<KeyPage> {
  const request = { listKeys: { after: after, cluster: false } }
  const { keyPage } = await calls.call(member, request, { timeoutMs: pageTimeoutMs, signal, bulk: true })
  if (keyPage === undefined) throw new Error(`${member.peerId} answered no page`)
  return keyPage
}

/** Up to where every page reaches, each key once. */
function mergePages(pages: readonly KeyPage[]): KeyPage {
  let end: Uint8Array = lastPosition
  for (const page of pages) {
    if (!page.finished && comparePositions(page.after, end) < 0) end = page.after
  }
  const byPosition = new Map<string, { position: Uint8Array; key: Uint8Array }>()
  for (const key of pages.flatMap(page => page.keys)) {
    const position = positionOf(key)
    if (comparePositions(position, end) <= 0)
      byPosition.set(Buffer.from(position).toString('hex'), { position, key })
  }
  const merged = [...byPosition.values()].sort((a, b) => comparePositions(a.position, b.position))
  return { keys: merged.map(({ key }) => key), after: end, finished: pages.every(page => page.finished) }
}
