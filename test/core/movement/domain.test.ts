import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { Domain, slotsTouchedBy } from '../../../src/core/movement/domain.ts'
import type { MemberId } from '../../../src/core/member.ts'
import { Domains } from '../../../src/core/movement/domains.ts'
import {
  childrenOf,
  isLeaf,
  leafOf,
  nodeCount,
  rootNode,
  slotsOf
} from '../../../src/core/movement/slot-tree.ts'
import { slotCount, slotOf } from '../../../src/core/record/fingerprints.ts'
import { comparePositions, positionOf } from '../../../src/core/ring/position.ts'
import { contains, wholeRing, type Range } from '../../../src/core/ring/range.ts'
import { segmentsOf } from '../../../src/core/movement/segments.ts'
import { id, nameOf, run } from '../topology/script.ts'
import { bytes } from './world.ts'

/** Positions near the edges of a few slots, so that ranges begin and end in the same ones. */
const anyPosition = fc
  .tuple(fc.constantFrom(0, 1, 2, 0x0fff, 0x1000, 0xfffe, 0xffff), fc.constantFrom(0, 1, 128, 255))
  .map(([slot, rest]) => {
    const position = new Uint8Array(32).fill(rest)
    position.set([slot >>> 8, slot & 0xff])
    return position
  })

const anyRanges: fc.Arbitrary<Range[]> = fc.oneof(
  fc.constant(wholeRing).map(range => [range]),
  fc
    .uniqueArray(anyPosition, { minLength: 2, maxLength: 10, selector: position => position.join() })
    .map(positions => {
      const cuts = positions.sort(comparePositions)
      return cuts.map((end, i) => ({ start: cuts.at(i - 1)!, end })).filter((_, i) => i % 2 === 0)
    })
)

describe('the tree over the slots', () => {
  it('parts the slots of each node among its children, down to one', () => {
    for (let node = 0; node < nodeCount; node += node < 5_000 ? 1 : 997) {
      const { first, end } = slotsOf(node)
      const children = childrenOf(node)
      expect(isLeaf(node)).toBe(end - first === 1)
      expect(children.length).toBe(isLeaf(node) ? 0 : 16)
      const width = (end - first) / 16
      expect(children.map(slotsOf)).toEqual(
        children.map((_, i) => ({ first: first + i * width, end: first + (i + 1) * width }))
      )
    }
    expect(slotsOf(rootNode)).toEqual({ first: 0, end: slotCount })
    expect(slotsOf(leafOf(0xffff))).toEqual({ first: 0xffff, end: 0x10000 })
  })
})

describe('a domain', () => {
  it('has the positions of its ranges and no others', () => {
    fc.assert(
      fc.property(anyRanges, anyPosition, (ranges, position) => {
        expect(new Domain(ranges).has(position)).toBe(ranges.some(range => contains(range, position)))
      }),
      { numRuns: 2_000 }
    )
  })

  it('cut at slots is the same positions again, as ranges from position zero on', () => {
    fc.assert(
      fc.property(anyRanges, anyPosition, fc.nat(slotCount), (ranges, position, cut) => {
        const domain = new Domain(ranges)
        const cuts = [
          { first: 0, end: cut },
          { first: cut, end: slotCount }
        ]
        const within = cuts.map(slots => [...domain.rangesWithin(slots)])
        const hits = within.flat().filter(range => contains(range, position))
        expect(hits.length).toBe(domain.has(position) ? 1 : 0)
        const slot = slotOf(position)
        if (hits.length > 0) expect(within[slot < cut ? 0 : 1]).toContain(hits[0])
        cuts.forEach((slots, i) => expect(domain.touches(slots)).toBe(within[i]!.length > 0))
        for (const list of within) {
          const ends = list.map(({ end }) => end)
          expect(ends.toSorted(comparePositions)).toEqual(ends)
        }
      }),
      { numRuns: 2_000 }
    )
  })

  it('names whole slots where it can, so that nothing there has to be read', () => {
    expect([...new Domain([wholeRing]).within({ first: 7, end: 300 })]).toEqual([
      { first: 7, end: 300, parts: undefined }
    ])
  })

  it('touches the slots that its ranges do', () => {
    fc.assert(
      fc.property(anyRanges, anyPosition, (ranges, position) => {
        const slot = slotOf(position)
        const touched = ranges.some(range =>
          [...slotsTouchedBy(range)].some(({ first, end }) => first <= slot && slot < end)
        )
        if (new Domain(ranges).has(position)) expect(touched).toBe(true)
      })
    )
  })
})

describe('the domains of two members', () => {
  const topologies = [
    run('found a; open +b +c +d; close'),
    run('found a; open +b +c +d; close; open +e -a'),
    run('found a; open +b; close; open -b; close'),
    run('found a; open +b +c +d +e; close; open !b', { replicas: 2 })
  ]
  const names = ['a', 'b', 'c', 'd', 'e']
  const positions = Array.from({ length: 200 }, (_, i) => positionOf(bytes(`key ${i}`)))

  it('are the same at both ends, and what each of them is by the rings in force', () => {
    for (const topology of topologies) {
      const segments = [...segmentsOf(topology)]
      for (const giver of names) {
        for (const taker of names.filter(name => name !== giver)) {
          const [from, to] = [new Domains(topology, id(giver)), new Domains(topology, id(taker))]
          for (const position of positions) {
            const segment = segments.find(({ range }) => contains(range, position))!
            const names = (members: readonly MemberId[]): string[] => members.map(nameOf)
            const [before, replicas] = [names(segment.before), names([...segment.before, ...segment.after])]
            const isShared = before.includes(giver) && before.includes(taker)
            expect(from.sharedWith(id(taker))?.has(position) ?? false).toBe(isShared)
            expect(to.sharedWith(id(giver))?.has(position) ?? false).toBe(isShared)
            const isForeign = !replicas.includes(giver)
            expect(from.foreign?.has(position) ?? false).toBe(isForeign)
            const isGiven = isForeign && replicas.includes(taker)
            expect(from.handedOverTo(id(taker))?.has(position) ?? false).toBe(isGiven)
            expect(to.handedOverBy(id(giver))?.has(position) ?? false).toBe(isGiven)
            const duty = to.duties.find(({ range }) => contains(range, position))
            const isTaken = duty !== undefined && names(duty.sources).includes(giver)
            expect(to.takenFrom(id(giver))?.has(position) ?? false).toBe(isTaken)
            expect(from.takenBy(id(taker))?.has(position) ?? false).toBe(isTaken)
          }
        }
      }
    }
  })

  it('are those of the topology before where they are about the same, and else what they would be by themselves', () => {
    let topology = run('found a; open +b +c +d +e +f +g +h; close')
    let domains = new Domains(topology, id('a'))
    for (const change of ['open +i', 'close', 'open -c', 'close']) {
      const earlier = new Map(domains.shared.map(({ member, domain }) => [member.peerId, domain]))
      topology = run(change, { from: topology })
      domains = new Domains(topology, id('a'), domains)
      const alone = new Domains(topology, id('a')).shared
      expect(domains.shared.map(({ member }) => nameOf(member))).toEqual(
        alone.map(({ member }) => nameOf(member))
      )
      const kept = domains.shared.filter(({ member, domain }) => earlier.get(member.peerId) === domain)
      for (const [i, { domain }] of domains.shared.entries())
        expect(domain.isSame(alone[i]!.domain)).toBe(true)
      const equal = alone.filter(({ member, domain }) => earlier.get(member.peerId)?.isSame(domain) === true)
      expect(kept).toHaveLength(equal.length)
      expect(equal.length).toBeGreaterThan(0)
    }
  })
})
