import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { memberKey, type RingMember } from '../../../src/core/member.ts'
import { formatPosition } from '../../../src/core/ring/position.ts'
import { contains, wholeRing } from '../../../src/core/ring/range.ts'
import { Ring } from '../../../src/core/ring/ring.ts'
import {
  edgesOf,
  memberOf,
  membersOf,
  positionAt,
  referenceReplicas,
  someCount,
  someMembers,
  somePosition
} from './reference.ts'

/** Lets each of these join, or leave where its peer is in the ring, one after the other. */
function wander(steps: readonly RingMember[]): { ring: Ring<RingMember>; members: RingMember[] } {
  let ring = Ring.of<RingMember>([])
  const members = new Map<string, RingMember>()
  for (const member of steps) {
    const held = members.get(member.peerId)
    ring = held === undefined ? ring.with({ add: [member] }) : ring.with({ remove: [held] })
    if (held === undefined) members.set(member.peerId, member)
    else members.delete(member.peerId)
  }
  return { ring, members: [...members.values()] }
}

/** The names of those in `members` and not in `others`. */
function namesWithout(members: readonly RingMember[], others: readonly RingMember[]): string[] {
  const known = new Set(others.map(memberKey))
  return members.map(memberKey).filter(name => !known.has(name))
}

describe('G1 placement', () => {
  it('is what the definition says, at every token and between tokens', () => {
    fc.assert(
      fc.property(someMembers(8), someCount, fc.array(somePosition), (members, count, positions) => {
        const ring = Ring.of(members)
        for (const position of [...edgesOf(members), ...positions]) {
          expect(ring.replicas(position, count)).toEqual(referenceReplicas(members, position, count))
        }
      })
    )
  })

  it('is the same after any order of joins and leaves', () => {
    const someSteps = fc.array(fc.record({ index: fc.nat(7), vnodes: fc.integer({ min: 1, max: 6 }) }), {
      maxLength: 30
    })
    fc.assert(
      fc.property(someSteps, someCount, (steps, count) => {
        const { ring, members } = wander(steps.map(({ index, vnodes }) => memberOf(index, vnodes)))
        expect(ring.members).toEqual(Ring.of(members).members)
        for (const position of edgesOf(members)) {
          expect(ring.replicas(position, count)).toEqual(referenceReplicas(members, position, count))
        }
      })
    )
  })

  it('is the same for many changes at once as for the ring made anew', () => {
    fc.assert(
      fc.property(someMembers(10), fc.func(fc.nat(2)), someCount, (members, pick, count) => {
        const part = (chosen: number): RingMember[] =>
          members.filter(member => pick(member.peerId) === chosen)
        const [stay, leave, join] = [part(0), part(1), part(2)]
        const changed = Ring.of([...stay, ...leave]).with({ add: join, remove: leave })
        const wanted = [...stay, ...join]
        expect(changed.members).toEqual(Ring.of(wanted).members)
        for (const position of edgesOf(members)) {
          expect(changed.replicas(position, count)).toEqual(referenceReplicas(wanted, position, count))
        }
      })
    )
  })

  it('does not depend on lives: a peer that joins anew takes its old places', () => {
    const before = Ring.of(membersOf(5))
    const reborn = memberOf(2, 4, '00000000000000ff')
    const after = before.with({ add: [reborn], remove: [memberOf(2)] })
    for (const position of edgesOf(before.members)) {
      const peerIds = (ring: Ring<RingMember>): string[] =>
        ring.replicas(position, 3).map(({ peerId }) => peerId)
      expect(peerIds(after)).toEqual(peerIds(before))
    }
    expect(after.members).toContain(reborn)
    expect(after.members).not.toContainEqual(memberOf(2))
  })
})

describe('G2 minimal movement', () => {
  it('a join changes a key only by adding the joiner, for at most one other', () => {
    fc.assert(
      fc.property(someMembers(8, 1), someCount, fc.array(somePosition), (members, count, positions) => {
        const [joiner, ...others] = members
        const before = Ring.of(others)
        const after = before.with({ add: [joiner!] })
        for (const position of [...edgesOf(members), ...positions]) {
          const added = namesWithout(after.replicas(position, count), before.replicas(position, count))
          expect([[], [memberKey(joiner!)]]).toContainEqual(added)
        }
      })
    )
  })

  it('a leave changes a key only by removing the leaver, for at most one other', () => {
    fc.assert(
      fc.property(someMembers(8, 1), someCount, fc.array(somePosition), (members, count, positions) => {
        const before = Ring.of(members)
        const after = before.with({ remove: [members[0]!] })
        for (const position of [...edgesOf(members), ...positions]) {
          const removed = namesWithout(before.replicas(position, count), after.replicas(position, count))
          expect([[], [memberKey(members[0]!)]]).toContainEqual(removed)
        }
      })
    )
  })
})

describe('ring', () => {
  it('gives the same array for all positions between two tokens', () => {
    const ring = Ring.of(membersOf(3))
    const { start, end } = ring.rangesOf(ring.members[0]!, 1)[0]!
    const behindStart = Uint8Array.from(start)
    behindStart[31]!++
    expect(ring.replicas(end, 3)).toBe(ring.replicas(end, 3))
    expect(ring.replicas(behindStart, 3)[0]).toBe(ring.members[0])
  })

  it('gives all members where there are fewer than copies, and none where there are none', () => {
    expect(Ring.of(membersOf(2)).replicas(positionAt(7), 3)).toHaveLength(2)
    expect(Ring.of([]).replicas(positionAt(7), 3)).toEqual([])
    expect(Ring.of([memberOf(0, 1)]).replicas(positionAt(7), 3)).toEqual([memberOf(0, 1)])
  })

  it('sorts its members by code units and keeps their objects', () => {
    const members = membersOf(6)
    const sorted = members.toSorted((a, b) => (a.peerId < b.peerId ? -1 : 1))
    expect(Ring.of(members.toReversed()).members).toEqual(sorted)
    expect(Ring.of(members).members[0]).toBe(sorted[0])
  })

  it('takes a new object for a member that it has, when the old one is removed', () => {
    const old = { ...memberOf(1), standing: 'joining' }
    const ring = Ring.of([{ ...memberOf(0), standing: 'up' }, old])
    const changed = ring.with({ add: [{ ...old, standing: 'up' }], remove: [old] })
    expect(changed.replicas(positionAt(1), 2).map(({ standing }) => standing)).toEqual(['up', 'up'])
    expect(ring.replicas(positionAt(1), 2).map(({ standing }) => standing)).toContain('joining')
  })

  it('shares its tokens with every ring of the same peers', () => {
    const members = membersOf(4)
    const ring = Ring.of(members)
    expect(Ring.of(members.toReversed()).layout).toBe(ring.layout)
    const joined = ring.with({ add: [memberOf(9)] })
    expect(joined.with({ remove: [memberOf(9)] }).layout).toBe(ring.layout)
    expect(joined.layout).not.toBe(ring.layout)
  })

  it('has one life of a peer at most', () => {
    const twoLives = [memberOf(0), memberOf(0, 4, '00000000000000ff')]
    expect(() => Ring.of(twoLives)).toThrow('it can have one life')
    expect(() => Ring.of([twoLives[0]!]).with({ add: [twoLives[1]!] })).toThrow('it can have one life')
  })

  it('refuses to remove who is no member, another life of a member too', () => {
    const ring = Ring.of(membersOf(3))
    expect(() => ring.with({ remove: [memberOf(9)] })).toThrow(memberKey(memberOf(9)))
    expect(() => ring.with({ remove: [memberOf(0, 4, '00000000000000ff')] })).toThrow('not a member of')
  })

  it('refuses positions of another length and counts that are none', () => {
    const ring = Ring.of(membersOf(3))
    expect(() => ring.replicas(new Uint8Array(31), 3)).toThrow('a position has 32 bytes, not 31')
    for (const count of [0, -1, 1.5, Number.NaN]) {
      expect(() => ring.replicas(positionAt(), count)).toThrow('a whole number from 1 on')
    }
  })

  it('answers for more numbers of copies than it keeps tables for', () => {
    const members = membersOf(8)
    const ring = Ring.of(members)
    for (const count of [1, 2, 3, 4, 5, 6, 7, 8, 1, 2]) {
      expect(ring.replicas(positionAt(99), count)).toEqual(referenceReplicas(members, positionAt(99), count))
    }
  })
})

describe('ranges of a member', () => {
  it('hold a position just where the member is a replica of it', () => {
    fc.assert(
      fc.property(someMembers(7, 1), someCount, fc.array(somePosition), (members, count, positions) => {
        const ring = Ring.of(members)
        for (const position of [...edgesOf(members), ...positions]) {
          const replicas = ring.replicas(position, count)
          for (const member of members) {
            const holding = ring.rangesOf(member, count).filter(range => contains(range, position))
            expect(holding).toHaveLength(replicas.includes(member) ? 1 : 0)
          }
        }
      }),
      { numRuns: 40 }
    )
  })

  it('touch nowhere: as few as can be', () => {
    fc.assert(
      fc.property(someMembers(7, 1), someCount, (members, count) => {
        const ring = Ring.of(members)
        for (const member of members) {
          const ranges = ring.rangesOf(member, count)
          const starts = new Set(ranges.map(({ start }) => formatPosition(start)))
          if (ranges.length > 1 || ranges[0] !== wholeRing) {
            for (const { end } of ranges) expect(starts).not.toContain(formatPosition(end))
          }
        }
      })
    )
  })

  it('are the whole ring where every member has every copy', () => {
    const ring = Ring.of(membersOf(3))
    for (const member of ring.members) expect(ring.rangesOf(member, 3)).toEqual([wholeRing])
    expect(Ring.of([memberOf(0, 1)]).rangesOf(memberOf(0, 1), 1)).toEqual([wholeRing])
  })

  it('are none for a stranger, and for another life of a member', () => {
    const ring = Ring.of(membersOf(3))
    expect(ring.rangesOf(memberOf(9), 3)).toEqual([])
    expect(ring.rangesOf(memberOf(0, 4, '00000000000000ff'), 3)).toEqual([])
  })
})

describe('share of a member', () => {
  it('sums to 1 over all members, whatever the copies', () => {
    fc.assert(
      fc.property(someMembers(8, 1), someCount, (members, count) => {
        const ring = Ring.of(members)
        const sum = members.reduce((total, member) => total + ring.share(member, count), 0)
        expect(sum).toBeCloseTo(1, 12)
      })
    )
  })

  it('is as wide as its ranges', () => {
    const ring = Ring.of(membersOf(6))
    const at = (position: Uint8Array): number => Number(`0x${formatPosition(position)}`) / 2 ** 256
    for (const member of ring.members) {
      const widths = ring.rangesOf(member, 3).map(({ start, end }) => (at(end) - at(start) + 1) % 1)
      expect(ring.share(member, 3)).toBeCloseTo(widths.reduce((sum, width) => sum + width, 0) / 3, 12)
    }
  })

  it('is equal for all where every member has every copy, and 0 for a stranger', () => {
    const ring = Ring.of(membersOf(3))
    expect(ring.share(memberOf(0), 3)).toBeCloseTo(1 / 3, 12)
    expect(ring.share(memberOf(9), 3)).toBe(0)
    expect(Ring.of<RingMember>([]).share(memberOf(9), 3)).toBe(0)
  })
})
