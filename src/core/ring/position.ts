/**
 * A position is a point on the ring: a SHA-256, read as a big-endian number. Keys lie at theirs, and so do
 * the tokens of members. Used by everything that places, orders or shows records.
 */
import { hash } from 'node:crypto'

/** Bytes of a position: those of a SHA-256. */
export const positionBytes = 32

/** Where a key lies on the ring. */
export function positionOf(key: Uint8Array): Uint8Array {
  return hash('sha256', key, 'buffer')
}

/** Negative where `a` comes before `b`, counted from position zero; 0 where they are the same. */
export function comparePositions(a: Uint8Array, b: Uint8Array): number {
  return comparePositionsAt(a, 0, b, 0)
}

/** Compares positions that lie at these byte offsets among others, packed one behind the other. */
export function comparePositionsAt(a: Uint8Array, aOffset: number, b: Uint8Array, bOffset: number): number {
  for (let i = 0; i < positionBytes; i++) {
    const difference = a[aOffset + i]! - b[bOffset + i]!
    if (difference !== 0) return difference
  }
  return 0
}

/** The first 32 bits of the position at this byte offset, as a number: they decide nearly every comparison. */
export function prefixAt(packed: Uint8Array, offset: number): number {
  const low = (packed[offset + 1]! << 16) | (packed[offset + 2]! << 8) | packed[offset + 3]!
  return packed[offset]! * 0x1000000 + low
}

/** How a position is shown to people: 64 hex digits. */
export function formatPosition(position: Uint8Array): string {
  return Buffer.from(position).toString('hex')
}
