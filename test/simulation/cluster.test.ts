import { describe, expect, it } from 'vitest'
import { SimulatedCluster, type SimulatedPeer } from './cluster.ts'

const text = (value: string): Uint8Array => new TextEncoder().encode(value)

describe('a cluster', () => {
  it('is founded by its first peer and joined by the others, who agree on who is there', async () => {
    const cluster = await SimulatedCluster.of(5, { seed: 1 })
    for (const { core } of cluster.peers) {
      expect(core.membersNow().map(({ standing }) => standing)).toEqual(['up', 'up', 'up', 'up', 'up'])
    }
    await cluster.stop()
    // What was on its way to the others arrives nowhere; then nothing is left.
    await cluster.time.run(10_000)
    expect(cluster.time.pending).toBe(0)
  })

  it('is founded and joined though now and then a disk fails to write', async () => {
    const seeds = Array.from({ length: 10 }, (_, i) => i + 1)
    for (const seed of seeds) {
      const cluster = await SimulatedCluster.of(3, { seed, disk: { failRate: 0.2 } })
      for (const { disk } of cluster.peers) disk.failRate = 0
      expect(cluster.peers[0]!.core.membersNow()).toHaveLength(3)
      await cluster.stop()
    }
  })

  it('reads through any peer what was put through any other, at once', async () => {
    const cluster = await SimulatedCluster.of(5, { seed: 2 })
    for (let i = 0; i < 100; i++) {
      const writer = cluster.peers[i % 5]!.core
      const reader = cluster.peers[(i * 3 + 1) % 5]!.core
      await cluster.time.settle(writer.put(`key ${i % 10}`, text(`value ${i}`)))
      const got = await cluster.time.settle(reader.get(`key ${i % 10}`))
      expect(new TextDecoder().decode(got?.value)).toBe(`value ${i}`)
    }
    await cluster.stop()
  })

  it('keeps every record on exactly its replicas when a sixth peer joins and another leaves', async () => {
    const cluster = await SimulatedCluster.of(5, { seed: 3 })
    const keys = await fill(cluster, 300)
    await cluster.ready(await cluster.add())
    await cluster.time.until(() => cluster.copies() === 3 * keys.length, 60_000, 'three copies of each')
    await cluster.time.settle(cluster.peers[2]!.core.leave())
    const rest = cluster.peers.filter((_, i) => i !== 2)
    await cluster.time.until(() => copiesOf(rest) === 3 * keys.length, 60_000, 'three copies of each')
    await expectAllReadable(cluster, cluster.peers[5]!, keys)
    await cluster.stop()
  })

  it('replicates anew what a removed peer held, and takes it back with a new life and an empty store', async () => {
    const cluster = await SimulatedCluster.of(5, { seed: 4 })
    const keys = await fill(cluster, 200)
    const victim = cluster.peers[1]!
    cluster.kill(victim)
    await cluster.time.until(
      () => livenessOf(cluster.peers[0]!, victim.peerId) === 'down',
      20_000,
      'the killed peer is down'
    )
    await cluster.time.settle(cluster.peers[0]!.core.remove(victim.peerId))
    await cluster.time.until(() => cluster.copies() === 3 * keys.length, 60_000, 'three copies of each')
    await cluster.restart(victim)
    await cluster.ready(victim)
    await cluster.time.until(() => cluster.copies() === 3 * keys.length, 60_000, 'three copies of each')
    await expectAllReadable(cluster, victim, keys)
    await cluster.stop()
  })

  it('finds everything again after all peers were killed at once', async () => {
    const cluster = await SimulatedCluster.of(5, { seed: 5 })
    const keys = await fill(cluster, 100)
    for (const peer of cluster.peers) cluster.kill(peer)
    for (const peer of cluster.peers) await cluster.restart(peer)
    for (const peer of cluster.peers) await cluster.ready(peer)
    await expectAllReadable(cluster, cluster.peers[3]!, keys)
    expect(cluster.copies()).toBe(3 * keys.length)
    await cluster.stop()
  })

  it('takes back a peer that lost its disk, as another life', async () => {
    const cluster = await SimulatedCluster.of(4, { seed: 6 })
    const keys = await fill(cluster, 100)
    const victim = cluster.peers[3]!
    cluster.kill(victim)
    await cluster.restartEmpty(victim)
    await cluster.ready(victim)
    await cluster.time.until(() => cluster.copies() === 3 * keys.length, 60_000, 'three copies of each')
    await expectAllReadable(cluster, victim, keys)
    await cluster.stop()
  })

  it('fetches what a peer missed while it was away', async () => {
    const cluster = await SimulatedCluster.of(3, { seed: 7 })
    const away = cluster.peers[2]!
    cluster.kill(away)
    const keys = await fill(cluster, 50)
    await cluster.restart(away)
    await cluster.ready(away)
    await cluster.time.until(() => away.disk.records === keys.length, 60_000, 'all records are back')
    await cluster.stop()
  })

  it('fetches what a peer missed while it stood still, without a restart', async () => {
    const cluster = await SimulatedCluster.of(3, { seed: 12 })
    const frozen = cluster.peers[2]!
    cluster.freeze(frozen)
    await cluster.time.until(
      () => livenessOf(cluster.peers[0]!, frozen.peerId) === 'down',
      20_000,
      'it is down'
    )
    const keys = await fill(cluster, 50, cluster.peers.slice(0, 2))
    await cluster.time.run(10_000)
    expect(frozen.disk.records).toBe(0)
    cluster.thaw(frozen)
    await cluster.time.until(() => frozen.disk.records === keys.length, 20_000, 'all records are back')
    await cluster.stop()
  })

  it('takes back a peer that left, when it is started again, as another life', async () => {
    const cluster = await SimulatedCluster.of(4, { seed: 14 })
    const keys = await fill(cluster, 40)
    const leaver = cluster.peers[3]!
    await cluster.time.settle(leaver.core.leave())
    await cluster.time.until(() => leaver.hasLeft, 60_000, 'the leaver is gone')
    leaver.hasLeft = false
    await cluster.restart(leaver)
    await cluster.ready(leaver)
    await cluster.time.until(() => cluster.copies() === 3 * keys.length, 60_000, 'three copies of each')
    await expectAllReadable(cluster, leaver, keys)
    await cluster.stop()
  })

  it('asks those who come back later than itself for what it missed', async () => {
    const cluster = await SimulatedCluster.of(3, { seed: 13 })
    const [first, second, third] = cluster.peers as [SimulatedPeer, SimulatedPeer, SimulatedPeer]
    cluster.kill(first)
    const keys = await fill(cluster, 30)
    cluster.kill(second)
    cluster.kill(third)
    await cluster.restart(first)
    await cluster.time.run(30_000)
    expect(first.disk.records).toBe(0)
    await cluster.restart(second)
    await cluster.time.until(() => first.disk.records === keys.length, 30_000, 'all records are back')
    await cluster.stop()
  })

  it('grows from one peer to five and shrinks back to one without losing a record', async () => {
    const cluster = await SimulatedCluster.of(1, { seed: 8 })
    const keys = await fill(cluster, 60)
    for (let n = 1; n < 5; n++) {
      await cluster.ready(await cluster.add())
      await expectAllReadable(cluster, cluster.peers[n]!, keys)
    }
    for (let n = 4; n > 0; n--) {
      await cluster.time.settle(cluster.peers[n]!.core.leave())
      await expectAllReadable(cluster, cluster.peers[0]!, keys)
    }
    expect(cluster.peers[0]!.disk.records).toBe(keys.length)
    await cluster.stop()
  })

  it('goes on with its log when a majority of the acceptors is back, and lets a waiting joiner in', async () => {
    const cluster = await SimulatedCluster.of(5, { seed: 9 })
    for (const peer of cluster.peers.slice(2)) cluster.kill(peer)
    const sixth = await cluster.add()
    const waits: string[] = []
    sixth.core.events.on('waiting', ({ reason }) => waits.push(reason))
    await cluster.time.run(30_000)
    expect(cluster.peers[0]!.core.membersNow()).toHaveLength(5)
    expect(waits.length).toBeGreaterThan(0)
    for (const peer of cluster.peers.slice(2, 4)) await cluster.restart(peer)
    await cluster.ready(sixth)
    await cluster.stop()
  })

  it('drops a joiner that dies while it joins', async () => {
    const cluster = await SimulatedCluster.of(3, { seed: 10 })
    const keys = await fill(cluster, 100)
    const joiner = await cluster.add()
    await cluster.time.until(
      () => cluster.peers[0]!.core.membersNow().some(({ standing }) => standing === 'joining'),
      10_000,
      'the transition is open'
    )
    cluster.kill(joiner)
    await cluster.time.until(
      () => cluster.peers[0]!.core.membersNow().every(({ standing }) => standing === 'up'),
      90_000,
      'the joiner is dropped'
    )
    expect(cluster.peers[0]!.core.membersNow()).toHaveLength(3)
    await expectAllReadable(cluster, cluster.peers[1]!, keys)
    await cluster.stop()
  })

  it('answers clients that coordinate themselves, and those that have a peer do it', async () => {
    const cluster = await SimulatedCluster.of(4, { seed: 11 })
    const direct = await cluster.client()
    const forward = await cluster.client({ mode: 'forward' })
    await cluster.time.settle(direct.put('a', text('1')))
    expect((await cluster.time.settle(forward.get('a')))?.value).toEqual(text('1'))
    await cluster.time.settle(forward.delete('a'))
    expect(await cluster.time.settle(direct.get('a'))).toBeUndefined()
    expect(await cluster.time.settle(direct.members())).toHaveLength(4)
    await cluster.stop()
  })
})

async function fill(cluster: SimulatedCluster, count: number, running = cluster.running): Promise<string[]> {
  const keys = Array.from({ length: count }, (_, i) => `key ${i}`)
  for (const [i, key] of keys.entries()) {
    await cluster.time.settle(running[i % running.length]!.core.put(key, text(`value of ${key}`)))
  }
  // The third replica of the last ones.
  await cluster.time.run(1_000)
  return keys
}

async function expectAllReadable(
  cluster: SimulatedCluster,
  through: SimulatedPeer,
  keys: string[]
): Promise<void> {
  for (const key of keys) {
    const got = await cluster.time.settle(through.core.get(key))
    expect(new TextDecoder().decode(got?.value)).toBe(`value of ${key}`)
  }
}

function copiesOf(peers: readonly SimulatedPeer[]): number {
  return peers.reduce((sum, { disk }) => sum + disk.records, 0)
}

function livenessOf(peer: SimulatedPeer, of: string): string | undefined {
  return peer.core.membersNow().find(({ peerId }) => peerId === of)?.liveness
}
