/** That takers take: each rule is broken once by made-up messages, and kept by others. */
import { beforeEach, describe, expect, it } from 'vitest'
import { applyEntry } from '../../src/core/topology/entry.ts'
import type { Topology } from '../../src/core/topology/topology.ts'
import { SessionDomain } from '../../src/wire/generated/messages.ts'
import { entryOf, id, nameOf, run } from '../core/topology/script.ts'
import { TakeRules } from './run/take-rules.ts'

const { DOMAIN_SHARED, DOMAIN_TAKEN } = SessionDomain

let topologies: Map<number, Topology>
let topology: Topology
let rules: TakeRules

beforeEach(() => {
  topologies = new Map()
  rules = new TakeRules({ topologyAt: epoch => topologies.get(epoch) })
})

/** The log up to here; later on `follow`. */
function begin(script: string, replicas = 3): void {
  topology = run(script, { replicas })
  topologies.set(topology.epoch, topology)
}

function follow(script: string): void {
  for (const statement of script.split(';')) {
    topology = applyEntry(topology, entryOf(topology, statement))
    topologies.set(topology.epoch, topology)
    rules.moved(topology)
  }
}

interface Asked {
  readonly domain?: SessionDomain
  readonly parents?: number[]
  /** Of the answer. */
  readonly epoch?: number
}

/** Begins a session with each of these, all of which answer. */
function takes(
  taker: string,
  sources: string,
  { domain = DOMAIN_TAKEN, parents = [0], epoch }: Asked = {}
): void {
  for (const source of sources) {
    const compareNodes = { domain, parents, sums: new Uint8Array() }
    const asked = { from: id(taker).peerId, to: id(source), request: { epoch: topology.epoch, compareNodes } }
    rules.saw({ ...asked, answer: undefined })
    const nodesCompared = { differing: new Uint8Array(), damagedSlots: [] }
    rules.saw({ ...asked, answer: { epoch: epoch ?? topology.epoch, nodesCompared } })
  }
}

function reports(taker: string): void {
  const report = { epoch: topology.epoch, member: id(taker) }
  const request = { epoch: topology.epoch, report }
  rules.saw({ from: id(taker).peerId, to: id('a'), request, answer: undefined })
}

/** Who has broken a rule, and how: by reporting, or when the transition closed. */
const breaches = (): string[] =>
  rules.violations.map(({ guarantee, subject, what }) => {
    const name = 'abcdef'.split('').find(each => id(each).peerId === subject)!
    return `${guarantee} ${name} ${what.includes('reports') ? 'reports' : 'closes'}`
  })

describe('a report', () => {
  beforeEach(() => {
    begin('found a; open +b +c; close')
    follow('open +d')
  })

  it('is in order where two of three replicas of each range were asked', () => {
    takes('d', 'ab')
    reports('d')
    expect(breaches()).toEqual([])
  })

  it('is not where one was, once however often it is repeated', () => {
    takes('d', 'a')
    reports('d')
    reports('d')
    expect(breaches()).toEqual(['log d reports'])
  })

  it.each<[string, Asked]>([
    ['are about something else', { domain: DOMAIN_SHARED }],
    ['go on with a session that did not begin', { parents: [1] }],
    ['were answered at another epoch', { epoch: 9 }]
  ])('does not count questions that %s', (_what, asked) => {
    takes('d', 'a')
    takes('d', 'b', asked)
    reports('d')
    expect(breaches()).toEqual(['log d reports'])
  })

  it('counts no session of before an amendment', () => {
    follow("amend drop d; close; open +d' +e")
    takes("d'", 'ab')
    takes('e', 'ab')
    follow('amend drop e')
    reports("d'")
    expect(breaches().at(-1)).toBe('log d reports')
  })

  it('of readiness for a purge is none of having taken', () => {
    const report = { epoch: topology.epoch, member: id('d'), reconciled: { since: 1, oldest: 0 } }
    rules.saw({
      from: id('d').peerId,
      to: id('a'),
      request: { epoch: topology.epoch, report },
      answer: undefined
    })
    expect(breaches()).toEqual([])
  })

  it('is in order where all that were not given up were asked, if these are too few', () => {
    follow('close')
    const taker = lostTwo()
    reports(taker)
    expect(breaches().slice(-1)).toEqual([`log ${taker} reports`])
    rules = new TakeRules({ topologyAt: epoch => topologies.get(epoch) })
    takes(taker, 'cdef')
    reports(taker)
    expect(breaches()).toEqual([])
  })

  /** a and b are given up; one of those left that takes what they held. */
  function lostTwo(): string {
    follow('open +e +f; close; open !!a !!b')
    return nameOf(topology.takers[0]!)
  }
})

describe('the close of a transition', () => {
  it('is in order where each taker has taken, reported on the wire or not', () => {
    begin('found a; open +b +c; close')
    follow('open +d')
    takes('d', 'bc')
    follow('close')
    expect(breaches()).toEqual([])
  })

  it('is not where one has not', () => {
    begin('found a; open +b +c; close')
    follow('open +d +e')
    takes('d', 'abc')
    follow('close')
    expect(breaches()).toEqual(['log e closes'])
  })

  it('asks of each member of a smaller ring that it has reconciled, counting itself', () => {
    begin('found a; open +b +c; close')
    follow('open -c')
    takes('a', 'b')
    follow('close')
    expect(breaches()).toEqual(['log b closes'])
  })

  it('asks nothing of members that replicated their ranges before, where n stays', () => {
    begin('found a; open +b +c; close', 2)
    follow('open +d')
    takes('d', 'abc')
    follow('close')
    expect(breaches()).toEqual([])
  })
})
