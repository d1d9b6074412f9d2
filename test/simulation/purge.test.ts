/** Deleting for good, in whole clusters: tombstones go, and nothing that they deleted ever comes back. */
import { describe, expect, it } from 'vitest'
import { SimulatedCluster, type SimulatedPeer } from './cluster.ts'

const text = (value: string): Uint8Array => new TextEncoder().encode(value)
const tombstoneGraceMs = 60_000

/** A cluster whose members have a short grace. */
class Purging {
  readonly cluster: SimulatedCluster

  constructor(seed: number) {
    this.cluster = new SimulatedCluster({ seed })
  }

  get peers(): SimulatedPeer[] {
    return this.cluster.peers
  }

  async add(): Promise<SimulatedPeer> {
    const peer = await this.cluster.time.settle(this.cluster.add(this.#init))
    await this.cluster.ready(peer)
    return peer
  }

  async restart(peer: SimulatedPeer): Promise<void> {
    await this.cluster.time.settle(this.cluster.restart(peer, this.#init))
    await this.cluster.ready(peer)
  }

  async run(seconds: number): Promise<void> {
    await this.cluster.time.run(seconds * 1_000)
  }

  async until(done: () => Promise<boolean>, seconds: number): Promise<void> {
    for (let i = 0; i < seconds; i++) {
      if (await done()) return
      await this.run(1)
    }
    throw new Error(`it did not come to that within ${seconds} s`)
  }

  /** Tombstones and expiring records on all disks together. */
  async ending(): Promise<number> {
    const heads = await Promise.all(this.peers.map(({ disk }) => disk.heads()))
    return heads.flat().filter(({ kind, expiresAt }) => kind === 'tombstone' || expiresAt > 0).length
  }

  readonly #init = { tombstoneGraceMs, removeAfterMs: 0 }
}

const keys = Array.from({ length: 40 }, (_, i) => `key ${i}`)
const deleted = keys.filter((_, i) => i % 4 === 0)
const expiring = keys.filter((_, i) => i % 4 === 1)
const kept = keys.filter((_, i) => i % 4 > 1)

async function fill({ cluster, peers }: Purging): Promise<void> {
  for (const [i, key] of keys.entries()) {
    const ttl = expiring.includes(key) ? { ttl: 5_000 } : {}
    await cluster.time.settle(peers[i % peers.length]!.core.put(key, text(key), ttl))
  }
}

async function expectOnlyKept({ cluster, peers }: Purging): Promise<void> {
  for (const [i, key] of keys.entries()) {
    const got = await cluster.time.settle(peers[i % peers.length]!.core.get(key))
    expect(got === undefined, key).toBe(!kept.includes(key))
  }
}

describe('what was deleted or has expired', () => {
  it('is gone from every disk when the grace is over, and stays gone', async () => {
    const world = new Purging(21)
    for (let i = 0; i < 5; i++) await world.add()
    await fill(world)
    for (const key of deleted) await world.cluster.time.settle(world.peers[1]!.core.delete(key))
    expect(await world.ending()).toBe(3 * (deleted.length + expiring.length))
    await world.run(30)
    expect(await world.ending()).toBe(3 * (deleted.length + expiring.length))
    await world.until(async () => (await world.ending()) === 0, 360)
    expect(world.cluster.copies()).toBe(3 * kept.length)
    await expectOnlyKept(world)
    // A key may be put again, and whoever was there or joins now holds the same.
    await world.cluster.time.settle(world.peers[3]!.core.put(deleted[0]!, text('anew')))
    await world.add()
    await world.cluster.time.settle(world.peers[2]!.core.delete(deleted[0]!))
    await world.until(async () => (await world.ending()) === 0, 360)
    await expectOnlyKept(world)
    await world.cluster.stop()
  })

  it('stays on the disks while a member is away that may hold something older, and goes when it is back', async () => {
    const world = new Purging(22)
    for (let i = 0; i < 4; i++) await world.add()
    await fill(world)
    const away = world.peers[3]!
    world.cluster.kill(away)
    for (const key of deleted) await world.cluster.time.settle(world.peers[1]!.core.delete(key))
    await world.run(600)
    expect(await world.ending()).toBeGreaterThan(2 * deleted.length)
    expect(world.peers[0]!.core.topologyNow).toMatchObject({ purgedBefore: 0 })
    await world.restart(away)
    await world.until(async () => (await world.ending()) === 0, 360)
    expect(world.cluster.copies()).toBe(3 * kept.length)
    await expectOnlyKept(world)
    await world.cluster.stop()
  })

  it('is not brought back by a member that reported and was away when the purge came', async () => {
    const world = new Purging(23)
    for (let i = 0; i < 4; i++) await world.add()
    await fill(world)
    for (const key of deleted) await world.cluster.time.settle(world.peers[1]!.core.delete(key))
    await world.until(() => Promise.resolve((world.peers[0]!.core.topologyNow?.purgedBefore ?? 0) > 0), 360)
    // Its disk may hold what the others drop by now.
    world.cluster.kill(world.peers[2]!)
    await world.run(120)
    await world.restart(world.peers[2]!)
    await world.until(async () => (await world.ending()) === 0, 360)
    await expectOnlyKept(world)
    await world.cluster.stop()
  })
})
