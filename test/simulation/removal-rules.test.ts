/** Who has members removed: each rule is broken once by made-up messages, and kept by others. */
import { beforeEach, describe, expect, it } from 'vitest'
import { memberKey, type MemberId } from '../../src/core/member.ts'
import { entryToWire } from '../../src/core/topology/codec.ts'
import type { Topology } from '../../src/core/topology/topology.ts'
import type { Request, Response } from '../../src/wire/generated/messages.ts'
import { entryOf, id, run } from '../core/topology/script.ts'
import type { SimulatedPeer } from './cluster.ts'
import { RemovalRules } from './run/removal-rules.ts'

const sixMembers = 'found a; open +b +c +d +e +f; close'

const ballot = { round: 1, boot: 1, ...id('a') }

let topology: Topology
let rules: RemovalRules

beforeEach(() => begin(3))

function begin(replicas: number): void {
  rules = new RemovalRules()
  topology = run(sixMembers, { replicas })
}

/** One makes up its mind, and sees these alive. */
function proposes(by: string, alive: string): void {
  const seen = new Set(Array.from(alive, name => memberKey(id(name))))
  const liveness = (member: MemberId): string => (seen.has(memberKey(member)) ? 'alive' : 'down')
  const membersNow = () => topology.current.map(member => ({ ...member, liveness: liveness(member) }))
  // All of a peer that the rules look at.
  const core = { topologyNow: topology, membersNow } as unknown as SimulatedPeer['core']
  rules.proposes({ peerId: id(by).peerId, core })
}

function asks(by: string, request: Partial<Request>, answer?: Partial<Response>): void {
  const { epoch } = topology
  const told = answer === undefined ? undefined : { epoch, ...answer }
  rules.saw({ from: id(by).peerId, to: id('b'), request: { epoch, ...request }, answer: told })
}

const entryFor = (statement: string) => entryToWire(entryOf(topology, statement))

const accept = (by: string, statement: string): void =>
  asks(by, { accept: { epoch: topology.epoch + 1, ballot, entry: entryFor(statement) } })

const complaints = (): string[] =>
  rules.violations.map(({ guarantee, what }) => {
    return `${guarantee} ${/sees \d (alive of \d that stay|of \d replicas left)/.exec(what)?.[0]}`
  })

describe('a removal', () => {
  it('is in order where its proposer sees most of the others, and copies enough', () => {
    proposes('a', 'abcde')
    accept('a', 'open !f')
    expect(complaints()).toEqual([])
  })

  it('is not where it sees half of them or fewer, also where copies are given up', () => {
    proposes('a', 'ab')
    accept('a', 'open !!f')
    expect(complaints()).toEqual(['log sees 2 alive of 5 that stay'])
  })

  it('counts those whose removal was asked for by hand where they are alive, and not where they are gone', () => {
    for (const name of 'de')
      asks('a', { petition: { remove: id(name), joinReplicas: 0, acceptLoss: true, relayed: false } })
    const entries = { abc: 'open !!f', ade: 'open !!f +g', ab: 'open !!f +h' }
    for (const [alive, entry] of Object.entries(entries)) {
      proposes('a', alive)
      accept('a', entry)
    }
    expect(complaints()).toEqual([])
    proposes('a', 'a')
    accept('a', 'open !!f -b')
    expect(complaints()).toEqual(['log sees 1 alive of 3 that stay'])
  })

  it('is not where too few replicas of a range are left, unless they are given up', () => {
    begin(1)
    proposes('a', 'abcde')
    accept('a', 'open !f')
    expect(complaints()).toEqual(['log sees 0 of 1 replicas left'])
    begin(1)
    proposes('a', 'abcde')
    accept('a', 'open !!f')
    expect(complaints()).toEqual([])
  })

  it('counts no replica that is on its way out already', () => {
    begin(2)
    topology = run('open !e', { from: topology })
    proposes('a', 'abcde')
    accept('a', 'amend !f')
    expect(complaints()).toEqual(['log sees 0 of 2 replicas left'])
  })

  it('is judged by who asks for it first', () => {
    proposes('a', 'abcde')
    proposes('b', 'ab')
    accept('a', 'open !f')
    accept('b', 'open !f')
    expect(complaints()).toEqual([])
  })

  it('is not judged where another one says that it has accepted it before', () => {
    const prepare = { epoch: topology.epoch + 1, ballot }
    const acceptedEntry = entryFor('open !f')
    asks('b', { prepare }, { vote: { granted: true, acceptedEntry } })
    proposes('b', 'ab')
    accept('b', 'open !f')
    expect(complaints()).toEqual([])
  })

  it('is judged by what was seen at its own epoch', () => {
    proposes('a', 'ab')
    topology = run('open +g; close', { from: topology })
    accept('a', 'open !!f')
    expect(complaints()).toEqual([])
  })
})

it('leaves alone entries that remove nobody', () => {
  proposes('a', 'a')
  accept('a', 'open +g')
  expect(complaints()).toEqual([])
})
