/** What a member does about damage that it knows of (G3, G4): each rule is broken once, and kept by others. */
import { beforeEach, describe, expect, it } from 'vitest'
import type { MemberId } from '../../src/core/member.ts'
import { encodeRecord } from '../../src/core/record/codec.ts'
import { writerBytes } from '../../src/core/record/version.ts'
import type { Topology } from '../../src/core/topology/topology.ts'
import type { Request, Response } from '../../src/wire/generated/messages.ts'
import { id, run } from '../core/topology/script.ts'
import type { SimulatedPeer } from './cluster.ts'
import { DamageRules } from './run/damage-rules.ts'
import type { Message } from './wiretap.ts'

type Name = 'a' | 'b' | 'c'

/** All of a peer that the rules look at. */
interface Peer {
  peerId: string
  core: { topologyNow: Topology; memberNow: MemberId }
  disk: { damaged: number; isKnownDamaged: () => boolean }
}

const topology = run('found a; open +b +c; close')
const { epoch } = topology

const record = encodeRecord({
  key: new TextEncoder().encode('key'),
  version: { time: 1, writer: new Uint8Array(writerBytes), rmw: 0 },
  kind: 'value',
  value: new Uint8Array(),
  expiresAt: 0
})
const { position, version, encoded } = record

let nowMs: number
let knows: Set<Name>
let rules: DamageRules

const complaints = (): string[] => rules.violations.map(({ guarantee, what }) => `${guarantee} ${what}`)

beforeEach(() => {
  nowMs = 100_000
  knows = new Set()
  const peerOf = (name: Name): Peer => ({
    peerId: id(name).peerId,
    core: { topologyNow: topology, memberNow: id(name) },
    disk: { damaged: 1, isKnownDamaged: () => knows.has(name) }
  })
  const time = {
    get nowMs() {
      return nowMs
    }
  }
  const peers = (['a', 'b', 'c'] as const).map(peerOf) as unknown as SimulatedPeer[]
  rules = new DamageRules({ peers, time })
})

function asks(from: Name, to: Name, body: Partial<Request>): Message {
  const message = { from: id(from).peerId, to: id(to), request: { epoch, ...body }, answer: undefined }
  rules.saw(message)
  return message
}

const answers = (question: Message, body: Partial<Response>): void =>
  rules.saw({ ...question, answer: { epoch, ...body } })

const tells = (from: Name, to: Name, body: Partial<Response> = {}): void =>
  answers(asks(to, from, { readRecord: { position } }), { record: { record: encoded }, ...body })

const repairs = (name: Name): void => rules.repairs(id(name).peerId, position)

describe('where a record is known to be damaged', () => {
  const questions: Array<[string, Partial<Request>, Partial<Response>]> = [
    ['a version', { readVersion: { position } }, { version: { version } }],
    ['no version', { readVersion: { position } }, { version: {} }],
    ['a record', { readRecord: { position } }, { record: { record: encoded } }],
    ['that it is stored', { writeRecord: { record: encoded } }, { done: {} }]
  ]

  it.each(questions)('the answer is a refusal, and never %s', (_what, request, response) => {
    knows.add('b')
    answers(asks('a', 'b', request), { refused: { code: 2, reason: '' } })
    answers(asks('a', 'b', request), {})
    expect(complaints()).toEqual([])
    answers(asks('a', 'b', request), response)
    expect(complaints()).toEqual([
      response.done === undefined
        ? 'G4 answers what it has of a record that is damaged there'
        : 'G3 says that it has stored a record that is damaged there'
    ])
  })

  it('what was asked before that, or is answered when it is repaired, is answered', () => {
    const early = asks('a', 'b', { readVersion: { position } })
    knows.add('b')
    answers(early, { version: { version } })
    const late = asks('a', 'b', { readVersion: { position } })
    knows.clear()
    answers(late, { version: { version } })
    expect(complaints()).toEqual([])
  })
})

describe('a damaged record', () => {
  beforeEach(() => knows.add('a'))

  it('is repaired when n - q + 1 others have answered, with a record or with nothing', () => {
    tells('b', 'a')
    tells('c', 'a', { record: { record: new Uint8Array() } })
    repairs('a')
    expect(complaints()).toEqual([])
  })

  it('is not repaired when fewer have, however often', () => {
    tells('b', 'a')
    tells('b', 'a')
    answers(asks('a', 'c', { readRecord: { position } }), { refused: { code: 2, reason: '' } })
    repairs('a')
    expect(complaints()).toEqual([
      expect.stringMatching(/^G3 repairs the record at .* by the answers of 1 others instead of 2$/)
    ])
  })

  it('is not repaired by what was answered at another epoch, to somebody else, or long before', () => {
    tells('b', 'a')
    answers(asks('a', 'c', { epoch: epoch - 1, readRecord: { position } }), {
      epoch: epoch - 1,
      record: { record: encoded }
    })
    tells('c', 'b')
    repairs('a')
    expect(complaints()).toHaveLength(1)
    tells('c', 'a')
    nowMs += 60_000
    tells('b', 'a')
    repairs('a')
    expect(complaints()).toHaveLength(2)
  })

  it('is not repaired by what was answered before anybody knew of it', () => {
    knows.clear()
    tells('b', 'a')
    tells('c', 'a')
    knows.add('a')
    repairs('a')
    expect(complaints()).toHaveLength(1)
  })
})
