/** What the simulator watches on the wire: each rule is broken once by made-up messages, and kept by others. */
import { beforeEach, describe, expect, it } from 'vitest'
import { encodeRecord } from '../../src/core/record/codec.ts'
import { writerBytes } from '../../src/core/record/version.ts'
import type { Ballot } from '../../src/core/topology/ballot.ts'
import { entryToWire, topologyToWire } from '../../src/core/topology/codec.ts'
import { applyEntry, type Entry } from '../../src/core/topology/entry.ts'
import type { Topology } from '../../src/core/topology/topology.ts'
import type { Request, Response } from '../../src/wire/generated/messages.ts'
import { entryOf, id, run } from '../core/topology/script.ts'
import { LogRules } from './run/log-rules.ts'
import { StampRules } from './run/stamp-rules.ts'
import type { Message } from './wiretap.ts'

/** Three members, who decide on epoch 4. */
const start = 'found a; open +b +c; close'

let rules: LogRules
let topology: Topology

const complaints = (): string[] => rules.violations.map(({ what }) => what)

function asks(from: string, to: string, request: Partial<Request>): Message {
  return {
    from: id(from).peerId,
    to: id(to),
    request: { epoch: topology.epoch, ...request },
    answer: undefined
  }
}

function answers(
  to: string,
  from: string,
  request: Partial<Request>,
  answer: Partial<Response> = {}
): Message {
  return { ...asks(from, to, request), answer: { epoch: topology.epoch, ...answer } }
}

const tells = (from: string, to: string, entries: readonly Entry[]): void =>
  rules.saw(asks(from, to, { learn: { log: { entries: entries.map(entryToWire) } } }))

/** All are told of what follows, and so are the rules. */
function follow(script: string): void {
  for (const statement of script.split(';')) {
    const entry = entryOf(topology, statement)
    topology = applyEntry(topology, entry)
    tells('a', 'b', [entry])
  }
}

const ballot = (round: number, proposer: string): Ballot => ({ round, boot: 1, ...id(proposer) })

const next = (statement: string): Entry => entryOf(topology, statement)

function prepare(to: string, asked: Ballot, vote: { granted?: boolean; accepted?: Ballot } = {}): void {
  const { granted = true, accepted } = vote
  const request = { prepare: { epoch: topology.epoch + 1, ballot: asked } }
  const told = accepted === undefined ? {} : { acceptedBallot: accepted }
  rules.saw(answers(to, 'a', request, { vote: { granted, promised: asked, ...told } }))
}

const acceptOf = (asked: Ballot, entry: Entry): Partial<Request> => ({
  accept: { epoch: topology.epoch + 1, ballot: asked, entry: entryToWire(entry) }
})

const ask = (asked: Ballot, entry: Entry, to = 'b'): void => rules.saw(asks('a', to, acceptOf(asked, entry)))

const accept = (by: string, asked: Ballot, entry: Entry): void =>
  rules.saw(answers(by, 'a', acceptOf(asked, entry), { vote: { granted: true, promised: asked } }))

const report = (by: string, epoch = topology.epoch): void =>
  rules.saw(asks(by, 'a', { report: { epoch, member: id(by) } }))

beforeEach(() => {
  rules = new LogRules()
  topology = run('found a')
  tells('a', 'b', [entryOf(undefined, 'found a')])
  follow(start.replace('found a; ', ''))
})

describe('the rules of agreement', () => {
  it('are kept by a proposer that has its entry decided', () => {
    const [first, entry] = [ballot(1, 'a'), next('open +d')]
    prepare('b', first)
    ask(first, entry)
    ask(first, entry, 'c')
    accept('b', first, entry)
    tells('a', 'c', [entry])
    expect(complaints()).toEqual([])
  })

  it('one ballot: are broken where one asks for two entries with it', () => {
    ask(ballot(1, 'a'), next('open +d'))
    ask(ballot(1, 'a'), next('open +e'), 'c')
    expect(complaints()).toEqual(['asks with one ballot for two entries at epoch 4'])
  })

  it('one ballot: are broken where an acceptor is asked twice to promise it, not by one question that is repeated', () => {
    const request = (): Message =>
      asks('a', 'b', { prepare: { epoch: topology.epoch + 1, ballot: ballot(1, 'a') } })
    const first = request()
    rules.saw(first)
    rules.saw(first)
    rules.saw(asks('a', 'c', request().request))
    expect(complaints()).toEqual([])
    rules.saw(request())
    expect(complaints()).toEqual(['uses one ballot again at epoch 4'])
  })

  it('electorate: are broken where one votes that is no acceptor, or is one in another life', () => {
    prepare('d', ballot(1, 'a'))
    prepare("b'", ballot(1, 'a'))
    expect(complaints()).toEqual([
      expect.stringContaining('is no acceptor'),
      expect.stringContaining('is no acceptor')
    ])
  })

  it('promises: are broken by a vote below what was promised, not by one that is refused', () => {
    prepare('b', ballot(2, 'c'))
    prepare('b', ballot(1, 'a'), { granted: false })
    expect(complaints()).toEqual([])
    accept('b', ballot(1, 'a'), next('open +d'))
    expect(complaints()).toContain('votes on epoch 4 below a ballot that it promised')
  })

  it('promises: are broken where an acceptor does not tell what it has accepted', () => {
    const entry = next('open +d')
    ask(ballot(1, 'c'), entry)
    accept('b', ballot(1, 'c'), entry)
    prepare('b', ballot(2, 'a'), { accepted: ballot(1, 'c') })
    expect(complaints()).toEqual([])
    prepare('b', ballot(3, 'a'))
    expect(complaints()).toEqual(['has forgotten what it accepted for epoch 4'])
  })

  it('adoption: are broken by an entry of its own where all that promised tell of another', () => {
    const [theirs, own] = [next('open +d'), next('open +e')]
    ask(ballot(1, 'c'), theirs)
    accept('b', ballot(1, 'c'), theirs)
    prepare('b', ballot(2, 'a'), { accepted: ballot(1, 'c') })
    ask(ballot(2, 'a'), own)
    expect(complaints()).toEqual(['asks for an entry of its own at epoch 4, told of an accepted one'])
  })

  it('adoption: are kept by who adopts it, and by who may have counted others alone', () => {
    const [theirs, own] = [next('open +d'), next('open +e')]
    ask(ballot(1, 'c'), theirs)
    accept('b', ballot(1, 'c'), theirs)
    prepare('b', ballot(2, 'a'), { accepted: ballot(1, 'c') })
    ask(ballot(2, 'a'), theirs)
    prepare('b', ballot(3, 'a'), { accepted: ballot(1, 'c') })
    prepare('c', ballot(3, 'a'))
    ask(ballot(3, 'a'), own)
    expect(complaints()).toEqual([])
  })

  it('majority: are broken by word of a decision that a minority accepted', () => {
    const entry = next('open +d')
    ask(ballot(1, 'a'), entry)
    tells('a', 'c', [entry])
    expect(complaints()).toEqual(['says that epoch 4 is decided, which 1 of 3 acceptors accepted'])
  })

  it('majority: are broken where it takes two ballots together to have one', () => {
    const entry = next('open +d')
    ask(ballot(1, 'd'), entry)
    ask(ballot(2, 'd'), entry)
    accept('b', ballot(1, 'd'), entry)
    accept('c', ballot(2, 'd'), entry)
    tells('a', 'c', [entry])
    expect(complaints()).toEqual(['says that epoch 4 is decided, which 1 of 3 acceptors accepted'])
  })
})

describe('the rules of the log', () => {
  it('one entry: are broken by two that are told of for one epoch, and by two snapshots', () => {
    tells('b', 'c', [entryOf(run('found a'), 'open +b')])
    expect(complaints()).toEqual(['tells of another log at epoch 2 than was told before'])
    for (const script of [start, 'found a; open +b; close']) {
      const snapshot = topologyToWire(run(script))
      rules.saw(answers('b', 'c', { fetchLog: { after: 0 } }, { log: { entries: [], snapshot } }))
    }
    expect(complaints()).toHaveLength(2)
  })

  it('epochs: are broken by a member that answers in an older one than before, not by another', () => {
    rules.saw(answers('b', 'a', {}, { epoch: 3 }))
    rules.saw(answers('c', 'a', {}, { epoch: 2 }))
    rules.saw(answers('b', 'a', {}, { epoch: 0 }))
    expect(complaints()).toEqual([])
    rules.saw(answers('b', 'a', {}, { epoch: 2 }))
    expect(complaints()).toEqual(['answers at epoch 2, after it did at 3'])
  })

  it('reports: are broken by a close before the joiner that takes over has reported', () => {
    follow('open +d')
    rules = new LogRules()
    for (const script of ['found a', 'found a; open +b +c', start, `${start}; open +d`]) {
      tells('a', 'b', [lastOf(script)])
    }
    const before = complaints().length
    report('d', topology.epoch - 1)
    ask(ballot(1, 'a'), next('close'))
    expect(complaints().slice(before)).toEqual([expect.stringContaining('has not reported')])
  })

  it('reports: are kept where it has, and broken where an amendment came after', () => {
    follow('open +d +e')
    report('d')
    report('e')
    ask(ballot(1, 'a'), next('close'))
    const before = complaints().length
    follow('amend drop e')
    expect(
      complaints()
        .slice(before)
        .filter(what => what.includes('reported'))
    ).toEqual([])
    ask(ballot(2, 'a'), next('close'))
    expect(
      complaints()
        .slice(before)
        .filter(what => what.includes('reported'))
    ).toHaveLength(1)
  })
})

describe('the rule of votes', () => {
  const readVersion = { position: new Uint8Array(32) }
  const ahead = (): void => rules.saw(answers('b', 'c', {}, { epoch: topology.epoch + 1 }))

  it('is broken by one that votes for who asks at an epoch that it was past already', () => {
    ahead()
    const late = asks('a', 'b', { readVersion })
    rules.saw(late)
    expect(complaints()).toEqual([])
    rules.saw({ ...late, answer: { epoch: topology.epoch + 1, version: {} } })
    expect(complaints()).toEqual([expect.stringContaining('which it was past already')])
  })

  it('is kept by one that gives no vote, and by one whose epoch moved while it was at it', () => {
    const inTime = asks('a', 'b', { readVersion })
    rules.saw(inTime)
    ahead()
    const late = asks('a', 'b', { readVersion })
    rules.saw(late)
    rules.saw({ ...late, answer: { epoch: topology.epoch + 1 } })
    // A network that repeats a request repeats the same one.
    rules.saw(inTime)
    rules.saw({ ...inTime, answer: { epoch: topology.epoch + 1, version: {} } })
    expect(complaints()).toEqual([])
  })
})

describe('the rule of replicas', () => {
  const position = new Uint8Array(32)

  it('is kept by members, and by who is none but serves nothing', () => {
    rules.saw(answers('b', 'c', { readVersion: { position } }, { version: {} }))
    rules.saw(answers("b'", 'c', { readVersion: { position } }))
    rules.saw(answers('d', 'c', { fetchLog: { after: 0 } }, { done: {} }))
    expect(complaints()).toEqual([])
  })

  it('is broken by a vote of a life that is in no ring', () => {
    rules.saw(answers("b'", 'c', { writeRecord: { record: new Uint8Array() } }, { done: {} }))
    expect(complaints()).toEqual([expect.stringContaining('is in no ring')])
  })
})

describe('the rules of stamps', () => {
  const stamps = (...values: readonly [key: string, value: string, time: number][]): string[] => {
    const stampRules = new StampRules()
    for (const [key, value, time] of values) {
      const bytes = new TextEncoder()
      const version = { time, writer: new Uint8Array(writerBytes), rmw: 0 }
      const fields = { key: bytes.encode(key), value: bytes.encode(value), version, expiresAt: 0 }
      const { encoded } = encodeRecord({ ...fields, kind: 'value' })
      stampRules.saw(asks('a', 'b', { writeRecord: { record: encoded } }))
    }
    return stampRules.violations.map(({ guarantee, subject }) => `${guarantee} ${subject}`)
  }

  it('are kept by one record that is sent again, by other times, and by other keys', () => {
    expect(stamps(['k', 'one', 1], ['k', 'one', 1], ['k', 'two', 2], ['l', 'one', 1])).toEqual([])
  })

  it('are broken by two records of one key and version', () => {
    expect(stamps(['k', 'one', 1], ['k', 'two', 1])).toEqual(['G4 k'])
  })
})

/** The last entry of a script. */
function lastOf(script: string): Entry {
  const statements = script.split(';')
  const before = statements.slice(0, -1).join(';')
  return entryOf(before === '' ? undefined : run(before), statements.at(-1)!)
}
