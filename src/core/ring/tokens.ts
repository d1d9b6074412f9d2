/**
 * Where a peer's virtual nodes lie. Tokens follow from the peer id alone, so they are never sent, and nobody
 * can choose them freely. Used by the layout of a ring.
 */
import { hash } from 'node:crypto'
import { fromString } from 'uint8arrays/from-string'
import { maxVnodes } from '../limits.ts'
import { comparePositions, positionBytes } from './position.ts'

/** Bytes of a virtual node's index behind the peer id: a uint32, big-endian. */
const indexBytes = 4

/**
 * The tokens of a peer, in ring order, packed one behind the other: `vnodes` times 32 bytes. Token i is the
 * SHA-256 of the bytes of the peer id's multihash and i.
 *
 * Throws an Error where the peer id is not base58btc or `vnodes` is not a whole number from 1 to `maxVnodes`.
 */
export function tokensOf(peerId: string, vnodes: number): Uint8Array {
  if (!Number.isInteger(vnodes) || vnodes < 1 || vnodes > maxVnodes) {
    throw new Error(`${peerId} has ${vnodes} vnodes: a whole number from 1 to ${maxVnodes} is allowed`)
  }
  const multihash = multihashOf(peerId)
  const input = Buffer.alloc(multihash.length + indexBytes)
  input.set(multihash)
  const tokens: Uint8Array[] = []
  for (let index = 0; index < vnodes; index++) {
    input.writeUInt32BE(index, multihash.length)
    tokens.push(hash('sha256', input, 'buffer'))
  }
  tokens.sort(comparePositions)
  const packed = new Uint8Array(vnodes * positionBytes)
  tokens.forEach((token, i) => packed.set(token, i * positionBytes))
  return packed
}

function multihashOf(peerId: string): Uint8Array {
  if (peerId !== '') {
    try {
      return fromString(peerId, 'base58btc')
    } catch {
      // The decoder names neither the peer id nor what it is for; the error below does.
    }
  }
  throw new Error(`"${peerId}" is not a peer id: it is not base58btc`)
}
