import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Consistency } from '../../../src/api.ts'
import { quorumOf, Tally } from '../../../src/core/register/quorum.ts'

const consistencies: Consistency[] = ['one', 'quorum', 'all']

describe('quorumOf', () => {
  it('is the smallest majority', () => {
    expect([1, 2, 3, 4, 5, 15].map(quorumOf)).toEqual([1, 2, 2, 3, 3, 8])
  })
})

describe('a tally', () => {
  // Rings before and after; consistency; votes; whether they are enough.
  const cases: Array<[string[], Consistency, string, boolean]> = [
    [['A'], 'quorum', 'A', true],
    [['ABC'], 'quorum', 'A', false],
    [['ABC'], 'quorum', 'AA', false],
    [['ABC'], 'quorum', 'AX', false],
    [['ABC'], 'quorum', 'AC', true],
    [['ABC'], 'all', 'AC', false],
    [['ABC'], 'all', 'CAB', true],
    [['ABC'], 'one', 'B', true],
    [['ABC'], 'one', 'X', false],
    [['ABCD'], 'quorum', 'AB', false],
    [['ABC', 'BCD'], 'quorum', 'BC', true],
    [['ABC', 'BCD'], 'quorum', 'AB', false],
    [['ABC', 'BCD'], 'quorum', 'ABD', true],
    [['ABC', 'DEF'], 'quorum', 'AB', false],
    [['ABC', 'DEF'], 'quorum', 'DE', false],
    [['ABC', 'DEF'], 'quorum', 'ABDE', true],
    [['ABC', 'BCD'], 'all', 'ABC', false],
    [['ABC', 'BCD'], 'all', 'ABCD', true],
    [['ABC', 'BCD'], 'one', 'D', true],
    [['A', ''], 'quorum', 'A', true]
  ]
  it.each(cases)('of rings %j at %s with the votes %s: met is %s', (rings, consistency, votes, isMet) => {
    const tally = new Tally(rings.map(split), consistency)
    for (const vote of split(votes)) tally.vote(vote)
    expect(tally.isMet).toBe(isMet)
  })

  it('names who has voted and who is missing, each once', () => {
    const tally = new Tally([split('ABC'), split('BCD')], 'quorum')
    tally.vote('C')
    tally.vote('C')
    tally.vote('X')
    expect(tally.voted).toEqual(['C'])
    expect(tally.missing).toEqual(['A', 'B', 'D'])
    expect(tally.needs).toEqual([
      { needed: 2, of: 3 },
      { needed: 2, of: 3 }
    ])
  })

  it('is hopeless once a ring has lost more than it can spare, until one of them votes after all', () => {
    const tally = new Tally([split('ABC'), split('BCD')], 'quorum')
    tally.lose('A')
    tally.lose('D')
    expect(tally.isHopeless).toBe(false)
    tally.lose('B')
    expect(tally.isHopeless).toBe(true)
    tally.vote('B')
    expect(tally.isHopeless).toBe(false)
  })

  it('chooses members of both rings only as often as they add to a ring still short', () => {
    const tally = new Tally([split('ABC'), split('BCD')], 'quorum')
    expect(tally.choose(split('BCAD'), [])).toEqual(['B', 'C'])
    expect(tally.choose(split('ADBC'), [])).toEqual(['A', 'D', 'B'])
    expect(tally.choose(split('CAD'), ['B'])).toEqual(['C'])
    tally.vote('B')
    tally.vote('C')
    expect(tally.choose(split('AD'), [])).toEqual([])
  })

  it('agrees with counting each ring by hand, for any rings and votes', () => {
    const member = fc.constantFrom(...split('ABCDEFGH'))
    const ring = fc.uniqueArray(member, { minLength: 1, maxLength: 5 })
    const step = fc.tuple(fc.constantFrom('vote', 'lose', 'retract'), member)
    fc.assert(
      fc.property(
        fc.array(ring, { minLength: 1, maxLength: 2 }),
        fc.constantFrom(...consistencies),
        fc.array(step),
        (rings, consistency, steps) => {
          const tally = new Tally(rings, consistency)
          const voted = new Set<string>()
          const lost = new Set<string>()
          for (const [what, who] of steps) {
            if (what === 'vote') voted.add(who)
            if (what === 'vote') lost.delete(who)
            if (what === 'retract') voted.delete(who)
            if (what === 'lose' && !voted.has(who)) lost.add(who)
            tally[what as 'vote'](who)
          }
          expect(tally.isMet).toBe(isEnough(rings, consistency, who => voted.has(who)))
          expect(tally.isHopeless).toBe(!isEnough(rings, consistency, who => !lost.has(who)))
        }
      )
    )
  })

  it('chooses so that the chosen suffice, and none of them is superfluous', () => {
    const ring = fc.uniqueArray(fc.constantFrom(...split('ABCDEF')), { minLength: 1, maxLength: 5 })
    const subset = fc.subarray(split('ABCDEF'))
    fc.assert(
      fc.property(
        fc.array(ring, { minLength: 1, maxLength: 2 }),
        fc.constantFrom(...consistencies),
        subset,
        subset,
        (rings, consistency, votes, hoped) => {
          const tally = new Tally(rings, consistency)
          for (const vote of votes) tally.vote(vote)
          const waiting = hoped.filter(key => !votes.includes(key))
          const chosen = tally.choose(split('ABCDEF'), waiting)
          const counted = [...votes, ...waiting, ...chosen]
          expect(isEnough(rings, consistency, who => counted.includes(who))).toBe(true)
          // The last one chosen was still needed.
          if (chosen.length > 0) {
            expect(isEnough(rings, consistency, who => counted.slice(0, -1).includes(who))).toBe(false)
          }
        }
      )
    )
  })
})

/** Members of one letter each. */
function split(members: string): string[] {
  return members.split('')
}

function isEnough(rings: string[][], consistency: Consistency, counts: (who: string) => boolean): boolean {
  if (consistency === 'one') return rings.flat().some(counts)
  return rings.every(ring => {
    const votes = ring.filter(counts).length
    return consistency === 'all' ? votes === ring.length : votes > ring.length / 2
  })
}
