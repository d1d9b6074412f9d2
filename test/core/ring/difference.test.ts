import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { memberKey, type RingMember } from '../../../src/core/member.ts'
import { difference, partition } from '../../../src/core/ring/difference.ts'
import { comparePositions, formatPosition } from '../../../src/core/ring/position.ts'
import { contains, wholeRing } from '../../../src/core/ring/range.ts'
import { Ring } from '../../../src/core/ring/ring.ts'
import { edgesOf, memberOf, membersOf, someCount, someMembers, somePosition } from './reference.ts'

/** A ring before and one after, of which a peer may be in either, in both, or in both with two lives. */
const someRings = fc.tuple(someMembers(9), fc.func(fc.nat(3))).map(([members, pick]) => {
  const fate = (member: RingMember): 'stays' | 'leaves' | 'joins' | 'reborn' =>
    (['stays', 'leaves', 'joins', 'reborn'] as const)[pick(member.peerId)]!
  const before = members.filter(member => fate(member) !== 'joins')
  const after = members
    .filter(member => fate(member) !== 'leaves')
    .map(member => (fate(member) === 'reborn' ? { ...member, life: '00000000000000ff' } : member))
  return { members, before: Ring.of(before), after: Ring.of(after) }
})

const names = (members: readonly RingMember[]): string[] => members.map(memberKey)

describe('partition', () => {
  it('has every position in one range, with the replicas that both rings give it', () => {
    fc.assert(
      fc.property(
        someRings,
        someCount,
        fc.array(somePosition),
        ({ members, before, after }, count, positions) => {
          const parts = partition(before, after, count)
          for (const position of [...edgesOf(members), ...positions]) {
            const holding = parts.filter(({ range }) => contains(range, position))
            expect(holding).toHaveLength(1)
            expect(names(holding[0]!.before)).toEqual(names(before.replicas(position, count)))
            expect(names(holding[0]!.after)).toEqual(names(after.replicas(position, count)))
          }
        }
      )
    )
  })

  it('goes once around the ring in order, from each range to the next', () => {
    fc.assert(
      fc.property(someRings, someCount, ({ before, after }, count) => {
        const ranges = partition(before, after, count).map(({ range }) => range)
        if (ranges.length === 1) {
          expect(ranges[0]).toBe(wholeRing)
          return
        }
        ranges.forEach(({ end }, i) => {
          expect(formatPosition(end)).toBe(formatPosition(ranges[(i + 1) % ranges.length]!.start))
        })
        const descents = ranges.filter(({ start, end }) => comparePositions(start, end) > 0)
        expect(descents.length).toBeLessThanOrEqual(1)
      })
    )
  })

  it('has no neighbours with the same two lists, across position zero either', () => {
    fc.assert(
      fc.property(someRings, someCount, ({ before, after }, count) => {
        const lists = partition(before, after, count).map(part =>
          JSON.stringify([names(part.before), names(part.after)])
        )
        if (lists.length > 1) lists.forEach((list, i) => expect(list).not.toBe(lists.at(i - 1)))
      })
    )
  })

  it('is one range where a ring is empty and the other of one member, both are empty, or both of one', () => {
    const empty = Ring.of<RingMember>([])
    const one = Ring.of([memberOf(0)])
    const other = Ring.of([memberOf(1)])
    expect(partition(empty, empty, 3)).toEqual([{ range: wholeRing, before: [], after: [] }])
    expect(partition(empty, one, 3)).toEqual([{ range: wholeRing, before: [], after: [memberOf(0)] }])
    expect(partition(one, empty, 3)).toEqual([{ range: wholeRing, before: [memberOf(0)], after: [] }])
    expect(partition(one, other, 3)).toEqual([
      { range: wholeRing, before: [memberOf(0)], after: [memberOf(1)] }
    ])
  })
})

describe('difference', () => {
  it('has just the positions whose sets of replicas differ', () => {
    fc.assert(
      fc.property(
        someRings,
        someCount,
        fc.array(somePosition),
        ({ members, before, after }, count, positions) => {
          const parts = difference(before, after, count)
          for (const position of [...edgesOf(members), ...positions]) {
            const [old, now] = [before, after].map(ring => names(ring.replicas(position, count)).sort())
            const differ = JSON.stringify(old) !== JSON.stringify(now)
            expect(parts.filter(({ range }) => contains(range, position))).toHaveLength(differ ? 1 : 0)
          }
        }
      )
    )
  })

  it('is empty between equal rings, also where they hold other objects', () => {
    const ring = Ring.of(membersOf(7))
    expect(difference(ring, Ring.of(membersOf(7)), 3)).toEqual([])
    expect(difference(Ring.of([]), Ring.of([]), 3)).toEqual([])
  })

  it('is every range of a peer that comes back with another life', () => {
    const before = Ring.of(membersOf(6, 16))
    const reborn = memberOf(3, 16, '00000000000000ff')
    const after = before.with({ add: [reborn], remove: [memberOf(3)] })
    const parts = difference(before, after, 3)
    for (const { before: old, after: now } of parts) {
      expect(names(old)).toContain(memberKey(memberOf(3)))
      expect(names(now)).toEqual(
        names(old).map(name => (name === memberKey(memberOf(3)) ? memberKey(reborn) : name))
      )
    }
    for (const { end } of before.rangesOf(memberOf(3), 3)) {
      expect(parts.some(({ range }) => contains(range, end))).toBe(true)
    }
  })

  it('sees that a member goes though as many replicas are left', () => {
    const before = Ring.of(membersOf(4))
    const after = before.with({ remove: [memberOf(1)] })
    const takers = difference(before, after, 3).flatMap(part =>
      names(part.after).filter(name => !names(part.before).includes(name))
    )
    expect(new Set(takers)).toEqual(new Set(names(after.members)))
  })
})
