import { beforeEach, describe, expect, it } from 'vitest'
import { Acceptor, AcceptorDamagedError } from '../../../src/core/topology/acceptor.ts'
import { compareBallots, maxRound, nextBallot, type Ballot } from '../../../src/core/topology/ballot.ts'
import { entryToWire } from '../../../src/core/topology/codec.ts'
import { TopologyLog } from '../../../src/core/topology/log.ts'
import type { PaxosVote } from '../../../src/wire/generated/messages.ts'
import { FakeMetaStore, silent } from './fakes.ts'
import { clusterId, entryOf, id, member } from './script.ts'

let store: FakeMetaStore
let log: TopologyLog
let acceptor: Acceptor

/** The first member of a cluster of one: the acceptor of epoch 2. */
beforeEach(async () => {
  store = new FakeMetaStore()
  log = new TopologyLog({ store, logger: silent })
  await log.found({ clusterId, network: 'test', replicas: 3, founder: member('a') })
  acceptor = new Acceptor({ store, log }, { self: id('a') })
})

function ballot(round: number, name = 'a'): Ballot {
  return { ...id(name), round, boot: 1 }
}

async function prepare(round: number, options: { name?: string; epoch?: number } = {}): Promise<PaxosVote> {
  const { name = 'a', epoch = 2 } = options
  return (await acceptor.handlePrepare(id(name), { epoch, ballot: ballot(round, name) })).vote!
}

async function accept(round: number, statement: string, options: { name?: string; epoch?: number } = {}) {
  const { name = 'a', epoch = 2 } = options
  const entry = entryToWire(entryOf(log.current, statement))
  return (await acceptor.handleAccept(id(name), { epoch, ballot: ballot(round, name), entry })).vote!
}

async function restart(): Promise<void> {
  log = new TopologyLog({ store, logger: silent })
  await log.load()
  acceptor = new Acceptor({ store, log }, { self: id('a') })
  await acceptor.load()
}

describe('an acceptor', () => {
  it('grants nothing below what it promised, whoever asks', async () => {
    expect(await prepare(5)).toMatchObject({ granted: true })
    expect(await prepare(4, { name: 'b' })).toMatchObject({ granted: false, promised: { round: 5 } })
    expect(await accept(4, 'open +b', { name: 'b' })).toMatchObject({ granted: false })
    expect(await accept(5, 'open +b')).toMatchObject({ granted: true })
    expect(await prepare(6)).toMatchObject({
      granted: true,
      acceptedBallot: { round: 5 },
      acceptedEntry: { epoch: 2 }
    })
  })

  it('remembers its promise and what it accepted through a restart', async () => {
    await prepare(5)
    await restart()
    expect(await accept(4, 'open +b')).toMatchObject({ granted: false, promised: { round: 5 } })
    await accept(5, 'open +b')
    await restart()
    expect(await prepare(6)).toMatchObject({ granted: true, acceptedBallot: { round: 5 } })
  })

  it('says nothing before it is on disk', async () => {
    store.writeMeta = () => Promise.reject(new Error('the disk failed'))
    await expect(prepare(5)).rejects.toThrow('the disk failed')
    await expect(accept(5, 'open +b')).rejects.toThrow('the disk failed')
  })

  it('acts for the next epoch alone, and only while it is an acceptor', async () => {
    expect(await prepare(5, { epoch: 1 })).toEqual({ granted: false })
    expect(await prepare(5, { epoch: 3 })).toEqual({ granted: false })
    acceptor = new Acceptor({ store, log }, { self: id("a'") })
    expect(await prepare(5)).toEqual({ granted: false })
  })

  it('starts afresh for each epoch, once the one before is on its disk', async () => {
    await accept(5, 'open +b')
    await log.learn({ entries: [entryToWire(entryOf(log.current, 'open +b'))] })
    expect(await prepare(1, { epoch: 3 })).toMatchObject({ granted: true })
    expect(await prepare(9)).toEqual({ granted: false })
  })

  it('accepts no entry that may not follow', async () => {
    await expect(accept(1, 'close')).rejects.toThrow(/may not follow/)
    await expect(accept(1, 'open +a')).rejects.toThrow(/a life it had before/)
    expect(await prepare(2)).not.toHaveProperty('acceptedEntry')
  })

  it('takes no ballot but its sender’s own, and none that is malformed', async () => {
    await expect(acceptor.handlePrepare(id('b'), { epoch: 2, ballot: ballot(1, 'a') })).rejects.toThrow(/own/)
    await expect(acceptor.handlePrepare(id('a'), { epoch: 2 })).rejects.toThrow(/missing/)
    for (const round of [0, -1, 0.5, maxRound + 1]) {
      await expect(prepare(round)).rejects.toThrow(/round/)
    }
  })

  it('does not start where its state is damaged, or of an epoch that its log should have', async () => {
    await accept(5, 'open +b')
    const state = store.entries.get('paxos/state')!
    store.entries.set('paxos/state', state.slice(0, -2))
    await expect(restart()).rejects.toThrow(AcceptorDamagedError)
    store.entries.set('paxos/state', state)
    await restart()
    await log.learn({ entries: [entryToWire(entryOf(log.current, 'open +b'))] })
    await prepare(1, { epoch: 3 })
    const ahead = store.entries.get('paxos/state')!
    store = new FakeMetaStore({ entries: new Map([['paxos/state', ahead]]) })
    log = new TopologyLog({ store, logger: silent })
    await log.found({ clusterId, network: 'test', replicas: 3, founder: member('a') })
    await expect(restart()).rejects.toThrow(/its log ends at 1/)
  })
})

describe('ballots', () => {
  it('are in the order of round, peer id, life and boot, and never the same for two proposers', () => {
    const low = { ...id('a'), boot: 1 }
    const others = [
      { ...id('b'), boot: 1 },
      { ...id("a'"), boot: 1 },
      { ...id('a'), boot: 2 }
    ]
    for (const other of others) {
      expect(compareBallots(nextBallot(1, low), nextBallot(1, other))).not.toBe(0)
      expect(compareBallots(nextBallot(1, low), nextBallot(2, other))).toBeLessThan(0)
    }
    expect(compareBallots(nextBallot(1, low), nextBallot(1, others[1]!))).toBeLessThan(0)
    expect(compareBallots(nextBallot(1, low), nextBallot(1, others[2]!))).toBeLessThan(0)
    expect(compareBallots(undefined, nextBallot(0, low))).toBeLessThan(0)
  })
})
