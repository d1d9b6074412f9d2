/** What members drop (G3): the rule is broken by made-up drops, and kept by others. */
import { beforeEach, describe, expect, it } from 'vitest'
import { encodeRecord } from '../../src/core/record/codec.ts'
import type { RecordKind, StoredRecord } from '../../src/core/record/record.ts'
import { writerBytes } from '../../src/core/record/version.ts'
import type { MemberId } from '../../src/core/member.ts'
import type { Topology } from '../../src/core/topology/topology.ts'
import { id, run } from '../core/topology/script.ts'
import type { SimulatedPeer } from './cluster.ts'
import { Holdings } from './holdings.ts'
import { DropRules } from './run/drop-rules.ts'

type Name = 'a' | 'b' | 'c'

/** All of a peer that the rules look at. */
interface Peer {
  peerId: string
  core: { topologyNow: Topology; memberNow: MemberId }
  disk: { holdings: Holdings }
}

let topology: Topology
let peers: Record<Name, Peer>
let rules: DropRules

const complaints = (): string[] =>
  rules.violations.map(({ guarantee, what }) => `${guarantee} ${what}`.replace(/[0-9a-f]{64}/, 'there'))

beforeEach(() => {
  follow('found a; open +b +c; close')
})

function follow(script: string): void {
  topology = run(script, { replicas: 1 })
  const peerOf = (name: Name): Peer => ({
    peerId: id(name).peerId,
    core: { topologyNow: topology, memberNow: id(name) },
    disk: { holdings: new Holdings() }
  })
  peers = { a: peerOf('a'), b: peerOf('b'), c: peerOf('c') }
  rules = new DropRules({ peers: Object.values(peers) as unknown as SimulatedPeer[] })
}

/** A record with its only copy due on this member. */
function recordOn(name: Name, at = 1, kind: RecordKind = 'value'): StoredRecord {
  const candidates = Array.from({ length: 1_000 }, (_, i) =>
    encodeRecord({
      key: new TextEncoder().encode(`key ${i}`),
      version: { time: at, writer: new Uint8Array(writerBytes), rmw: 0 },
      kind,
      value: new Uint8Array(),
      expiresAt: 0
    })
  )
  return candidates.find(
    ({ position }) => topology.rings[0]!.replicas(position, 1)[0]!.peerId === id(name).peerId
  )!
}

const holds = (name: Name, record: StoredRecord): void => peers[name].disk.holdings.kept([record], 0)

const drops = (name: Name, { position, version }: StoredRecord): void =>
  rules.drops(peers[name].peerId, { position, version })

describe('a member may drop', () => {
  it('what is foreign, once each of its replicas has been given it, whether or not that has it still', () => {
    const record = recordOn('b')
    holds('a', record)
    holds('b', recordOn('b', 2))
    peers.b.disk.holdings.gone(record.position)
    drops('a', record)
    expect(complaints()).toEqual([])
  })

  it('not before', () => {
    holds('a', recordOn('b', 2))
    holds('b', recordOn('b', 1))
    drops('a', recordOn('b', 2))
    expect(complaints()).toEqual([
      expect.stringMatching(/^G3 drops the record at there .* which .* has not been given$/)
    ])
  })

  it('nothing that it replicates', () => {
    holds('a', recordOn('a'))
    drops('a', recordOn('a'))
    expect(complaints()).toEqual([
      expect.stringMatching(/^G3 drops the record at there .*, and replicates it$/)
    ])
  })

  it('what it no more has in that version: then nothing is dropped', () => {
    holds('a', recordOn('a', 2))
    drops('a', recordOn('a', 1))
    expect(complaints()).toEqual([])
  })

  it('what a replica in a life before this one had, of which nothing is known', () => {
    holds('a', recordOn('b'))
    peers.b.core.memberNow = { ...id('b'), life: 'ffffffffffffffff' }
    drops('a', recordOn('b'))
    expect(complaints()).toEqual([])
  })

  it('what was purged, wherever it lies', () => {
    follow('found a; open +b +c; close; purge 0 100; purge 100 200')
    holds('a', recordOn('a', 99, 'tombstone'))
    drops('a', recordOn('a', 99, 'tombstone'))
    expect(complaints()).toEqual([])
    holds('a', recordOn('a', 100, 'tombstone'))
    drops('a', recordOn('a', 100, 'tombstone'))
    expect(complaints()).toHaveLength(1)
  })
})
