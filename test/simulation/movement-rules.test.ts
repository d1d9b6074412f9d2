/** G2 on the wire: each rule is broken once by made-up messages, and kept by others; and runs keep all of them. */
import { beforeEach, describe, expect, it } from 'vitest'
import { encodeRecord } from '../../src/core/record/codec.ts'
import type { RecordKind, StoredRecord } from '../../src/core/record/record.ts'
import { writerBytes } from '../../src/core/record/version.ts'
import { applyEntry } from '../../src/core/topology/entry.ts'
import type { Topology } from '../../src/core/topology/topology.ts'
import { SessionDomain, type Request, type Response } from '../../src/wire/generated/messages.ts'
import { entryOf, id, run } from '../core/topology/script.ts'
import { VirtualTime } from './clock.ts'
import type { SimulatedPeer } from './cluster.ts'
import { Holdings } from './holdings.ts'
import { SeededRandom } from './random.ts'
import { MovementRules } from './run/movement-rules.ts'
import type { Message } from './wiretap.ts'

const names = ['a', 'b', 'c', 'd'] as const
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

let time: VirtualTime
let quietSinceMs: number
let topologies: Map<number, Topology>
let topology: Topology
let disks: Map<string, Holdings>
let rules: MovementRules

const complaints = (): string[] =>
  rules.violations.map(({ guarantee, what }) => `${guarantee} ${what}`.replace(/[0-9a-f]{64}/, 'there'))

beforeEach(() => {
  time = new VirtualTime(new SeededRandom(1))
  quietSinceMs = -Infinity
  topologies = new Map()
  disks = new Map(names.map(name => [id(name).peerId, new Holdings()]))
  // All of a peer that the rules look at.
  const peers = [...disks].map(([peerId, holdings], i) => {
    const core = { memberNow: id(names[i]!) }
    return { peerId, core, disk: { holdings } } as unknown as SimulatedPeer
  })
  rules = new MovementRules(
    { time, peers, topologyAt: epoch => topologies.get(epoch) },
    { quietSinceMs: () => quietSinceMs }
  )
  topology = run('found a; open +b +c; close', { replicas: 2 })
  topologies.set(topology.epoch, topology)
})

function follow(statement: string): void {
  topology = applyEntry(topology, entryOf(topology, statement))
  topologies.set(topology.epoch, topology)
  rules.moved(topology)
}

function record(key: string, at = 1, kind: RecordKind = 'value'): StoredRecord {
  const version = { time: at, writer: new Uint8Array(writerBytes), rmw: 0 }
  return encodeRecord({
    key: bytes(key),
    version,
    kind,
    value: new Uint8Array(kind === 'value' ? 100 : 0),
    expiresAt: 0
  })
}

function holds(name: string, ...records: StoredRecord[]): void {
  disks.get(id(name).peerId)!.kept(records, time.nowMs)
}

function asks(from: string, to: string, request: Partial<Request>, answer?: Partial<Response>): Message {
  const told = answer === undefined ? undefined : { epoch: topology.epoch, ...answer }
  return { from: id(from).peerId, to: id(to), request: { epoch: topology.epoch, ...request }, answer: told }
}

const { DOMAIN_SHARED, DOMAIN_TAKEN } = SessionDomain

function begin(from: string, to: string, domain = DOMAIN_SHARED): void {
  const asked = askToBegin(from, to, domain)
  rules.saw({
    ...asked,
    answer: { epoch: topology.epoch, nodesCompared: { differing: new Uint8Array(), damagedSlots: [] } }
  })
}

/** Its first question alone, as one that is over its limits leaves it. */
function askToBegin(from: string, to: string, domain = DOMAIN_SHARED): Message {
  const asked = asks(from, to, { compareNodes: { domain, parents: [0], sums: new Uint8Array() } })
  rules.saw(asked)
  return asked
}

/** The request, and what answers it. */
function fetch(from: string, to: string, ...records: StoredRecord[]): Message {
  const request = { fetchRecords: { positions: records.map(({ position }) => position) } }
  const asked = asks(from, to, request)
  rules.saw(asked)
  const recordPage = { records: records.map(({ encoded }) => encoded), answered: records.length, damaged: [] }
  return { ...asked, answer: { epoch: topology.epoch, recordPage } }
}

const push = (from: string, to: string, ...records: StoredRecord[]): void =>
  rules.saw(asks(from, to, { pushRecords: { records: records.map(({ encoded }) => encoded) } }))

/** Some keys with these replicas in the ring before and in the ring after. */
function keysOn(before: string, after = before): string[] {
  const keys = Array.from({ length: 2_000 }, (_, i) => `key ${i}`).filter(key => {
    const rings = topology.rings.map(ring => {
      const members = ring.replicas(record(key).position, topology.replicas)
      return names.filter(name => members.some(({ peerId }) => peerId === id(name).peerId)).join('')
    })
    return rings[0] === before && rings.at(-1) === after
  })
  expect(keys.length).toBeGreaterThan(3)
  return keys
}

describe('nobody is sent', () => {
  it('a record that it does not replicate', async () => {
    const [key] = keysOn('ab')
    begin('a', 'b')
    push('a', 'b', record(key!))
    expect(complaints()).toEqual([])
    begin('a', 'c')
    push('a', 'c', record(key!))
    expect(complaints()).toEqual([expect.stringContaining('replicates it in no ring in force')])
    await time.run(1)
  })

  it('what its disk had when the session began, whichever of the two sends it', async () => {
    const [key] = keysOn('ab')
    holds('b', record(key!, 5))
    await time.run(2_000)
    begin('a', 'b')
    push('a', 'b', record(key!, 6))
    expect(complaints()).toEqual([])
    push('a', 'b', record(key!, 4))
    begin('b', 'a')
    rules.saw(fetch('b', 'a', record(key!, 5)))
    expect(complaints()).toEqual([
      expect.stringMatching(/^G2 .* has had that on its disk since 0\.0 ms/),
      expect.stringMatching(/^G2 .* has had that on its disk since 0\.0 ms/)
    ])
  })

  it('and may be sent what came to its disk since, or was lost from it', async () => {
    const [key, other] = keysOn('ab') as [string, string]
    begin('a', 'b')
    await time.run(2_000)
    holds('b', record(key))
    push('a', 'b', record(key))
    await time.run(2_000)
    holds('b', record(other))
    await time.run(2_000)
    disks.get(id('b').peerId)!.gone(record(other).position)
    begin('a', 'b')
    push('a', 'b', record(other))
    expect(complaints()).toEqual([])
  })

  it('an answer to an older session than the one that has begun since counts for the older one', async () => {
    const [key] = keysOn('ab')
    begin('b', 'a')
    const answer = fetch('b', 'a', record(key!))
    await time.run(2_000)
    holds('b', record(key!))
    await time.run(2_000)
    begin('b', 'a')
    rules.saw(answer)
    expect(complaints()).toEqual([])
  })

  it('but what came to its disk while it asked one that is overloaded again and again', async () => {
    const [key] = keysOn('ab')
    askToBegin('b', 'a')
    await time.run(2_000)
    holds('b', record(key!))
    await time.run(2_000)
    begin('b', 'a')
    rules.saw(fetch('b', 'a', record(key!)))
    expect(complaints()).toEqual([])
    begin('b', 'a')
    rules.saw(fetch('b', 'a', record(key!)))
    expect(complaints()).toHaveLength(1)
  })

  it.each([
    {
      what: 'but what came to its disk while the answer to its first question was late',
      laterMs: 8_000,
      of: 0
    },
    {
      what: 'not what came before its first question, where that is no repeat of an earlier one',
      laterMs: 12_000,
      of: 1
    }
  ])('$what', async ({ laterMs, of }) => {
    const [key] = keysOn('ab')
    begin('b', 'a')
    await time.run(3_000)
    holds('b', record(key!))
    await time.run(laterMs - 3_000)
    begin('b', 'a')
    rules.saw(fetch('b', 'a', record(key!)))
    expect(complaints()).toHaveLength(of)
  })

  it('what was purged (G6)', () => {
    follow('purge 0 100')
    follow('purge 50 200')
    const [key] = keysOn('ab')
    begin('a', 'b')
    push('a', 'b', record(key!, 60, 'tombstone'))
    expect(complaints()).toEqual([])
    push('a', 'b', record(key!, 40, 'tombstone'))
    expect(complaints()).toEqual([expect.stringMatching(/^G6 .* which was purged$/)])
  })
})

describe('what a transition sends of the records that were settled', () => {
  let keys: string[]

  beforeEach(async () => {
    const before = topology
    follow('open +d')
    keys = keysOn('ab', 'ad').slice(0, 3)
    topology = before
    for (const name of ['a', 'b']) holds(name, ...keys.map(key => record(key)))
    await time.run(60_000)
    follow('open +d')
  })

  /** d takes what it is to replicate, from one or from several. */
  function take(sources: string): void {
    for (const source of sources) {
      begin('d', source, DOMAIN_TAKEN)
      rules.saw(fetch('d', source, ...keys.map(key => record(key))))
    }
  }

  it('may be what had to move', () => {
    take('a')
    follow('close')
    expect(complaints()).toEqual([])
    const { size } = record(keys[0]!)
    expect(rules.counts).toMatchObject({
      transitions: 1,
      judged: 1,
      leastBytes: 3 * size,
      sentBytes: 3 * size
    })
  })

  it('must not be twice that', () => {
    take('ab')
    follow('close')
    expect(complaints()).toEqual([expect.stringMatching(/^G2 of what was settled when it opened it sent/)])
  })

  it('counts where nothing was done to the cluster, and is not judged elsewhere', () => {
    quietSinceMs = time.nowMs - 10_000
    take('ab')
    follow('close')
    expect(complaints()).toEqual([])
    expect(rules.counts).toMatchObject({ transitions: 1, judged: 0 })
  })

  it('is not judged where it was amended', () => {
    take('ab')
    follow('amend drop d')
    follow('close')
    expect(complaints()).toEqual([])
    expect(rules.counts).toMatchObject({ transitions: 0, judged: 0 })
  })

  it('leaves what is written meanwhile out', () => {
    const newer = keys.map(key => record(key, 9))
    take('a')
    push('a', 'd', ...newer)
    push('b', 'd', ...newer)
    follow('close')
    expect(complaints()).toEqual([])
  })

  it('counts what the network repeats once', () => {
    begin('d', 'a', DOMAIN_TAKEN)
    const answer = fetch('d', 'a', ...keys.map(key => record(key)))
    rules.saw(answer)
    rules.saw(answer)
    follow('close')
    expect(complaints()).toEqual([])
  })
})
