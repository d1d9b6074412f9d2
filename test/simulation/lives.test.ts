/** What becomes of a peer's next life, whatever happens to it between two of them. */
import { describe, expect, it } from 'vitest'
import { SimulatedCluster, type SimulatedPeer } from './cluster.ts'

describe('a peer between two lives', () => {
  it('joins the others again though it is killed before it reached them, and was given no address', async () => {
    const cluster = await SimulatedCluster.of(4, { seed: 1 })
    const [founder, second] = cluster.peers as [SimulatedPeer, SimulatedPeer]
    await cluster.time.run(5_000)
    cluster.kill(founder)
    await removed(cluster, second, founder)

    await cluster.time.settle(cluster.restart(founder, { join: [] }))
    await cluster.time.settle(new Promise<void>(resolve => void founder.core.on('gone', () => resolve())))
    const others = cluster.peers.filter(peer => peer !== founder).map(({ peerId }) => peerId)
    cluster.network.cut([founder.peerId], others)
    await cluster.time.run(2_000)
    cluster.kill(founder)
    cluster.network.heal()

    await cluster.time.settle(cluster.restart(founder, { join: [] }))
    await cluster.ready(founder)
    expect(founder.core.membersNow()).toHaveLength(4)
    await cluster.stop()
  })

  it('answers that it is not ready, however long its disk takes to be emptied', async () => {
    const cluster = await SimulatedCluster.of(4, { seed: 3, disk: { syncMs: 200 } })
    const [first, second] = cluster.peers as [SimulatedPeer, SimulatedPeer]
    const gone = new Promise<void>(resolve => void second.core.on('gone', () => resolve()))
    const removing = first.core.remove(second.peerId)
    await cluster.time.settle(gone)
    await cluster.time.run(5)
    const transport = cluster.network.host(first.peerId)!
    const remote = await cluster.time.settle(transport.connect(second.address, { timeoutMs: 1_000 }))
    const asking = transport.request(remote, new Uint8Array(), { timeoutMs: 1_000 })
    await expect(cluster.time.settle(asking)).rejects.toMatchObject({ failure: 'not-ready' })
    await cluster.time.settle(removing)
    await cluster.time.until(() => standingOf(first, second) === 'up', 60_000, 'it is back')
    await cluster.stop()
  })

  it('is not waited for where it lost its disk before it took its part of a transition', async () => {
    const cluster = await SimulatedCluster.of(4, { seed: 2, network: { latencyMs: () => 5 } })
    const [first, leaver, taker] = cluster.peers as [SimulatedPeer, SimulatedPeer, SimulatedPeer]
    for (let i = 0; i < 50; i++) await cluster.time.settle(first.core.put(`key ${i}`, new Uint8Array([i])))
    const leaving = leaver.core.leave()
    await cluster.time.until(() => standingOf(first, leaver) === 'leaving', 10_000, 'the transition is open')
    cluster.kill(taker)
    await cluster.time.settle(cluster.restartEmpty(taker))
    await cluster.time.settle(leaving, 60_000)
    await cluster.ready(taker, 60_000)
    expect(first.core.membersNow().map(({ standing }) => standing)).toEqual(['up', 'up', 'up'])
    for (let i = 0; i < 50; i++)
      expect((await cluster.time.settle(taker.core.get(`key ${i}`)))?.value).toEqual(new Uint8Array([i]))
    await cluster.stop()
  })
})

describe('a peer that has lost what it had acknowledged', () => {
  it('keeps the rest and says so where nobody could bring it back', async () => {
    const cluster = await SimulatedCluster.of(1, { seed: 6 })
    const [alone] = cluster.peers as [SimulatedPeer]
    for (let i = 0; i < 20; i++) await cluster.time.settle(alone.core.put(`key ${i}`, new Uint8Array([i])))
    cluster.kill(alone)
    await alone.disk.lose()
    const kept = alone.disk.records
    expect(kept).toBeGreaterThan(0)
    const restarting = cluster.time.settle(cluster.restart(alone, { join: [] }))
    await expect(restarting).rejects.toThrow(/has lost something .* no address is known of another member/)
    await expect(restarting).rejects.toMatchObject({ code: 'ERR_STORE' })
    expect(alone.disk.records).toBe(kept)
  })

  it('joins anew where there are others, though it is given no address', async () => {
    const cluster = await SimulatedCluster.of(3, { seed: 6 })
    const [first, second] = cluster.peers as [SimulatedPeer, SimulatedPeer]
    for (let i = 0; i < 20; i++) await cluster.time.settle(first.core.put(`key ${i}`, new Uint8Array([i])))
    // By then it has written down where the others listen.
    await cluster.time.run(10_000)
    cluster.kill(second)
    await second.disk.lose()
    await cluster.time.settle(cluster.restart(second, { join: [] }))
    await cluster.ready(second, 60_000)
    expect(second.core.membersNow()).toHaveLength(3)
    for (let i = 0; i < 20; i++)
      expect((await cluster.time.settle(second.core.get(`key ${i}`)))?.value).toEqual(new Uint8Array([i]))
    await cluster.stop()
  })
})

describe('a peer that lost something before it wrote down where the others listen', () => {
  it('founds no other cluster', async () => {
    const cluster = await SimulatedCluster.of(3, { seed: 6 })
    const [first, second] = cluster.peers as [SimulatedPeer, SimulatedPeer]
    await cluster.time.settle(first.core.put('key', new Uint8Array([1])))
    cluster.kill(second)
    await second.disk.lose()
    await expect(cluster.time.settle(cluster.restart(second, { join: [] }))).rejects.toThrow(
      /has lost something/
    )
    // With an address all is well.
    await cluster.time.settle(cluster.restart(second, { join: [first.address] }))
    await cluster.ready(second, 60_000)
    expect((await cluster.time.settle(second.core.get('key')))?.value).toEqual(new Uint8Array([1]))
    await cluster.stop()
  })
})

describe('a peer that is killed in the middle of its own transition', () => {
  it('takes its part again after a restart, and is up in the same life', async () => {
    const cluster = await SimulatedCluster.of(3, { seed: 4, network: { latencyMs: () => 5 } })
    const [first] = cluster.peers as [SimulatedPeer]
    for (let i = 0; i < 50; i++) await cluster.time.settle(first.core.put(`key ${i}`, new Uint8Array([i])))
    const joiner = await cluster.time.settle(cluster.add())
    const epoch = await cluster.time.settle(
      new Promise<number>(resolve => {
        joiner.core.on('topology', topology => topology.transition !== null && resolve(topology.epoch))
      })
    )
    await cluster.time.settle(cluster.restart(joiner))
    await cluster.ready(joiner, 20_000)
    // The close, and nothing else: it was neither dropped nor did it join anew.
    expect((await cluster.time.settle(joiner.core.status())).epoch).toBe(epoch + 1)
    for (let i = 0; i < 50; i++)
      expect((await cluster.time.settle(joiner.core.get(`key ${i}`)))?.value).toEqual(new Uint8Array([i]))
    await cluster.stop()
  })

  it('leaves after all, also where it comes back only when the others have gone on without it', async () => {
    const cluster = await SimulatedCluster.of(4, { seed: 5, network: { latencyMs: () => 5 } })
    const [first, leaver] = cluster.peers as [SimulatedPeer, SimulatedPeer]
    for (let i = 0; i < 50; i++) await cluster.time.settle(first.core.put(`key ${i}`, new Uint8Array([i])))
    leaver.core.leave().catch(() => undefined)
    await cluster.time.until(
      () => standingOf(leaver, leaver) === 'leaving',
      10_000,
      'it knows that it leaves'
    )
    cluster.kill(leaver)
    await cluster.time.until(() => standingOf(first, leaver) === undefined, 60_000, 'it has left')
    await cluster.time.settle(cluster.restart(leaver))
    await cluster.time.until(() => leaver.hasLeft, 60_000, 'it knows that it has left')
    expect(first.core.membersNow().map(({ standing }) => standing)).toEqual(['up', 'up', 'up'])
    expect(cluster.copies()).toBe(150)
    await cluster.stop()
  })

  it('joins anew where it is killed at the moment in which it learns that it has left', async () => {
    let restarting: Promise<void> | undefined
    const cluster = await SimulatedCluster.of(4, {
      seed: 6,
      onLog: (_, __, message) => {
        if (message === 'is no member any more') restarting ??= cluster.restart(cluster.peers[3]!)
      }
    })
    const leaver = cluster.peers[3]!
    leaver.core.leave().catch(() => undefined)
    await cluster.time.until(() => restarting !== undefined, 60_000, 'it learns that it has left')
    await cluster.ready(leaver)
    expect(cluster.running).toContain(leaver)
    expect(cluster.peers[0]!.core.membersNow()).toHaveLength(4)
    await cluster.stop()
  })
})

/** Has a killed peer removed by hand as soon as it counts as down. */
async function removed(cluster: SimulatedCluster, by: SimulatedPeer, victim: SimulatedPeer): Promise<void> {
  const isDown = (): boolean =>
    by.core.membersNow().some(({ peerId, liveness }) => peerId === victim.peerId && liveness === 'down')
  await cluster.time.until(isDown, 30_000, 'the killed peer is down')
  await cluster.time.settle(by.core.remove(victim.peerId))
}

function standingOf(seenBy: SimulatedPeer, of: SimulatedPeer): string | undefined {
  return seenBy.core.membersNow().find(({ peerId }) => peerId === of.peerId)?.standing
}
