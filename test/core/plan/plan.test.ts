/** Plans in whole simulated clusters, held against what the change then moves. */
import { describe, expect, it } from 'vitest'
import type { Change, KeyValueStore, Plan } from '../../../src/api.ts'
import { maxRangesPerRequest } from '../../../src/core/movement/wire.ts'
import { peerIdOf } from '../../support/peer-ids.ts'
import { SimulatedCluster, type SimulatedPeer } from '../../simulation/cluster.ts'
import { failureOf } from '../requests/fakes.ts'

const vnodes = 16

describe('a plan', () => {
  it('of a named joiner is to the record and byte what then moves, from and to whom', async () => {
    const cluster = await filled(5, 300)
    const joinerId = peerIdOf(5)
    const plan = await planned(cluster, cluster.peers[1]!.core, { kind: 'join', peerId: joinerId, vnodes })
    const held = holdings(cluster)
    const joiner = await cluster.add()
    await cluster.ready(joiner)
    expect(joiner.disk.records).toBe(plan.records)
    expect(await bytesOf(joiner)).toBe(plan.bytes)
    expect(new Set(plan.moves.map(({ to }) => to))).toEqual(new Set([joinerId]))
    expect(plan.change).toEqual({ kind: 'join', peerId: joinerId, vnodes })
    expect(plan).toMatchObject({ isUnderWay: false, copies: { before: 3, after: 3 } })
    await cluster.time.until(() => cluster.copies() === 900, 60_000, 'what is displaced is dropped')
    // As many as each of the others was to give are gone from its disk, and nothing else.
    const now = holdings(cluster)
    for (const { peerId } of cluster.peers.slice(0, 5)) {
      expect(held.get(peerId)! - now.get(peerId)!, peerId).toBe(given(plan, peerId))
    }
    await cluster.stop()
  })

  it('of a leave is to the record what the others then take', async () => {
    const cluster = await filled(5, 300)
    const leaver = cluster.peers[3]!
    const client = await cluster.client({ mode: 'forward' })
    const plan = await planned(cluster, client, { kind: 'leave', peerId: leaver.peerId })
    expect(plan.records).toBe(leaver.disk.records)
    expect(plan.bytes).toBe(await bytesOf(leaver))
    expect(plan.moves.every(({ from }) => from === leaver.peerId)).toBe(true)
    const held = holdings(cluster)
    await cluster.time.settle(leaver.core.leave())
    await cluster.time.until(() => copiesAt(cluster.running) === 900, 60_000, 'three copies of each')
    const now = holdings(cluster)
    for (const { peerId } of cluster.running) {
      expect(now.get(peerId)! - held.get(peerId)!, peerId).toBe(taken(plan, peerId))
    }
    await cluster.stop()
  })

  it('of a joiner whose peer id is not known is about its part of all copies, the same each time', async () => {
    const cluster = await filled(4, 200)
    const client = await cluster.client()
    const plan = await planned(cluster, client, { kind: 'join', vnodes })
    expect(plan.change).toEqual({ kind: 'join', peerId: null, vnodes })
    expect(plan.expectedShare).toBeCloseTo(1 / 5, 9)
    expect(plan.share / plan.expectedShare).toBeGreaterThan(0.8)
    expect(plan.share / plan.expectedShare).toBeLessThan(1.25)
    expect(plan.records / 600).toBeCloseTo(plan.share, 1)
    expect(plan.moves.length).toBeGreaterThan(0)
    for (const { to } of plan.moves) expect(to).toBeNull()
    expect(await planned(cluster, cluster.peers[3]!.core, { kind: 'join', vnodes })).toEqual(plan)
    await cluster.stop()
  })

  it('of a joiner to fewer members than there are to be copies is of one copy of everything', async () => {
    const cluster = await filled(2, 40)
    const plan = await planned(cluster, cluster.peers[0]!.core, { kind: 'join' })
    expect(plan).toMatchObject({ records: 40, copies: { before: 2, after: 3 } })
    expect(plan.share).toBeCloseTo(1 / 3, 9)
    expect(plan.expectedShare).toBeCloseTo(1 / 3, 9)
    await cluster.stop()
  })

  it('of a leave after which each record has a copy less is of nothing, and says so by the copies', async () => {
    const cluster = await filled(3, 20)
    const core = cluster.peers[0]!.core
    const nothing = { records: 0, bytes: 0, share: 0, expectedShare: 0, moves: [] }
    const plan = await planned(cluster, core, { kind: 'leave', peerId: peerIdOf(1) })
    expect(plan).toMatchObject({ ...nothing, copies: { before: 3, after: 2 } })
    const single = await filled(1, 5)
    const last = await planned(single, single.peers[0]!.core, { kind: 'leave', peerId: peerIdOf(0) })
    expect(last).toMatchObject({ ...nothing, copies: { before: 1, after: 0 } })
    await cluster.stop()
    await single.stop()
  })

  it('asks another replica where one is away, and fails where all replicas of a range are', async () => {
    const cluster = await filled(5, 200)
    const core = cluster.peers[0]!.core
    const change = { kind: 'leave', peerId: peerIdOf(4) } as const
    const whole = await planned(cluster, core, change)
    // It is not known yet that they are gone: the first tries fail.
    cluster.kill(cluster.peers[4]!)
    cluster.kill(cluster.peers[3]!)
    expect(await planned(cluster, core, change)).toEqual(whole)
    cluster.kill(cluster.peers[2]!)
    const failure = await failureOf(planned(cluster, core, change))
    expect(failure).toMatchObject({ code: 'ERR_QUORUM' })
    expect(await failureOf(planned(cluster, core, change, { deadline: 1 }))).toMatchObject({
      code: 'ERR_UNREACHABLE'
    })
    await cluster.stop()
  })

  it('is for the ring after the change that is under way, and counts at those who hold the records', async () => {
    const cluster = await filled(4, 200)
    const joiner = await cluster.add()
    // Nothing more arrives at the joiner once it is heard: the transition stays open, and it has nothing of its part.
    const stop = cluster.wiretap.listen(({ from, request, answer }) => {
      if (from === joiner.peerId && request.petition !== undefined && answer !== undefined) {
        stop()
        cluster.freeze(joiner)
      }
    })
    await cluster.time.until(() => isJoining(cluster.peers[2]!), 10_000, 'the transition is open')
    const change = { kind: 'leave', peerId: peerIdOf(1) } as const
    const early = await planned(cluster, cluster.peers[2]!.core, change)
    expect(early.isUnderWay).toBe(true)
    cluster.thaw(joiner)
    await cluster.ready(joiner)
    await cluster.time.until(() => !isJoining(cluster.peers[2]!), 60_000, 'the transition is closed')
    const late = await planned(cluster, cluster.peers[2]!.core, change)
    expect(late.isUnderWay).toBe(false)
    expect(early).toEqual({ ...late, isUnderWay: true, epoch: early.epoch })
    await cluster.stop()
  })

  it('tells how far it is, over several questions where there are many ranges', async () => {
    const cluster = await SimulatedCluster.of(4, { seed: 79, vnodes: 256 })
    const client = await cluster.client()
    const told: { done: number; total: number }[] = []
    const onProgress = (progress: { done: number; total: number }): number => told.push(progress)
    await planned(cluster, client, { kind: 'join', vnodes: 512 }, { onProgress })
    expect(told.length).toBeGreaterThan(1)
    const last = told.at(-1)!
    expect(last.total).toBeGreaterThan(maxRangesPerRequest)
    expect(last.done).toBe(last.total)
    await cluster.stop()
  })

  it('is refused for a stranger that leaves, a member that joins, what is no peer id and no vnode count', async () => {
    const cluster = await filled(2, 0)
    const client = await cluster.client()
    const changes: Change[] = [
      { kind: 'leave', peerId: peerIdOf(7) },
      { kind: 'join', peerId: peerIdOf(1) },
      { kind: 'join', peerId: 'no peer' },
      { kind: 'join', vnodes: 0 },
      { kind: 'join', vnodes: 1_025 }
    ]
    for (const store of [cluster.peers[0]!.core, client]) {
      for (const change of changes) {
        expect(await failureOf(planned(cluster, store, change))).toMatchObject({ code: 'ERR_INVALID' })
      }
    }
    await cluster.stop()
  })
})

async function filled(peers: number, records: number): Promise<SimulatedCluster> {
  const cluster = await SimulatedCluster.of(peers, { seed: 70 + peers, vnodes })
  for (let i = 0; i < records; i++) {
    const value = new Uint8Array(i % 50)
    await cluster.time.settle(cluster.peers[i % peers]!.core.put(`key ${i}`, value, { consistency: 'all' }))
  }
  return cluster
}

function planned(
  cluster: SimulatedCluster,
  store: KeyValueStore,
  ...[change, options]: Parameters<KeyValueStore['plan']>
): Promise<Plan> {
  return cluster.time.settle(store.plan(change, options), 60_000)
}

function given({ moves }: Plan, peerId: string): number {
  return moves.filter(({ from }) => from === peerId).reduce((sum, { records }) => sum + records, 0)
}

function taken({ moves }: Plan, peerId: string): number {
  return moves.filter(({ to }) => to === peerId).reduce((sum, { records }) => sum + records, 0)
}

function holdings(cluster: SimulatedCluster): Map<string, number> {
  return new Map(cluster.peers.map(({ peerId, disk }) => [peerId, disk.records]))
}

function copiesAt(peers: readonly SimulatedPeer[]): number {
  return peers.reduce((sum, { disk }) => sum + disk.records, 0)
}

async function bytesOf({ disk }: SimulatedPeer): Promise<number> {
  return (await disk.heads()).reduce((sum, { size }) => sum + size, 0)
}

function isJoining({ core }: SimulatedPeer): boolean {
  return core.membersNow().some(({ standing }) => standing === 'joining')
}
