/**
 * What a change of the members has to move at the least, reckoned from the keys, the sizes and the peer ids alone,
 * by what ARCHITECTURE.md says of positions and tokens: no code of the product is asked. Used by movement.ts.
 */
import { createHash } from 'node:crypto'
import { peerIdFromString } from '@libp2p/peer-id'

/** What a record has around its key and value, in bytes: see src/core/record/codec.ts. */
const recordOverheadBytes = 52

export interface StoredKey {
  /** In hex, as all positions here: they order as the numbers do. */
  readonly position: string
  /** Of the record as encoded. */
  readonly bytes: number
}

export interface Members {
  readonly peerIds: readonly string[]
  readonly vnodes: number
  readonly replicas: number
}

export interface Amount {
  records: number
  bytes: number
}

export interface ReckonedMoves {
  readonly least: Amount
  /** Who is to get what, by peer id. */
  readonly takers: ReadonlyMap<string, Amount>
  /** What one may send another of it, by `pairOf`: they replicated it before, and the other one takes it. */
  readonly pairs: ReadonlyMap<string, Amount>
}

export function storedKey(key: string, valueBytes: number): StoredKey {
  const bytes = Buffer.from(key)
  return { position: sha256(bytes), bytes: recordOverheadBytes + bytes.length + valueBytes }
}

export function pairOf(from: string, to: string): string {
  return `${from} ${to}`
}

export function reckonMoves(keys: readonly StoredKey[], before: Members, after: Members): ReckonedMoves {
  const [replicasBefore, replicasAfter] = [placementOf(before), placementOf(after)]
  const least: Amount = { records: 0, bytes: 0 }
  const takers = new Map<string, Amount>()
  const pairs = new Map<string, Amount>()
  for (const { position, bytes } of keys) {
    const sources = replicasBefore(position)
    for (const taker of replicasAfter(position)) {
      if (sources.includes(taker)) continue
      add(least, bytes)
      add(amountOf(takers, taker), bytes)
      for (const source of sources) add(amountOf(pairs, pairOf(source, taker)), bytes)
    }
  }
  return { least, takers, pairs }
}

/** The amount under a name, which is made where there is none. */
export function amountOf(amounts: Map<string, Amount>, name: string): Amount {
  const known = amounts.get(name) ?? { records: 0, bytes: 0 }
  amounts.set(name, known)
  return known
}

function add(amount: Amount, bytes: number): void {
  amount.records++
  amount.bytes += bytes
}

/** Gives the replicas of a position: the first distinct peers clockwise from it. */
function placementOf({ peerIds, vnodes, replicas }: Members): (position: string) => readonly string[] {
  const tokens = peerIds.flatMap(peerId => {
    const multihash = peerIdFromString(peerId).toMultihash().bytes
    return Array.from({ length: vnodes }, (_, index) => {
      const number = Buffer.alloc(4)
      number.writeUInt32BE(index)
      return { peerId, token: sha256(Buffer.concat([multihash, number])) }
    })
  })
  tokens.sort((a, b) => (a.token < b.token ? -1 : 1))
  return position => {
    const next = tokens.findIndex(({ token }) => token >= position)
    const clockwise = [...tokens.slice(Math.max(0, next)), ...tokens.slice(0, Math.max(0, next))]
    const found = new Set<string>()
    for (const { peerId } of clockwise) if (found.size < replicas) found.add(peerId)
    return [...found]
  }
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}
