import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { memberKey, type RingMember } from '../../../src/core/member.ts'
import { cutAt, movesOf, shareOf } from '../../../src/core/plan/moves.ts'
import { positionOf } from '../../../src/core/ring/position.ts'
import { contains, wholeRing } from '../../../src/core/ring/range.ts'
import { Ring } from '../../../src/core/ring/ring.ts'
import {
  edgesOf,
  memberOf,
  membersOf,
  referenceReplicas,
  someCount,
  someMembers,
  somePosition
} from '../ring/reference.ts'

/** The reference hashes all tokens for each position: so many runs are a second of it. */
const runs = { numRuns: 30 }

/** Two sets of members of which each member is in the one, the other or both. */
const someChange = fc.tuple(someMembers(8, 1), fc.func(fc.nat(2))).map(([members, pick]) => {
  const fates = new Map(members.map(member => [member.peerId, pick(member.peerId)]))
  return {
    members,
    before: members.filter(({ peerId }) => fates.get(peerId) !== 1),
    after: members.filter(({ peerId }) => fates.get(peerId) !== 2)
  }
})

const names = (members: readonly RingMember[]): string[] => members.map(memberKey)

describe('the moves of a change', () => {
  it('copy each key as often as it gets new replicas, and no other key', () => {
    fc.assert(
      fc.property(
        someChange,
        someCount,
        fc.array(somePosition),
        ({ members, before, after }, count, positions) => {
          const moves = movesOf(Ring.of(before), Ring.of(after), count)
          for (const position of [...edgesOf(members), ...positions]) {
            const old = names(referenceReplicas(before, position, count))
            const now = names(referenceReplicas(after, position, count))
            const takers = old.length === 0 ? [] : now.filter(name => !old.includes(name))
            const moved = moves.filter(({ range }) => contains(range, position))
            expect(names(moved.map(({ to }) => to)).sort()).toEqual(takers.sort())
          }
        }
      ),
      runs
    )
  })

  it('name as giver a replica of before: each one that is displaced before any that stays', () => {
    fc.assert(
      fc.property(someChange, someCount, ({ members, before, after }, count) => {
        const moves = movesOf(Ring.of(before), Ring.of(after), count)
        for (const position of edgesOf(members)) {
          const old = names(referenceReplicas(before, position, count))
          const now = names(referenceReplicas(after, position, count))
          const displaced = old.filter(name => !now.includes(name))
          const moved = moves.filter(({ range }) => contains(range, position))
          const givers = names(moved.map(({ from }) => from))
          expect(old).toEqual(expect.arrayContaining(givers))
          const givenUp = new Set(givers.filter(name => displaced.includes(name)))
          expect(givenUp.size).toBe(Math.min(displaced.length, moved.length))
        }
      }),
      runs
    )
  })

  it('are what a joiner is to hold, and its share of all copies', () => {
    for (const [others, replicas] of [
      [1, 3],
      [2, 3],
      [3, 3],
      [9, 3],
      [9, 1]
    ] as const) {
      const joiner = memberOf(20, 64)
      const before = Ring.of(membersOf(others, 64))
      const after = before.with({ add: [joiner] })
      const moves = movesOf(before, after, replicas)
      expect(new Set(moves.map(({ to }) => to))).toEqual(new Set([joiner]))
      const copies = Math.min(replicas, others + 1)
      expect(shareOf(moves, copies)).toBeCloseTo(after.share(joiner, replicas), 9)
    }
  })

  it('are what a leaver holds, which it alone gives', () => {
    const before = Ring.of(membersOf(7, 32))
    const leaver = memberOf(2, 32)
    const moves = movesOf(before, before.with({ remove: [leaver] }), 3)
    expect(new Set(moves.map(({ from }) => from))).toEqual(new Set([leaver]))
    expect(shareOf(moves, 3)).toBeCloseTo(before.share(leaver, 3), 9)
  })

  it('are none from or to an empty ring, nor where each key only loses a copy', () => {
    const empty = Ring.of<RingMember>([])
    const three = Ring.of(membersOf(3))
    expect(movesOf(empty, three, 3)).toEqual([])
    expect(movesOf(three, empty, 3)).toEqual([])
    expect(movesOf(three, three.with({ remove: [memberOf(1)] }), 3)).toEqual([])
  })

  it('take the keys of a cluster along as they lie, to the last one', () => {
    const before = Ring.of(membersOf(10, 128))
    const after = before.with({ add: [memberOf(10, 128)] })
    const moves = movesOf(before, after, 3)
    let moved = 0
    let expected = 0
    for (let i = 0; i < 2_000; i++) {
      const position = positionOf(new TextEncoder().encode(`key ${i}`))
      moved += moves.filter(({ range }) => contains(range, position)).length
      if (names(after.replicas(position, 3)).includes(memberKey(memberOf(10)))) expected++
    }
    expect(moved).toBe(expected)
    expect(moved / 6_000).toBeCloseTo(1 / 11, 1)
  })
})

describe('a range that is cut at the tokens of a layout', () => {
  it('is gone through by its pieces in order, none of which has a token within', () => {
    const someRange = fc.oneof(
      fc.tuple(somePosition, somePosition).map(([start, end]) => ({ start, end })),
      fc.constant(wholeRing)
    )
    fc.assert(
      fc.property(someMembers(5, 1), someRange, fc.nat(), (members, given, pick) => {
        const { layout } = Ring.of(members)
        const edges = edgesOf(members)
        // Often a range begins or ends just where a token lies.
        const range =
          given === wholeRing || pick % 2 === 0 ? given : { ...given, start: edges[pick % edges.length]! }
        const pieces = cutAt(layout, range)
        expect(pieces[0]!.start).toEqual(range.start)
        expect(pieces.at(-1)!.end).toEqual(range.end)
        for (const [i, piece] of pieces.entries()) {
          if (i > 0) expect(piece.start).toEqual(pieces[i - 1]!.end)
          for (const position of edges) {
            if (!contains(range, position)) expect(contains(piece, position)).toBe(false)
            else if (contains(piece, position))
              expect(layout.segmentOf(position)).toBe(layout.segmentOf(piece.end))
          }
        }
        for (const position of edges.filter(edge => contains(range, edge))) {
          expect(pieces.filter(piece => contains(piece, position))).toHaveLength(1)
        }
      })
    )
  })
})
