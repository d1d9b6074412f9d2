/**
 * Tokens with their owners, as layout.ts keeps and merges them: packed arrays, since a ring of a thousand
 * peers has more than a hundred thousand.
 */
import { comparePositionsAt, positionBytes, prefixAt } from './position.ts'

/** Tokens in ring order, packed, and for each the index of its owner among the peers of a layout. */
export interface OwnedTokens {
  readonly positions: Uint8Array
  readonly owners: Uint32Array
}

export const noTokens: OwnedTokens = { positions: new Uint8Array(0), owners: new Uint32Array(0) }

/** Collects tokens that come in ring order: as many as it is made for. */
export class TokenWriter implements OwnedTokens {
  readonly positions: Uint8Array
  readonly owners: Uint32Array
  #length = 0

  constructor(count: number) {
    this.positions = new Uint8Array(count * positionBytes)
    this.owners = new Uint32Array(count)
  }

  take(tokens: OwnedTokens, i: number): void {
    this.#copyPositions(tokens, i, i + 1)
    this.owners[this.#length++] = tokens.owners[i]!
  }

  /** Takes the tokens from index `from` up to `until`, but those whose owner is renumbered to -1. */
  takeKept(tokens: OwnedTokens, from: number, until: number, renumbered: Int32Array): void {
    let i = from
    while (i < until) {
      const start = i
      while (i < until && renumbered[tokens.owners[i]!]! >= 0) i++
      this.#copyPositions(tokens, start, i)
      for (let kept = start; kept < i; kept++) this.owners[this.#length++] = renumbered[tokens.owners[kept]!]!
      while (i < until && renumbered[tokens.owners[i]!]! < 0) i++
    }
  }

  #copyPositions(tokens: OwnedTokens, from: number, until: number): void {
    const run = tokens.positions.subarray(from * positionBytes, until * positionBytes)
    this.positions.set(run, this.#length * positionBytes)
  }
}

/** The tokens of several peers in ring order; those that collide in the order of their owners. */
export function sortTokens(blocks: readonly OwnedTokens[]): OwnedTokens {
  const count = blocks.reduce((sum, block) => sum + block.owners.length, 0)
  const positions = new Uint8Array(count * positionBytes)
  const owners = new Uint32Array(count)
  let filled = 0
  for (const block of blocks) {
    positions.set(block.positions, filled * positionBytes)
    owners.set(block.owners, filled)
    filled += block.owners.length
  }
  const prefixes = owners.map((_, i) => prefixAt(positions, i * positionBytes))
  const order = owners.map((_, i) => i)
  order.sort(
    (a, b) =>
      prefixes[a]! - prefixes[b]! ||
      comparePositionsAt(positions, a * positionBytes, positions, b * positionBytes) ||
      owners[a]! - owners[b]!
  )
  const sorted = new TokenWriter(count)
  for (const i of order) sorted.take({ positions, owners }, i)
  return sorted
}
