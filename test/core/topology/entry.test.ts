import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { memberKey } from '../../../src/core/member.ts'
import { Ring } from '../../../src/core/ring/ring.ts'
import { topologyFromWire, topologyToWire } from '../../../src/core/topology/codec.ts'
import {
  applyEntry,
  checkEntry,
  openEntry,
  restoreEntry,
  restoreLeap,
  type Entry
} from '../../../src/core/topology/entry.ts'
import {
  isInRingAfter,
  isInRingBefore,
  maxGoneMembers,
  type Standing,
  type Topology
} from '../../../src/core/topology/topology.ts'
import { entryOf, id, member, nameOf, names, run, standings } from './script.ts'

/** A script, and what is true at its end: standings, the rings (before | after), acceptors and takers. */
const scripts: ReadonlyArray<{
  script: string
  is: string
  rings: string
  acceptors: string
  takers?: string
}> = [
  { script: 'found a', is: 'a:up', rings: 'a', acceptors: 'a' },
  { script: 'found a; open +b', is: 'a:up b:joining', rings: 'a | a b', acceptors: 'a', takers: 'b' },
  { script: 'found a; open +b; close', is: 'a:up b:up', rings: 'a b', acceptors: 'a' },
  { script: 'found a; open +b +c; close', is: 'a:up b:up c:up', rings: 'a b c', acceptors: 'a b c' },
  {
    script: 'found a; open +b +c; close; open +d +e; close',
    is: 'a:up b:up c:up d:up e:up',
    rings: 'a b c d e',
    acceptors: 'a b c d e'
  },
  {
    script: 'found a; open +b +c; close; open -a',
    is: 'a:leaving b:up c:up',
    rings: 'a b c | b c',
    acceptors: 'a b c',
    // n shrinks from three to two: everyone pulls.
    takers: 'b c'
  },
  {
    script: 'found a; open +b; close; open +c -a; amend drop c',
    is: 'a:leaving b:up c:removed',
    rings: 'a b | b',
    acceptors: 'b',
    takers: 'b'
  },
  {
    script: 'found a; open +b; close; open +c -a; amend drop c; close',
    is: 'a:left b:up c:removed',
    rings: 'b',
    acceptors: 'b'
  },
  {
    script: 'found a; open +b; amend drop b',
    is: 'a:up b:removed',
    rings: 'a | a',
    acceptors: 'a',
    takers: ''
  },
  {
    script: "found a; open +b +c; close; open +b'",
    is: "a:up b':joining b:removing c:up",
    rings: "a b c | a b' c",
    acceptors: 'a',
    takers: "b'"
  },
  {
    script: "found a; open +b +c; close; open +b'; amend drop b'",
    is: "a:up b':removed b:removing c:up",
    rings: 'a b c | a c',
    acceptors: 'a',
    takers: 'a c'
  },
  {
    script: "found a; open +b +c; close; open +b'; close; open +b''; close",
    is: "a:up b'':up b':removed b:removed c:up",
    rings: "a b'' c",
    acceptors: "a b'' c"
  },
  {
    script: 'found a; open +b +c; close; open +d; amend !b',
    is: 'a:up b:removing c:up d:joining',
    rings: 'a b c | a c d',
    acceptors: 'a',
    takers: 'd'
  }
]

describe('the topology that a script of entries leads to', () => {
  for (const { script, is, rings, acceptors, takers = '' } of scripts) {
    it(script, () => {
      const topology = run(script)
      expect(standings(topology)).toBe(is)
      expect(topology.rings.map(ring => names(ring.members)).join(' | ')).toBe(rings)
      expect(names(topology.acceptors)).toBe(acceptors)
      expect(names(topology.takers)).toBe(takers)
    })
  }

  it('names as acceptors who has stood longest, and those who leave last', () => {
    const topology = run('found d; open +a; close; open +b; close; open +c; close')
    expect(topology.acceptors.map(nameOf)).toEqual(['d', 'a', 'b'])
    expect(run('open -d', { from: topology }).acceptors.map(nameOf)).toEqual(['a', 'b', 'c'])
  })

  it('keeps who was given up marked as lost', () => {
    expect(run('found a; open +b +c; close; open !!b').member(id('b'))?.lost).toBe(true)
    const given = run('found a; open +b +c; close; open !b; amend !!b')
    expect(given.member(id('b'))).toMatchObject({ lost: true, standing: 'removing', standingAt: 3 + 1 })
  })

  it('takes the newest life that counts as what a peer id stands for', () => {
    const peerId = id('b').peerId
    const replacing = run("found a; open +b +c; close; open +b'")
    expect(nameOf(replacing.currentLifeOf(peerId)!)).toBe("b'")
    expect(nameOf(run("amend drop b'", { from: replacing }).currentLifeOf(peerId)!)).toBe('b')
    expect(run('found a').currentLifeOf(peerId)).toBeUndefined()
  })

  it('remembers only so many of those that are gone, the latest', () => {
    let topology = run('found a')
    for (let i = 0; i <= maxGoneMembers; i++) {
      const joiner = { ...member('b'), life: (i + 1).toString(16).padStart(16, '0') }
      topology = applyEntry(topology, openEntry(topology.epoch + 1, { joins: [joiner] }))
      topology = run('close', { from: topology })
    }
    topology = run('open -a; close', { from: topology })
    expect(topology.members.length).toBe(1 + maxGoneMembers)
    expect(topology.member({ peerId: id('b').peerId, life: '1'.padStart(16, '0') })).toBeUndefined()
    expect(topology.member(id('a'))?.standing).toBe('left')
  })
})

describe('an entry that may not follow', () => {
  const three = 'found a; open +b +c; close'
  const cases: ReadonlyArray<[after: string, statement: string, reason: RegExp]> = [
    ['found a', 'found b', /founded already/],
    ['found a', 'close', /no transition is open/],
    ['found a', 'amend !a', /no transition is open/],
    ['found a', 'open', /changes nothing/],
    ['found a', 'open -a', /ring would be empty/],
    ['found a', 'open +a', /a life it had before/],
    ['found a', "open +b +b'", /joins with two lives/],
    ['found a', "open +a'", /nobody would be left to decide/],
    ['found a', 'open +b !a', /nobody would be left to decide/],
    [three, 'open -d', /leaves, but is not up/],
    [three, 'open !d', /removed, but is not up/],
    [three, 'open -b !b', /leaves and is removed/],
    [three, "open -b +b'", /leaves and is replaced/],
    ['found a; open +b', 'open +c', /a transition is open/],
    ['found a; open +b', 'amend', /changes nothing/],
    ['found a; open +b', 'amend drop a', /dropped, but is not joining/],
    ['found a; open +b', 'amend !b', /not a member of the ring before/],
    ['found a; open +b +c; close; open !b', 'amend !b', /not a member of the ring before/]
  ]
  for (const [after, statement, reason] of cases) {
    it(`${after}; then ${statement}`, () => {
      const topology = run(after)
      expect(checkEntry(topology, entryOf(topology, statement))).toMatch(reason)
    })
  }

  it('leaves no ring empty by dropping the last joiner', () => {
    const topology = run('found a; open +b; close; open +c -a -b')
    expect(checkEntry(topology, entryOf(topology, 'amend drop c'))).toMatch(/ring would be empty/)
  })

  it('has another epoch than the next', () => {
    const topology = run('found a')
    const entry = entryOf(topology, 'open +b')
    expect(checkEntry(topology, { ...entry, epoch: 3 })).toMatch(/does not follow/)
    expect(checkEntry(undefined, entry)).toMatch(/begins with a found entry/)
    expect(() => applyEntry(topology, { ...entry, epoch: 1 })).toThrow(/may not follow/)
  })

  it('has lists out of order, or names one that is given up and not removed', () => {
    const topology = run(three)
    const open = openEntry(topology.epoch + 1, { joins: [member('d'), member('e')] })
    expect(checkEntry(topology, { ...open, joins: [...open.joins].reverse() })).toMatch(/not in order/)
    expect(checkEntry(topology, { ...open, lost: [id('b')] })).toMatch(/given up, but not removed/)
  })

  it('has more vnodes than allowed', () => {
    const open = openEntry(2, { joins: [{ ...member('b'), vnodes: 1025 }] })
    expect(checkEntry(run('found a'), open)).toMatch(/vnodes/)
  })
})

describe('a restore', () => {
  it('removes all but the survivors in a transition of a higher generation, in place of what is open', () => {
    const topology = run('found a; open +b +c; close; open +d -a')
    const restored = applyEntry(topology, restoreEntry(topology, [id('a'), id('b')]))
    const epoch = topology.epoch + restoreLeap
    expect(standings(restored)).toBe('a:up b:up c:removing d:removed')
    expect(restored).toMatchObject({ epoch, generation: 2, transition: { opened: epoch, latest: epoch } })
    expect(restored.member(id('c'))?.lost).toBe(true)
    expect(names(restored.acceptors)).toBe('a')
    expect(names(restored.takers)).toBe('a b')
    // Only its close is left to be agreed on, by those who survived.
    expect(standings(run('close', { from: restored }))).toBe('a:up b:up c:removed d:removed')
  })

  it('gives up again what an earlier one, or a removal, was still replacing', () => {
    const topology = run('found a; open +b +c +d; close; open !b')
    const restored = applyEntry(topology, restoreEntry(topology, [id('a'), id('c')]))
    const again = applyEntry(restored, restoreEntry(restored, [id('a')]))
    expect(standings(again)).toBe('a:up b:removing c:removing d:removing')
    expect(again.members.filter(({ lost }) => lost)).toHaveLength(3)
    expect(again.generation).toBe(3)
  })

  it('leaps by a million epochs or more, so that two of them hardly ever meet at one', () => {
    const topology = run('found a; open +b; close')
    const epochs = [0, 0.5, 0.999].map(draw => restoreEntry(topology, [id('a')], draw).epoch - topology.epoch)
    expect(epochs).toEqual([1, 1.5, 1.999].map(times => times * restoreLeap))
    const entry = restoreEntry(topology, [id('a')])
    for (const epoch of [topology.epoch + 1, entry.epoch - 1, entry.epoch + restoreLeap])
      expect(checkEntry(topology, { ...entry, epoch })).toMatch(/does not follow/)
  })

  it('needs survivors that hold data', () => {
    const topology = run('found a; open +b')
    expect(checkEntry(topology, restoreEntry(topology, [id('b')]))).toMatch(/holds no part/)
    expect(checkEntry(topology, restoreEntry(topology, []))).toBeDefined()
  })
})

describe('any sequence of entries that may follow each other', () => {
  const letters = ['a', 'b', 'c', 'd', 'e', 'f', 'g']
  const names7 = letters.flatMap(letter => [letter, `${letter}'`, `${letter}''`])
  const statement = fc.oneof(
    fc.constant('close'),
    fc
      .array(fc.tuple(fc.constantFrom('+', '+', '-', '!', '!!'), fc.constantFrom(...names7)), {
        minLength: 1,
        maxLength: 4
      })
      .map(parts => `open ${parts.map(part => part.join('')).join(' ')}`),
    fc
      .array(fc.tuple(fc.constantFrom('', '', '!', '!!'), fc.constantFrom(...names7)), {
        minLength: 1,
        maxLength: 2
      })
      .map(parts => `amend ${parts.map(part => part.join('')).join(' ')}`)
  )

  it('keeps what every topology must keep', () => {
    let applied = 0
    fc.assert(
      fc.property(fc.array(statement, { minLength: 40, maxLength: 80 }), statements => {
        let topology = run('found a')
        for (const text of statements) {
          const entry = entryOf(topology, text)
          if (checkEntry(topology, entry) !== undefined) continue
          const next = applyEntry(topology, entry)
          expectStep(topology, next, entry)
          topology = next
          applied++
        }
      }),
      { numRuns: 300, seed: 7 }
    )
    expect(applied).toBeGreaterThan(1_000)
  })
})

/** How far along a life is; members of one rank do not turn into each other. */
const ranks: Readonly<Record<Standing, number>> = {
  joining: 0,
  up: 1,
  leaving: 2,
  removing: 3,
  left: 4,
  removed: 4
}

function expectStep(topology: Topology, next: Topology, entry: Entry): void {
  expect(next.epoch).toBe(topology.epoch + 1)
  expect(next.rings.length).toBe(entry.kind === 'close' ? 1 : 2)
  for (const each of next.members) {
    const was = topology.member(each)
    if (was === undefined) continue
    expect(ranks[each.standing]).toBeGreaterThanOrEqual(ranks[was.standing])
    expect(each.since).toBe(was.since)
    if (each.standing !== was.standing) expect(each.standingAt).toBe(next.epoch)
  }
  // The ring in force never changes but at a close, when the ring after takes its place.
  const inForce = entry.kind === 'close' ? topology.after! : topology.before
  expect(next.before.members.map(memberKey)).toEqual(inForce.members.map(memberKey))
  for (const ring of next.rings) {
    expect(ring.members.length).toBeGreaterThan(0)
    expect(new Set(ring.members.map(each => each.peerId)).size).toBe(ring.members.length)
    // Rings hold members as they now stand, and are those that one would make from scratch.
    for (const each of ring.members) expect(next.member(each)).toBe(each)
    const fresh = Ring.of(next.members.filter(ring === next.before ? isInRingBefore : isInRingAfter))
    expect(ring.members).toEqual(fresh.members)
    expect(Buffer.compare(ring.layout.positions, fresh.layout.positions)).toBe(0)
  }
  expect([1, 3, 5]).toContain(next.acceptors.length)
  const back = topologyFromWire(topologyToWire(next))
  expect(topologyToWire(back)).toEqual(topologyToWire(next))
  expect(names(back.acceptors)).toBe(names(next.acceptors))
  expect(names(back.takers)).toBe(names(next.takers))
}
