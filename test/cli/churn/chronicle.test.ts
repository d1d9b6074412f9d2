import { describe, expect, it } from 'vitest'
import { Chronicle } from '../../../src/cli/churn/chronicle.ts'
import { leastOf } from '../../../src/cli/churn/least.ts'
import { noTraffic } from '../../../src/cli/churn/meter.ts'
import type { Member, TopologyState, Transition } from '../../../src/core/topology/topology.ts'
import type { Operation } from '../../../src/judge/operation.ts'
import { peerIdOf } from '../../support/peer-ids.ts'

const atPace1 = (atMs: number): { atMs: number; pace: number } => ({ atMs, pace: 1 })

describe('the record of a run', () => {
  it('finds that a key lacked a quorum exactly while two of its three replicas were down', () => {
    const chronicle = chronicleOf(3)
    chronicle.ended(peerIdOf(0), 1_000)
    chronicle.ended(peerIdOf(1), 2_000)
    chronicle.began(peerIdOf(1), 3_000)
    expect(chronicle.lackedQuorum('key', 1_200, 1_900)).toBe(false)
    expect(chronicle.lackedQuorum('key', 1_900, 2_000)).toBe(true)
    expect(chronicle.lackedQuorum('key', 2_999, 5_000)).toBe(true)
    expect(chronicle.lackedQuorum('key', 3_000, 5_000)).toBe(false)
  })

  it('counts no process for a life that it does not have any more', () => {
    const chronicle = chronicleOf(3)
    chronicle.ended(peerIdOf(0), 1_000)
    const state = stateOf(2, [0, 1, 2].map(up))
    chronicle.heard(peerIdOf(1), { event: 'topology', state, life: 'another' }, atPace1(2_000))
    expect(chronicle.lackedQuorum('key', 2_000, 2_000)).toBe(true)
  })

  it('holds a suspicion against who is up, not against who is down or has just begun', () => {
    const chronicle = chronicleOf(3)
    const suspect = (index: number, atMs: number): void =>
      chronicle.heard(
        peerIdOf(2),
        { event: 'saw', peerId: peerIdOf(index), liveness: 'suspect' },
        atPace1(atMs)
      )
    suspect(0, 100)
    chronicle.ended(peerIdOf(1), 9_000)
    suspect(1, 10_000)
    expect(chronicle.falseSuspicions.suspected).toBe(0)
    suspect(0, 10_000)
    expect(chronicle.falseSuspicions.suspected).toBe(1)
  })

  it('sums what was sent over processes that end and begin anew', () => {
    const chronicle = chronicleOf(2)
    const tell = (records: number): void =>
      chronicle.heard(
        peerIdOf(0),
        { event: 'measured', sent: { ...noTraffic(), records }, reconciled: null },
        atPace1(1)
      )
    tell(100)
    tell(150)
    chronicle.ended(peerIdOf(0), 2)
    tell(999)
    chronicle.began(peerIdOf(0), 3)
    tell(20)
    expect(chronicle.sent.records).toBe(170)
  })

  it('takes records for replicated when all members say so at the latest epoch, since then', () => {
    const chronicle = chronicleOf(2)
    const say = (index: number, epoch: number, ageMs: number): void =>
      chronicle.heard(
        peerIdOf(index),
        { event: 'measured', sent: noTraffic(), reconciled: { epoch, ageMs } },
        { atMs: 10_000, pace: 2 }
      )
    say(0, 1, 1_000)
    expect(chronicle.isReplicatedSince(0)).toBe(false)
    say(1, 1, 500)
    expect(chronicle.isReplicatedSince(8_000)).toBe(true)
    expect(chronicle.isReplicatedSince(8_001)).toBe(false)
    const state = stateOf(2, [up(0), up(1)])
    chronicle.heard(peerIdOf(0), { event: 'topology', state, life: lifeOf(0) }, atPace1(11_000))
    expect(chronicle.isReplicatedSince(0)).toBe(false)
  })
})

describe('the least that has to move', () => {
  it('is every record for a third replica where there were two, but for those put meanwhile', () => {
    const chronicle = chronicleOf(2)
    open(chronicle, { atMs: 1_000, closeMs: 2_000 })
    const operations = [put('a', 0, 10), put('b', 0, 10), put('b', 1_100, 1_200), put('c', 900, 1_100)]
    expect(leastOf(chronicle, operations, 0)).toMatchObject({
      transitions: 1,
      takenCopies: 2,
      missedCopies: 0
    })
    expect(leastOf(chronicle, operations, 3_000)).toMatchObject({ transitions: 0, takenCopies: 0 })
  })

  it('is what was put while a member was away that returns as it was', () => {
    const chronicle = chronicleOf(3)
    chronicle.ended(peerIdOf(0), 1_000)
    chronicle.began(peerIdOf(0), 2_000)
    const operations = [put('a', 0, 10), put('b', 1_100, 1_200), put('c', 2_100, 2_200)]
    expect(leastOf(chronicle, operations, 0)).toMatchObject({ takenCopies: 0, missedCopies: 1 })
  })
})

/** Of members that are up since 0, by the log and by their processes. */
function chronicleOf(count: number): Chronicle {
  const chronicle = new Chronicle()
  const members = Array.from({ length: count }, (_, index) => up(index))
  for (const { peerId, life } of members) {
    chronicle.began(peerId, 0)
    chronicle.heard(peerId, { event: 'topology', state: stateOf(1, members), life }, atPace1(0))
  }
  return chronicle
}

function open(
  chronicle: Chronicle,
  { atMs, closeMs }: { readonly atMs: number; readonly closeMs: number }
): void {
  const [first, second, third] = [up(0), up(1), up(2)]
  const opened = stateOf(2, [first, second, { ...third, standing: 'joining' }], { opened: 2, latest: 2 })
  chronicle.heard(first.peerId, { event: 'topology', state: opened, life: first.life }, atPace1(atMs))
  const closed = stateOf(3, [first, second, third])
  chronicle.heard(first.peerId, { event: 'topology', state: closed, life: first.life }, atPace1(closeMs))
}

function up(index: number): Member {
  return {
    peerId: peerIdOf(index),
    life: lifeOf(index),
    vnodes: 4,
    standing: 'up',
    since: 1,
    standingAt: 1,
    lost: false
  }
}

function lifeOf(index: number): string {
  return index.toString(16).padStart(16, '0')
}

function stateOf(epoch: number, members: readonly Member[], transition?: Transition): TopologyState {
  const settings = { generation: 1, clusterId: '0'.repeat(32), network: 'churn', replicas: 3 }
  return { ...settings, epoch, members, transition, purgedBefore: 0, fence: 0 }
}

function put(key: string, calledAt: number, endedAt: number): Operation {
  const unknown = { expiresAt: undefined, judgedAt: undefined, errorCode: undefined, error: undefined }
  const told = { kind: 'put', key, value: `${key}${calledAt}`, version: '1', outcome: 'ok' } as const
  return { ...told, ...unknown, calledAt, endedAt, isHonest: true, asked: 'a client' }
}
