/** The last resort: most of those who decide on the ring are lost for good, and the survivors go on without them. */
import { describe, expect, it } from 'vitest'
import { restoreLeap } from '../../src/core/topology/entry.ts'
import { SimulatedCluster, type SimulatedPeer } from './cluster.ts'
import { expectSettled, fill, read, standingOf, untilDown, valueOf } from './scenario.ts'

/** Five peers, the last three of which are killed; all that can be lost with them is put before. */
async function bereaved(seed: number, keys = 60) {
  const cluster = await SimulatedCluster.of(5, { seed })
  const records = await fill(cluster, keys)
  const survivors = cluster.peers.slice(0, 2)
  const dead = cluster.peers.slice(2)
  for (const peer of dead) cluster.kill(peer)
  for (const peer of survivors) await untilDown(cluster, peer, dead)
  return { cluster, records, survivors, dead, clusterId: survivors[0]!.core.topologyNow!.clusterId }
}

/** Which of these records no survivor has on its disk. */
async function goneOf(records: ReadonlyMap<string, string>, survivors: readonly SimulatedPeer[]) {
  const ids = survivors.map(({ peerId }) => peerId)
  const gone = new Set<string>()
  for (const key of records.keys()) {
    const { replicas } = await survivors[0]!.core.locate(key)
    if (!replicas[0]!.some(peerId => ids.includes(peerId))) gone.add(key)
  }
  return gone
}

const ids = (peers: readonly SimulatedPeer[]): string[] => peers.map(({ peerId }) => peerId).sort()

describe('a cluster of which three of five are lost for good', () => {
  it('serves again, by the survivors, all that one of them has a copy of', async () => {
    const { cluster, records, survivors, dead, clusterId } = await bereaved(1)
    const [first, second] = survivors as [SimulatedPeer, SimulatedPeer]
    const gone = await cluster.time.settle(goneOf(records, survivors))
    const kept = new Map([...records].filter(([key]) => !gone.has(key)))
    expect(gone.size).toBeGreaterThan(0)
    const before = first.core.topologyNow!.epoch

    const outlook = await cluster.time.settle(first.core.restore(ids(survivors)))
    expect(outlook).toMatchObject({ survivors: ids(survivors), lost: ids(dead), clusterId, isDone: false })
    expect(Math.abs(outlook.gone - gone.size / records.size)).toBeLessThan(0.1)
    expect(outlook.gone + outlook.atRisk).toBeLessThan(1)
    expect(first.core.topologyNow!.epoch).toBe(before)

    const done = await cluster.time.settle(first.core.restore(ids(survivors), { acceptLoss: clusterId }))
    expect(done).toMatchObject({ ...outlook, epoch: done.epoch, isDone: true })
    expect(done.epoch).toBeGreaterThanOrEqual(before + restoreLeap)
    // Those who survived knew of it before it was answered, and what is not copied yet is not said to be absent.
    expect(second.core.topologyNow!.generation).toBe(2)
    for (const [key, value] of kept)
      expect([value, 'ERR_QUORUM']).toContain(await read(cluster, second, key, 50))
    await expectSettled(cluster, kept)
    for (const key of gone) expect(await read(cluster, first, key)).toBeUndefined()
    await cluster.time.settle(second.core.put('after', valueOf('it')))
    expect(await read(cluster, first, 'after')).toBe('it')
    await cluster.stop()
  })

  it('takes the lost back with empty disks, and decides by them again', async () => {
    const { cluster, records, survivors, dead, clusterId } = await bereaved(2)
    const gone = await cluster.time.settle(goneOf(records, survivors))
    const kept = new Map([...records].filter(([key]) => !gone.has(key)))
    // They are started before the operator gets to it, and wait.
    for (const peer of dead) await cluster.time.settle(cluster.restartEmpty(peer))
    await cluster.time.run(10_000)
    expect(survivors[0]!.core.topologyNow!.generation).toBe(1)
    await cluster.time.settle(survivors[1]!.core.restore(ids(survivors), { acceptLoss: clusterId }))
    for (const peer of dead) await cluster.ready(peer)
    await expectSettled(cluster, kept)
    // One more may be lost, as ever.
    cluster.kill(survivors[0]!)
    await cluster.ready(await cluster.add())
    await cluster.stop()
  })

  it('has those that come back alive after all join anew, and no two answer for one key', async () => {
    const { cluster, records, survivors, dead, clusterId } = await bereaved(3)
    const gone = await cluster.time.settle(goneOf(records, survivors))
    const kept = new Map([...records].filter(([key]) => !gone.has(key)))
    await cluster.time.settle(survivors[0]!.core.restore(ids(survivors), { acceptLoss: clusterId }))
    await cluster.time.until(
      () => survivors.every(({ core }) => core.topologyNow!.transition === undefined),
      60_000,
      'the survivors are settled'
    )
    for (const key of kept.keys())
      await cluster.time.settle(survivors[0]!.core.put(key, valueOf(`new ${key}`)))
    const lives = dead.map(({ core }) => core.memberNow.life)
    for (const peer of dead) await cluster.restart(peer)
    // From the first moment that one serves it says what the survivors say.
    for (const peer of dead) {
      await cluster.ready(peer)
      for (const key of [...kept.keys()].slice(0, 10))
        expect(await read(cluster, peer, key)).toBe(`new ${key}`)
    }
    dead.forEach(({ core }, i) => expect(core.memberNow.life).not.toBe(lives[i]))
    await expectSettled(cluster, new Map([...kept.keys()].map(key => [key, `new ${key}`])))
    await cluster.stop()
  })

  it('has one that comes back before all is copied know at once that it is being removed', async () => {
    const { cluster, survivors, dead, clusterId } = await bereaved(4)
    const [first, second] = survivors as [SimulatedPeer, SimulatedPeer]
    await cluster.time.settle(first.core.restore(ids(survivors), { acceptLoss: clusterId }))
    cluster.kill(second)
    await cluster.restart(dead[0]!)
    await cluster.time.run(20_000)
    expect(dead[0]!.core.topologyNow!.generation).toBe(2)
    expect(standingOf(dead[0]!, dead[0]!)).toBe('removing')
    await cluster.restart(second)
    await cluster.time.until(
      () => cluster.running.length === 3 && standingOf(first, dead[0]!) === 'up',
      60_000,
      'it is back as another life'
    )
    await cluster.stop()
  })

  it('goes on though a survivor is killed as soon as it is declared', async () => {
    const { cluster, records, survivors, clusterId } = await bereaved(5)
    const gone = await cluster.time.settle(goneOf(records, survivors))
    const kept = new Map([...records].filter(([key]) => !gone.has(key)))
    await cluster.time.settle(survivors[0]!.core.restore(ids(survivors), { acceptLoss: clusterId }))
    cluster.kill(survivors[0]!)
    await cluster.time.run(10_000)
    await cluster.restart(survivors[0]!)
    await cluster.ready(survivors[0]!)
    await expectSettled(cluster, kept)
    await cluster.stop()
  })
})

describe('a restore is refused', () => {
  it('where most of those who decide answer', async () => {
    const cluster = await SimulatedCluster.of(5, { seed: 6 })
    const dead = cluster.peers.slice(3)
    for (const peer of dead) cluster.kill(peer)
    const survivors = cluster.peers.slice(0, 3)
    for (const peer of survivors) await untilDown(cluster, peer, dead)
    const asked = cluster.time.settle(survivors[0]!.core.restore(ids(survivors)))
    await expect(asked).rejects.toMatchObject({
      code: 'ERR_REFUSED',
      message: expect.stringMatching(/3 of the 5 members .* remove the others/) as string
    })
    await cluster.stop()
  })

  it('where a survivor does not answer, is not named, or does not hold the others to be down', async () => {
    const { cluster, survivors, dead, clusterId } = await bereaved(7, 0)
    const [first, second] = survivors as [SimulatedPeer, SimulatedPeer]
    const refusal = async (named: readonly SimulatedPeer[], asked = first): Promise<string> => {
      const restoring = asked.core.restore(ids(named), { acceptLoss: clusterId })
      return cluster.time.settle(restoring.then(() => 'none', String))
    }
    expect(await refusal([first])).toMatch(`${second.peerId} answers, but is not named`)
    expect(await refusal([second])).toMatch('is not among the survivors')
    expect(await refusal([...survivors, dead[0]!])).toMatch(
      `${dead[0]!.peerId} should survive, but does not answer`
    )
    // From here it looks as if it was down, from there it does not.
    const cut = cluster.network.cut([first.peerId], ids(dead))
    await cluster.restart(dead[0]!)
    await cluster.time.run(5_000)
    expect(await refusal(survivors)).toMatch(/does not hold .* to be down yet|answers, but is not named/)
    cut.heal()
    expect(first.core.topologyNow!.generation).toBe(1)
    await cluster.stop()
  })

  it('where the id is that of another cluster, or a name is no member', async () => {
    const { cluster, survivors, clusterId } = await bereaved(8, 0)
    const [first] = survivors as [SimulatedPeer]
    const restore = (names: readonly string[], acceptLoss: string) =>
      cluster.time.settle(first.core.restore(names, { acceptLoss }))
    await expect(restore(ids(survivors), 'f'.repeat(32))).rejects.toMatchObject({
      code: 'ERR_INVALID',
      message: `this is the cluster ${clusterId}, not ${'f'.repeat(32)}`
    })
    await expect(restore(['12D3KooWNobody'], clusterId)).rejects.toMatchObject({ code: 'ERR_INVALID' })
    await cluster.stop()
  })

  it('to a client too, which is told why', async () => {
    const { cluster, survivors, clusterId } = await bereaved(9, 0)
    const client = await cluster.client()
    await expect(cluster.time.settle(client.restore([survivors[0]!.peerId]))).rejects.toMatchObject({
      code: 'ERR_REFUSED'
    })
    const done = await cluster.time.settle(client.restore(ids(survivors), { acceptLoss: clusterId }))
    expect(done.isDone).toBe(true)
    // Once is enough.
    await cluster.time.run(10_000)
    await expect(
      cluster.time.settle(client.restore(ids(survivors), { acceptLoss: clusterId }))
    ).rejects.toMatchObject({ code: 'ERR_REFUSED' })
    await cluster.stop()
  })
})

describe('two restores on two sides that cannot reach each other', () => {
  it('are one again when they meet: the later counts, and who is not named in it joins anew', async () => {
    const { cluster, survivors, clusterId } = await bereaved(10, 20)
    const [first, second] = survivors as [SimulatedPeer, SimulatedPeer]
    const cut = cluster.network.cut([first.peerId], [second.peerId])
    await untilDown(cluster, first, [second])
    await untilDown(cluster, second, [first])
    for (const peer of survivors)
      await cluster.time.settle(peer.core.restore([peer.peerId], { acceptLoss: clusterId }))
    const epochs = survivors.map(({ core }) => core.topologyNow!.epoch)
    expect(epochs[0]).not.toBe(epochs[1])
    cut.heal()
    await expectSettled(cluster, new Map())
    expect(first.core.topologyNow!.generation).toBe(2)
    await cluster.stop()
  })
})
