/**
 * How even the ring is, and how much of it moves, against what is known of consistent hashing: Stoica et al.,
 * "Chord", SIGCOMM 2001, section 6.2 (load balance, figures 8 and 9), and Karger et al., STOC 1997.
 */
import { describe, expect, it } from 'vitest'
import type { RingMember } from '../../../src/core/member.ts'
import { difference } from '../../../src/core/ring/difference.ts'
import { formatPosition } from '../../../src/core/ring/position.ts'
import { isWholeRing, type Range } from '../../../src/core/ring/range.ts'
import { Ring } from '../../../src/core/ring/ring.ts'
import { memberOf, membersOf } from './reference.ts'

/** Tokens in a ring of these tests: enough for the 1st percentile, few enough to hash in a moment. */
const tokenBudget = 80_000
/** Chord's figures are of 10^4 nodes. */
const chordNodes = 10_000

/** The shares of all members over their mean, ascending. */
function loads(ring: Ring<RingMember>, copies: number): number[] {
  const { members } = ring
  return members.map(member => ring.share(member, copies) * members.length).sort((a, b) => a - b)
}

function percentile(ascending: readonly number[], fraction: number): number {
  return ascending[Math.floor(fraction * (ascending.length - 1))]!
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}

function widthOf(range: Range): number {
  if (isWholeRing(range)) return 1
  const [start, end] = [range.start, range.end].map(edge => Number(`0x${formatPosition(edge)}`) / 2 ** 256)
  return (end! - start! + 1) % 1
}

/** Copies per key that somebody has to receive. */
function copiesMoved(before: Ring<RingMember>, after: Ring<RingMember>, copies: number): number {
  return difference(before, after, copies)
    .map(part => widthOf(part.range) * part.after.filter(member => !part.before.includes(member)).length)
    .reduce((sum, moved) => sum + moved, 0)
}

describe('Chord 6.2: the share held with V virtual nodes is close to Gamma(V, 1/V)', () => {
  it.each([
    { vnodes: 1, first: 0.01, last: 4.61 },
    { vnodes: 2, first: 0.074, last: 3.32 },
    { vnodes: 5, first: 0.256, last: 2.32 },
    { vnodes: 10, first: 0.413, last: 1.88 },
    { vnodes: 20, first: 0.554, last: 1.59 },
    { vnodes: 64, first: 0.732, last: 1.31 },
    { vnodes: 128, first: 0.806, last: 1.22 },
    { vnodes: 256, first: 0.86, last: 1.15 }
  ])('V = $vnodes: 1st percentile $first, 99th $last of the mean', ({ vnodes, first, last }) => {
    const nodes = Math.min(chordNodes, Math.floor(tokenBudget / vnodes))
    const ascending = loads(Ring.of(membersOf(nodes, vnodes)), 1)
    expect(mean(ascending)).toBeCloseTo(1, 9)
    expect(Math.abs(percentile(ascending, 0.01) - first)).toBeLessThan(0.03)
    // The fewer virtual nodes, the longer the tail, and the more luck there is in where its last hundredth begins.
    expect(Math.abs(percentile(ascending, 0.99) - last)).toBeLessThan(0.03 + 0.08 * (last - 1))
  })
})

describe('the fullest member over the mean, with 128 virtual nodes', () => {
  // One ring's fullest member is a matter of luck; the mean over some rings is not.
  it.each([
    { peers: 10, rings: 20, primary: 1.15, replicas: 1.09 },
    { peers: 50, rings: 20, primary: 1.24, replicas: 1.13 }
  ])('of $peers holds $primary for one copy, $replicas for three', ({ peers, rings, primary, replicas }) => {
    const made = Array.from({ length: rings }, (_, i) =>
      Ring.of(Array.from({ length: peers }, (_, j) => memberOf(i * peers + j, 128)))
    )
    const fullest = (copies: number): number => mean(made.map(ring => loads(ring, copies).at(-1)!))
    expect(Math.abs(fullest(1) - primary)).toBeLessThan(0.04)
    expect(Math.abs(fullest(3) - replicas)).toBeLessThan(0.02)
  })
})

describe('G2 minimal movement, in figures', () => {
  const copies = 3

  it('a join of peer n + 1 moves just the copies that it will hold', () => {
    const before = Ring.of(membersOf(10, 128))
    const joiner = memberOf(10, 128)
    const after = before.with({ add: [joiner] })
    expect(copiesMoved(before, after, copies)).toBeCloseTo(after.share(joiner, copies) * copies, 12)
  })

  it('which is N / (n + 1) copies per key: .2727 for the 11th peer and 3 copies', () => {
    const before = Ring.of(membersOf(10, 128))
    const moved = Array.from({ length: 60 }, (_, i) =>
      copiesMoved(before, before.with({ add: [memberOf(10 + i, 128)] }), copies)
    )
    expect(Math.abs(mean(moved) - copies / 11)).toBeLessThan(0.01)
  })

  it('a leave moves just the copies that the leaver held', () => {
    const before = Ring.of(membersOf(11, 128))
    const leaver = memberOf(4, 128)
    const moved = copiesMoved(before, before.with({ remove: [leaver] }), copies)
    expect(moved).toBeCloseTo(before.share(leaver, copies) * copies, 12)
  })
})
