/** What has gone bad on one disk is made good from the others (G7), though nobody reads or writes anything. */
import { describe, expect, it } from 'vitest'
import { formatPosition, positionOf } from '../../src/core/ring/position.ts'
import { SimulatedCluster, type SimulatedPeer } from './cluster.ts'

const keys = Array.from({ length: 60 }, (_, i) => new TextEncoder().encode(`key ${i}`))

/** Until all has been read, what was found has been waited for, and all is repaired, in ms: see README.md beside this. */
const madeGoodMs = 240_000

async function clusterWith(init: { scrubBytesPerSecond?: number } = {}): Promise<SimulatedCluster> {
  const cluster = new SimulatedCluster({ seed: 5, replicas: 3 })
  for (let i = 0; i < 4; i++) await cluster.ready(await cluster.time.settle(cluster.add(init)))
  await cluster.time.settle(
    Promise.all(keys.map(key => cluster.peers[0]!.core.put(key, new Uint8Array(2_000))))
  )
  await cluster.time.until(() => cluster.copies() === 3 * keys.length, 60_000)
  return cluster
}

/** A peer that holds a key. */
function holderOf(cluster: SimulatedCluster, key: Uint8Array): SimulatedPeer {
  const topology = cluster.peers[0]!.core.topologyNow!
  const [first] = topology.before.replicas(positionOf(key), 3)
  return cluster.peers.find(({ peerId }) => peerId === first!.peerId)!
}

describe('in a quiet cluster', () => {
  it.each(['head', 'value'] as const)(
    'a bit that flips in the %s of a record is found, and the record repaired',
    async part => {
      const cluster = await clusterWith()
      const [key] = keys as [Uint8Array]
      const victim = holderOf(cluster, key)
      victim.disk.damage(positionOf(key), part)
      await cluster.time.run(10)
      expect(victim.disk.damaged).toBe(1)
      await cluster.time.until(() => victim.disk.damaged === 0, madeGoodMs)
      expect(cluster.copies()).toBe(3 * keys.length)
      await cluster.stop()
    }
  )

  it('it is not where nothing is ever read', async () => {
    const cluster = await clusterWith({ scrubBytesPerSecond: 0 })
    const [key] = keys as [Uint8Array]
    const victim = holderOf(cluster, key)
    victim.disk.damage(positionOf(key), 'value')
    await cluster.time.run(3 * madeGoodMs)
    expect(victim.disk.damaged).toBe(1)
    await cluster.stop()
  })

  it('records that one disk has lost without a trace come back', async () => {
    const cluster = await clusterWith()
    const victim = holderOf(cluster, keys[0]!)
    const before = await victim.disk.contents()
    const lost = keys
      .filter(key => before.some(line => line.startsWith(formatPosition(positionOf(key)))))
      .slice(0, 7)
    for (const key of lost) await victim.disk.vanish(positionOf(key))
    expect(victim.disk.records).toBe(before.length - lost.length)
    await cluster.time.until(() => victim.disk.records === before.length, madeGoodMs)
    expect(await victim.disk.contents()).toEqual(before)
    await cluster.stop()
  })
})
