/**
 * Changes of the members in any mix, with deaths in the middle of them. Each ends as every change must: all agree, each
 * record lies on exactly its replicas and nowhere else, and every read is right.
 */
import { describe, expect, it } from 'vitest'
import { positionOf } from '../../src/core/ring/position.ts'
import { SimulatedCluster, type SimulatedPeer } from './cluster.ts'
import { expectSettled, fill, standingOf, untilDown } from './scenario.ts'

type Five = [SimulatedPeer, SimulatedPeer, SimulatedPeer, SimulatedPeer, SimulatedPeer]

async function clusterOf(count: number, seed: number) {
  const cluster = await SimulatedCluster.of(count, { seed, network: { latencyMs: () => 5 } })
  const records = await fill(cluster, 80)
  return { cluster, records, peers: cluster.peers as Five }
}

/** Makes a change that is waited for elsewhere. */
function meanwhile(change: Promise<void>): void {
  change.catch(() => undefined)
}

async function untilStanding(
  cluster: SimulatedCluster,
  seenBy: SimulatedPeer,
  of: SimulatedPeer,
  standing: string | undefined
): Promise<void> {
  const isThere = (): boolean => standingOf(seenBy, of) === standing
  await cluster.time.until(isThere, 120_000, `${of.index} is ${standing ?? 'forgotten'}`)
}

/** How many transitions a peer sees opened from now on. */
function transitionsSeenBy(peer: SimulatedPeer): { readonly opened: Set<number> } {
  const opened = new Set<number>()
  peer.core.on('topology', ({ transition }) => {
    if (transition !== null) opened.add(transition.opened)
  })
  return { opened }
}

describe('several changes at once', () => {
  it('two joins, two leaves and a removal go into few transitions, and all of them are made', async () => {
    const { cluster, records, peers } = await clusterOf(7, 1)
    const [first, dead, one, other] = peers
    cluster.kill(dead)
    await untilDown(cluster, first, [dead])
    const { opened } = transitionsSeenBy(first)
    const removing = first.core.remove(dead.peerId)
    meanwhile(one.core.leave())
    meanwhile(other.core.leave())
    const joiners = await cluster.time.settle(Promise.all([cluster.add(), cluster.add()]))
    await cluster.time.settle(removing)
    for (const joiner of joiners) await cluster.ready(joiner)
    await cluster.time.until(() => one.hasLeft && other.hasLeft, 120_000, 'both have left')
    await expectSettled(cluster, records)
    expect(first.core.topologyNow!.members.filter(({ standing }) => standing === 'up')).toHaveLength(6)
    expect(opened.size).toBeLessThanOrEqual(2)
    await cluster.stop()
  })

  it('two neighbours of the ring leave together', async () => {
    const { cluster, records, peers } = await clusterOf(6, 2)
    const [first] = peers
    const { before } = first.core.topologyNow!
    // The two that a range lies on first, of which neither is the one that is asked.
    const ids = [...records.keys()]
      .map(key => before.replicas(positionOf(Buffer.from(key)), 2).map(({ peerId }) => peerId))
      .find(pair => !pair.includes(first.peerId))!
    const leavers = peers.filter(({ peerId }) => ids.includes(peerId))
    for (const { core } of leavers) meanwhile(core.leave())
    await cluster.time.until(() => leavers.every(({ hasLeft }) => hasLeft), 120_000, 'both have left')
    await expectSettled(cluster, records)
    await cluster.stop()
  })

  it('all but one leave together: the last one has everything', async () => {
    const { cluster, records, peers } = await clusterOf(5, 3)
    const leavers = peers.slice(1)
    for (const { core } of leavers) meanwhile(core.leave())
    await cluster.time.until(() => leavers.every(({ hasLeft }) => hasLeft), 120_000, 'they have left')
    await expectSettled(cluster, records)
    expect(peers[0].disk.records).toBe(records.size)
    await cluster.stop()
  })

  it.each([1, 2, 3, 4, 5])(
    'a ring of %i grows by two and shrinks to one, each time exactly placed',
    async count => {
      const { cluster, records } = await clusterOf(count, 10 + count)
      for (let i = 0; i < 2; i++) {
        await cluster.ready(await cluster.add())
        await expectSettled(cluster, records)
      }
      for (const leaver of cluster.running.slice(1)) {
        await cluster.time.settle(leaver.core.leave())
        await cluster.time.until(() => leaver.hasLeft, 60_000, 'it has left')
        await expectSettled(cluster, records)
      }
      expect(cluster.running).toHaveLength(1)
      await cluster.stop()
    }
  )
})

describe('a joiner', () => {
  it('that loses its disk in the middle is dropped at once, and joins as another life', async () => {
    const { cluster, records, peers } = await clusterOf(3, 20)
    const joiner = await cluster.time.settle(cluster.add())
    await untilStanding(cluster, peers[0], joiner, 'joining')
    const { life } = joiner.core.memberNow
    const beganMs = cluster.time.nowMs
    await cluster.time.settle(cluster.restartEmpty(joiner))
    await cluster.ready(joiner)
    // No waiting until the first life counts as gone.
    expect(cluster.time.nowMs - beganMs).toBeLessThan(25_000)
    expect(joiner.core.memberNow.life).not.toBe(life)
    await expectSettled(cluster, records)
    await cluster.stop()
  })

  it('that was removed holds an older life’s records, and starts empty', async () => {
    const { cluster, records, peers } = await clusterOf(5, 21)
    const [first, removed] = peers
    cluster.kill(removed)
    await untilDown(cluster, first, [removed])
    await cluster.time.settle(first.core.remove(removed.peerId))
    // What it holds is old, or deleted by now.
    const changed = await fill(cluster, 20, 'new')
    for (let i = 0; i < 40; i++) await cluster.time.settle(first.core.delete(`key ${i}`))
    const rest = [...records].filter(([key]) => Number(key.split(' ')[1]) >= 40)
    await cluster.restart(removed)
    await cluster.ready(removed)
    await expectSettled(cluster, new Map([...rest, ...changed]))
    for (let i = 0; i < 40; i++)
      expect(await cluster.time.settle(removed.core.get(`key ${i}`))).toBeUndefined()
    await cluster.stop()
  })

  it('is removed by hand while it joins, for another to join with it', async () => {
    const { cluster, records, peers } = await clusterOf(4, 22)
    const [first] = peers
    const joiner = await cluster.time.settle(cluster.add())
    await untilStanding(cluster, first, joiner, 'joining')
    cluster.kill(joiner)
    const next = await cluster.time.settle(cluster.add())
    const beganMs = cluster.time.nowMs
    await cluster.time.settle(first.core.remove(joiner.peerId))
    await cluster.ready(next)
    expect(cluster.time.nowMs - beganMs).toBeLessThan(15_000)
    await expectSettledWithout(cluster, [joiner], records)
    await cluster.stop()
  })
})

describe('a death in the middle of a change', () => {
  it('of a taker: the change waits, and goes on when it is back', async () => {
    const { cluster, records, peers } = await clusterOf(5, 30)
    const [first, leaver, taker] = peers
    cluster.kill(taker)
    meanwhile(leaver.core.leave())
    await untilStanding(cluster, first, leaver, 'leaving')
    await cluster.time.run(30_000)
    expect(standingOf(first, leaver)).toBe('leaving')
    await cluster.restart(taker)
    await cluster.time.until(() => leaver.hasLeft, 60_000, 'it has left')
    await expectSettled(cluster, records)
    await cluster.stop()
  })

  it('of a taker for good: it is removed in the same transition, which closes without it', async () => {
    const { cluster, records, peers } = await clusterOf(6, 31)
    const [first, leaver, taker] = peers
    cluster.kill(taker)
    meanwhile(leaver.core.leave())
    await untilStanding(cluster, first, leaver, 'leaving')
    await untilDown(cluster, first, [taker])
    await cluster.time.settle(first.core.remove(taker.peerId))
    await cluster.time.until(() => leaver.hasLeft, 60_000, 'it has left')
    await expectSettledWithout(cluster, [taker], records)
    await cluster.stop()
  })

  it('of a member, removed while another one joins: both changes are made', async () => {
    const { cluster, records, peers } = await clusterOf(5, 32)
    const [first, dead] = peers
    cluster.kill(dead)
    await untilDown(cluster, first, [dead])
    const joiner = await cluster.time.settle(cluster.add())
    await untilStanding(cluster, first, joiner, 'joining')
    await cluster.time.settle(first.core.remove(dead.peerId))
    await cluster.ready(joiner)
    await expectSettledWithout(cluster, [dead], records)
    // And the dead one comes back as another life.
    await cluster.restart(dead)
    await cluster.ready(dead)
    await expectSettled(cluster, records)
    await cluster.stop()
  })

  it('of the leaver for good: the others have what it had, where n - q + 1 of them do', async () => {
    const { cluster, records, peers } = await clusterOf(5, 33)
    const [first, leaver] = peers
    meanwhile(leaver.core.leave())
    await untilStanding(cluster, first, leaver, 'leaving')
    cluster.kill(leaver)
    await cluster.time.until(
      () => first.core.membersNow().every(({ standing }) => standing === 'up'),
      120_000,
      'it is closed'
    )
    await expectSettledWithout(cluster, [leaver], records)
    await cluster.stop()
  })
})

describe('members that are given up with their copies', () => {
  it('two of six: what the last replica has is kept, and they come back empty', async () => {
    const { cluster, records, peers } = await clusterOf(6, 40)
    const [first] = peers
    const dead = peers.slice(4)
    for (const peer of dead) cluster.kill(peer)
    await untilDown(cluster, first, dead)
    const refusal = cluster.time.settle(first.core.remove(dead[0]!.peerId))
    await expect(refusal).rejects.toMatchObject({ code: 'ERR_REFUSED' })
    const removals = dead.map(({ peerId }) => first.core.remove(peerId, { acceptLoss: true }))
    await cluster.time.settle(Promise.all(removals))
    // Each record was on three of six: one copy at least is left.
    await expectSettledWithout(cluster, dead, records)
    for (const peer of dead) await cluster.restart(peer)
    for (const peer of dead) await cluster.ready(peer)
    await expectSettled(cluster, records)
    await cluster.stop()
  })
})

describe('a slow change', () => {
  it('holds another one up until it is through, and no longer', async () => {
    const { cluster, records, peers } = await clusterOf(5, 50)
    const [first, slow, quick] = peers
    const takers = peers.filter(peer => peer !== slow).map(({ peerId }) => peerId)
    const cut = cluster.network.cut([takers.at(-1)!], [slow.peerId, ...takers.slice(0, -1)])
    meanwhile(slow.core.leave())
    await untilStanding(cluster, first, slow, 'leaving')
    meanwhile(quick.core.leave())
    await cluster.time.run(20_000)
    // One at a time: a key never has three rings.
    expect(standingOf(first, quick)).toBe('up')
    const [closedMs, openedMs] = [slow, quick].map(peer => firstSeenAs(cluster, first, peer))
    cut.heal()
    await cluster.time.until(() => slow.hasLeft, 60_000, 'the slow one has left')
    await cluster.time.until(() => quick.hasLeft, 60_000, 'the quick one has left')
    expect(openedMs!('leaving') - closedMs!('left')).toBeLessThan(5_000)
    await expectSettled(cluster, records)
    await cluster.stop()
  })

  it('that waits for a joiner that died holds another join up for half a minute, and no longer', async () => {
    const { cluster, records, peers } = await clusterOf(3, 51)
    const dead = await cluster.time.settle(cluster.add())
    await untilStanding(cluster, peers[0], dead, 'joining')
    cluster.kill(dead)
    const killedMs = cluster.time.nowMs
    await cluster.ready(await cluster.add())
    // To be down takes some seconds, and to be dropped thirty more.
    expect(cluster.time.nowMs - killedMs).toBeLessThan(60_000)
    await expectSettledWithout(cluster, [dead], records)
    await cluster.stop()
  })
})

/** When a peer first saw another one in a standing, from now on, by virtual time in ms. */
function firstSeenAs(
  { time }: SimulatedCluster,
  seenBy: SimulatedPeer,
  of: SimulatedPeer
): (standing: string) => number {
  const seen = new Map<string, number>()
  seenBy.core.on('topology', () => {
    const standing = standingOf(seenBy, of) ?? 'forgotten'
    if (!seen.has(standing)) seen.set(standing, time.nowMs)
  })
  return standing => seen.get(standing) ?? NaN
}

/** `expectSettled` where some are dead for good. */
async function expectSettledWithout(
  cluster: SimulatedCluster,
  dead: readonly SimulatedPeer[],
  records: Parameters<typeof expectSettled>[1]
): Promise<void> {
  for (const peer of dead) expect(cluster.running).not.toContain(peer)
  await expectSettled(cluster, records)
}
