/** What purges ask of members (G6): each rule is broken by made-up messages and disks, and kept by others. */
import { beforeEach, describe, expect, it } from 'vitest'
import type { MemberId } from '../../src/core/member.ts'
import { encodeRecord } from '../../src/core/record/codec.ts'
import type { RecordKind, StoredRecord } from '../../src/core/record/record.ts'
import { writerBytes } from '../../src/core/record/version.ts'
import type { Ballot } from '../../src/core/topology/ballot.ts'
import { entryToWire } from '../../src/core/topology/codec.ts'
import { applyEntry, type Entry } from '../../src/core/topology/entry.ts'
import type { Topology } from '../../src/core/topology/topology.ts'
import type { Request, Response } from '../../src/wire/generated/messages.ts'
import { entryOf, id, run } from '../core/topology/script.ts'
import type { SimulatedPeer } from './cluster.ts'
import { Holdings } from './holdings.ts'
import { PurgeRules } from './run/purge-rules.ts'

type Name = 'a' | 'b' | 'c'

/** All of a peer that the rules look at. */
interface Peer {
  peerId: string
  core: { topologyNow: Topology; memberNow: MemberId }
  disk: { holdings: Holdings }
}

let topologies: Map<number, Topology>
let topology: Topology
let peers: Record<Name, Peer>
let rules: PurgeRules

const complaints = (): string[] =>
  rules.violations.map(({ guarantee, what }) => `${guarantee} ${what}`.replace(/[0-9a-f]{64}/, 'there'))

beforeEach(() => {
  topology = run('found a; open +b +c; close; purge 0 100')
  topologies = new Map([[topology.epoch, topology]])
  const peerOf = (name: Name): Peer => ({
    peerId: id(name).peerId,
    core: { topologyNow: topology, memberNow: id(name) },
    disk: { holdings: new Holdings() }
  })
  peers = { a: peerOf('a'), b: peerOf('b'), c: peerOf('c') }
  rules = new PurgeRules({
    peers: Object.values(peers) as unknown as SimulatedPeer[],
    topologyAt: epoch => topologies.get(epoch)
  })
})

/** What is decided, and all have on disk. */
function follow(statement: string): void {
  topology = applyEntry(topology, entryOf(topology, statement))
  topologies.set(topology.epoch, topology)
  rules.moved(topology)
  for (const peer of Object.values(peers)) peer.core.topologyNow = topology
}

function record(at: number, kind: RecordKind = 'value', expiresAt = 0): StoredRecord {
  return encodeRecord({
    key: new TextEncoder().encode('key'),
    version: { time: at, writer: new Uint8Array(writerBytes), rmw: 0 },
    kind,
    value: new Uint8Array(),
    expiresAt
  })
}

function holds(name: Name, ...records: StoredRecord[]): void {
  peers[name].disk.holdings.kept(records, 0)
}

function keeps(name: Name, kept: StoredRecord): void {
  rules.keeps(peers[name].peerId, [kept])
  holds(name, kept)
}

function asks(from: Name, to: Name, request: Partial<Request>, answer?: Partial<Response>): void {
  rules.saw({
    from: id(from).peerId,
    to: id(to),
    request: { epoch: topology.epoch, ...request },
    answer: answer === undefined ? undefined : { epoch: topology.epoch, ...answer }
  })
}

const report = (by: Name, epoch = topology.epoch): void =>
  asks(by, 'a', { report: { epoch, member: id(by), reconciled: { since: 1, oldest: 0 } } })

const ballot = (by: Name): Ballot => ({ round: 1, boot: 1, ...id(by) })

const next = (statement: string): Entry => entryOf(topology, statement)

const propose = (by: Name, entry: Entry): void =>
  asks(by, by === 'b' ? 'c' : 'b', {
    accept: { epoch: entry.epoch, ballot: ballot(by), entry: entryToWire(entry) }
  })

describe('a purge', () => {
  it('may be proposed when all others have reported at the epoch that it follows', () => {
    report('b')
    report('c')
    propose('a', next('purge 100 200'))
    expect(complaints()).toEqual([])
  })

  it('may not when one has not, or has at another epoch or of a transition alone', () => {
    report('b', topology.epoch - 1)
    asks('c', 'a', { report: { epoch: topology.epoch, member: id('c') } })
    propose('a', next('purge 100 200'))
    expect(complaints()).toEqual([
      expect.stringContaining('has not reported'),
      expect.stringContaining('has not reported')
    ])
  })

  it('may be taken on from one that has accepted it: its report to itself was on no wire', () => {
    report('b')
    const prepare = { prepare: { epoch: topology.epoch + 1, ballot: ballot('c') } }
    asks('c', 'a', prepare, { vote: { granted: true, acceptedBallot: ballot('a') } })
    propose('c', next('purge 100 200'))
    expect(complaints()).toEqual([])
  })

  it('reaches no further than the fence before it', () => {
    report('b')
    report('c')
    propose('a', { kind: 'purge', epoch: topology.epoch + 1, before: 101, fence: 200 })
    expect(complaints()).toEqual([expect.stringMatching(/^G6 would purge before 101 .* the fence is 100$/)])
  })
})

describe('a put', () => {
  it('may be stored at an epoch if it was stamped at its fence or later; copies of older records may, too', () => {
    asks('a', 'b', { writeRecord: { record: record(100).encoded, put: true } })
    asks('a', 'b', { writeRecord: { record: record(99).encoded } })
    expect(complaints()).toEqual([])
  })

  it('may not if it was stamped before', () => {
    asks('a', 'b', { writeRecord: { record: record(99).encoded, put: true } })
    expect(complaints()).toEqual([expect.stringMatching(/^G6 asks for the record at there .* fence is 100$/)])
  })
})

describe('from a purge on', () => {
  const tombstone = record(50, 'tombstone')

  it('nobody has anything older than what it made an end of', () => {
    holds('a', record(40), tombstone)
    holds('b', record(40))
    follow('purge 100 200')
    expect(complaints()).toEqual([expect.stringMatching(/^G6 has the record at there as 40\..*, where the/)])
  })

  it('all may have lacked it, and may have what is newer, or what it does not reach', () => {
    holds('a', tombstone)
    holds('b', tombstone, record(60))
    follow('purge 100 200')
    expect(complaints()).toEqual([])
    holds('c', record(10))
    follow('purge 101 200')
    expect(complaints()).toEqual([])
  })

  it('it is shown in no answer, neither by its version nor whole', () => {
    holds('a', tombstone)
    const { position, encoded, version } = tombstone
    asks('b', 'a', { readVersion: { position } }, { version: { version } })
    follow('purge 100 200')
    const none = new Uint8Array()
    asks('b', 'a', { readVersion: { position } }, { version: {} })
    asks('b', 'a', { readRecord: { position } }, { record: { record: none } })
    asks('b', 'a', { readVersion: { position } }, { version: { version: record(51).version } })
    // Of an older epoch it counts for nobody.
    asks('b', 'a', { epoch: topology.epoch - 1, readVersion: { position } }, { version: { version } })
    expect(complaints()).toEqual([])
    asks('b', 'a', { readVersion: { position } }, { version: { version } })
    asks('b', 'a', { readRecord: { position } }, { record: { record: encoded } })
    expect(complaints()).toEqual([
      expect.stringMatching(/^G6 shows the record at there/),
      expect.stringMatching(/^G6 shows the record at there/)
    ])
  })

  it('so it is with what had expired', () => {
    holds('a', record(50_000, 'value', 60))
    const { position, version } = record(50_000)
    topology = run('found a; open +b +c; close; purge 0 100000')
    topologies.set(topology.epoch, topology)
    follow('purge 100000 200000')
    asks('b', 'a', { readVersion: { position } }, { version: { version } })
    expect(complaints()).toHaveLength(1)
  })

  it('nothing as old is stored any more, but by who has it still', () => {
    holds('a', tombstone)
    holds('b', tombstone)
    follow('purge 100 200')
    keeps('a', record(40))
    keeps('c', record(51))
    expect(complaints()).toEqual([])
    peers.b.disk.holdings.gone(tombstone.position)
    keeps('b', record(40))
    expect(complaints()).toEqual([expect.stringMatching(/^G6 stores the record at there as/)])
  })

  it('but by who is behind, or has gone', () => {
    holds('a', tombstone)
    const behind = topology
    follow('purge 100 200')
    peers.b.core.topologyNow = behind
    keeps('b', record(40))
    peers.c.core.memberNow = { ...id('c'), life: 'ffffffffffffffff' }
    keeps('c', record(40))
    expect(complaints()).toEqual([])
  })
})
