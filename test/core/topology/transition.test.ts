import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { sameMember } from '../../../src/core/member.ts'
import { positionOf } from '../../../src/core/ring/position.ts'
import { contains } from '../../../src/core/ring/range.ts'
import type { Member, Topology } from '../../../src/core/topology/topology.ts'
import { dutiesOf, pullCount } from '../../../src/core/topology/transition.ts'
import { id, names, run } from './script.ts'

const positions = Array.from({ length: 200 }, (_, i) => positionOf(Buffer.from(`key ${i}`)))

describe('n - q + 1 replicas', () => {
  it('are the fewest of which every majority holds one', () => {
    for (let n = 1; n <= 15; n++) expect(pullCount(n)).toBe(n - (Math.floor(n / 2) + 1) + 1)
  })
})

describe('the duties of a member in a transition', () => {
  it('are none while no transition is open, and none for who takes nothing', () => {
    expect(dutiesOf(run('found a; open +b; close'), id('b'))).toEqual([])
    expect(dutiesOf(run('found a; open +b +c; close; open +d'), id('a'))).toEqual([])
  })

  it('of the second member are the whole ring, from the first', () => {
    const duties = dutiesOf(run('found a; open +b'), id('b'))
    expect(duties.map(({ sources, needed }) => [names(sources), needed])).toEqual([['a', 1]])
  })

  it('ask of each range all replicas in the ring before, a majority of them to be pulled from', () => {
    const topology = run('found a; open +b +c; close; open +d')
    const duties = dutiesOf(topology, id('d'))
    expect(duties.map(({ sources, needed }) => [names(sources), needed])).toEqual(
      duties.map(() => ['a b c', 2])
    )
    expectDuties(topology)
  })

  it('of a new life are those of the old one, which is no source that it counts for', () => {
    const duties = dutiesOf(run("found a; open +b +c; close; open +b'"), id("b'"))
    expect(duties.map(({ sources, needed }) => [names(sources), needed])).toEqual([['a b c', 2]])
    expect(dutiesOf(run("found a; open +b +c; close; open +b'"), id('b'))).toEqual([])
  })

  it('are everyone’s, over all it replicates, when n shrinks', () => {
    const topology = run('found a; open +b +c; close; open -c')
    expect(names(topology.takers)).toBe('a b')
    for (const name of ['a', 'b']) {
      const duties = dutiesOf(topology, id(name))
      // The member itself counts as one of the two.
      expect(duties.map(({ sources, needed }) => [names(sources), needed])).toEqual([['a b c', 2]])
    }
  })

  it('ask for no more copies than were not given up', () => {
    const topology = run('found a; open +b; close; open +c +d; close; open !!a !!b', { replicas: 2 })
    for (const taker of topology.takers) {
      for (const { sources, needed } of dutiesOf(topology, taker)) {
        expect(needed).toBe(Math.min(pullCount(sources.length), sources.filter(({ lost }) => !lost).length))
      }
    }
  })

  it('cover, for any change, each position that changes hands, once and by who takes it', () => {
    const letter = fc.constantFrom('d', 'e', 'f', 'g')
    fc.assert(
      fc.property(
        fc.uniqueArray(letter, { maxLength: 3 }),
        fc.uniqueArray(fc.constantFrom('a', 'b', 'c'), { maxLength: 2 }),
        fc.integer({ min: 1, max: 4 }),
        (joins, leaves, replicas) => {
          fc.pre(joins.length + leaves.length > 0)
          const words = [...joins.map(name => `+${name}`), ...leaves.map(name => `-${name}`)]
          expectDuties(run(`found a; open +b +c; close; open ${words.join(' ')}`, { replicas }))
        }
      ),
      { numRuns: 60, seed: 3 }
    )
  })
})

function expectDuties(topology: Topology): void {
  const { before, after, replicas, takers } = topology
  const shrinks = Math.min(replicas, after!.members.length) < Math.min(replicas, before.members.length)
  for (const member of topology.members) {
    const duties = dutiesOf(topology, member)
    expect(duties.length > 0).toBe(takers.includes(member))
    for (const position of positions) {
      const holders = before.replicas(position, replicas)
      const has = (list: readonly Member[]): boolean => list.some(other => sameMember(other, member))
      const takes = has(after!.replicas(position, replicas)) && (shrinks || !has(holders))
      const covering = duties.filter(({ range }) => contains(range, position))
      expect(covering.length).toBe(takes ? 1 : 0)
      if (takes) expect(names(covering[0]!.sources)).toBe(names(holders))
    }
  }
}
