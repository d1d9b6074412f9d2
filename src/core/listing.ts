/**
 * Lists the keys that are live, a page at a time in the order of their positions: of one store, or of all
 * members merged, each key once. A listing is no snapshot: keys put or deleted meanwhile may show or not.
 */
import { isLive } from './record/record.ts'
import type { Clock, Store } from './ports.ts'
import type { MemberId } from './member.ts'
import type { Calls } from './rpc-types.ts'
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

/** A page of the live keys of all members that answer. Throws the last error where none does. */
export async function listClusterKeys(
  calls: Calls,
  members: readonly MemberId[],
  after: Uint8Array,
  signal?: AbortSignal
): Promise<KeyPage> {
  const options = signal === undefined ? { timeoutMs: pageTimeoutMs } : { timeoutMs: pageTimeoutMs, signal }
  const outcomes = await Promise.allSettled(
    members.map(async member => {
      const request = { listKeys: { after: after as Uint8Array<ArrayBuffer>, cluster: false } }
      const { keyPage } = await calls.call(member, request, { ...options, bulk: true })
      if (keyPage === undefined) throw new Error(`${member.peerId} answered no page`)
      return keyPage
    })
  )
  const pages = outcomes.flatMap(outcome => (outcome.status === 'fulfilled' ? [outcome.value] : []))
  const failure = outcomes.find(outcome => outcome.status === 'rejected')
  if (pages.length === 0 && failure !== undefined) throw failure.reason
  return mergePages(pages)
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
