/**
 * Which peers replicate each segment of a layout, worked out for all segments at once: a lookup then reads
 * one row, and what a member holds is found by one pass. Used by ring.ts and difference.ts.
 */
import type { Layout } from './layout.ts'

export interface ReplicaTable {
  /** Replicas of each segment: the replication factor, or the number of peers where that is smaller. */
  readonly width: number
  /** Row i, from `i * width` on: the first `width` distinct peers clockwise from segment i, as indexes of places. */
  readonly rows: Uint32Array
}

/** Tables kept per layout: a cluster uses one number of copies, the rest are the curious. */
const maxTables = 4

/** Tables of the layouts in use: rings that share a layout share these too. */
const tables = new WeakMap<Layout, Map<number, ReplicaTable>>()

/** The table for so many copies, at least 1; kept for as long as the layout is in use. */
export function replicaTable(layout: Layout, copies: number): ReplicaTable {
  const width = Math.min(copies, layout.places.length)
  const kept = tables.get(layout) ?? new Map<number, ReplicaTable>()
  tables.set(layout, kept)
  const known = kept.get(width)
  if (known !== undefined) return known
  if (kept.size === maxTables) {
    const [oldest] = kept.keys()
    kept.delete(oldest!)
  }
  const made = { width, rows: replicaRows(layout, width) }
  kept.set(width, made)
  return made
}

/**
 * The walk goes backwards: the peers from a segment on are its owner, then those from the next segment on
 * without that owner. No search, whatever the number of peers.
 */
function replicaRows(layout: Layout, width: number): Uint32Array {
  const rows = new Uint32Array(layout.size * width)
  const last = layout.size - 1
  if (last >= 0) rows.set(walkFrom(layout, last, width), last * width)
  for (let segment = last - 1; segment >= 0; segment--) {
    prepend(rows, segment * width, layout.owners[segment]!, width)
  }
  // A segment that holds no position gets the row of the one before it, so that it parts no neighbours.
  for (let segment = 1; segment <= last; segment++) {
    if (!layout.isEmpty(segment)) continue
    rows.copyWithin(segment * width, (segment - 1) * width, segment * width)
  }
  return rows
}

/** Fills the row at `at` from the one behind it: `owner`, then the others. */
function prepend(rows: Uint32Array, at: number, owner: number, width: number): void {
  rows[at] = owner
  let filled = at + 1
  for (let i = at + width; filled < at + width; i++) {
    const peer = rows[i]!
    if (peer !== owner) rows[filled++] = peer
  }
}

/** The first `width` distinct owners clockwise from a segment. */
function walkFrom(layout: Layout, segment: number, width: number): Uint32Array {
  const peers = new Set<number>()
  for (let i = segment; peers.size < width; i++) peers.add(layout.owners[i % layout.size]!)
  return Uint32Array.from(peers)
}

/** Whether a segment's row names a peer. */
export function rowHas({ width, rows }: ReplicaTable, segment: number, peer: number): boolean {
  const end = (segment + 1) * width
  for (let i = segment * width; i < end; i++) {
    if (rows[i] === peer) return true
  }
  return false
}

/** Whether two segments have the same peers in the same order. */
export function sameRow({ width, rows }: ReplicaTable, a: number, b: number): boolean {
  for (let i = 0; i < width; i++) {
    if (rows[a * width + i] !== rows[b * width + i]) return false
  }
  return true
}
