/** Two clusters in one network that meet by mistake: through a wrong address to join, or one that is another's by now. */
import { describe, expect, it } from 'vitest'
import { SimulatedCluster } from './cluster.ts'
import { expectSettled, fill, read, untilDown, valueOf } from './scenario.ts'

/** A cluster of four with records, a stranger that has founded one of its own, and all that is logged as a warning. */
async function twoClusters(seed: number) {
  const warnings: string[] = []
  const cluster = await SimulatedCluster.of(4, {
    seed,
    onLog: (_who, level, message, fields) => {
      if (level === 'warn') warnings.push(`${message}: ${String(fields?.['reason'])}`)
    }
  })
  const records = await fill(cluster, 30)
  const own = cluster.peers.slice()
  const stranger = await cluster.time.settle(cluster.add({ join: [] }))
  await cluster.ready(stranger)
  await cluster.time.settle(stranger.core.put('key 0', valueOf('of the stranger')))
  const ids = [own[0]!, stranger].map(({ core }) => core.topologyNow!.clusterId)
  const [ownId, strangeId] = ids as [string, string]
  /** Each is as it was: the stranger alone with its record, the others with theirs. */
  const expectApart = async (): Promise<void> => {
    expect(stranger.core.topologyNow!.members).toHaveLength(1)
    expect(await read(cluster, stranger, 'key 0')).toBe('of the stranger')
    cluster.kill(stranger)
    await expectSettled(cluster, records)
    for (const { core } of own) expect(core.topologyNow!.clusterId).toBe(ownId)
    await cluster.stop()
  }
  return { cluster, own, stranger, ownId, strangeId, warnings, expectApart }
}

describe('a peer of one cluster that is told to join another one', () => {
  it('stays in its own, says which two they are, and serves on', async () => {
    const { cluster, own, stranger, ownId, strangeId, warnings, expectApart } = await twoClusters(1)
    await cluster.time.settle(cluster.restart(own[2]!, { join: [stranger.address] }))
    await cluster.ready(own[2]!)
    await cluster.time.run(20_000)
    expect(warnings.filter(line => line.includes(ownId) && line.includes(strangeId))).toHaveLength(1)
    await expectApart()
  })

  it('does so too where none of its own can be reached', async () => {
    const { cluster, own, stranger, ownId, expectApart } = await twoClusters(2)
    for (const peer of own) cluster.kill(peer)
    await cluster.time.settle(cluster.restart(own[2]!, { join: [stranger.address] }))
    await cluster.time.run(30_000)
    expect(own[2]!.core.topologyNow!.clusterId).toBe(ownId)
    for (const peer of own.filter(each => each !== own[2])) await cluster.time.settle(cluster.restart(peer))
    await expectApart()
  })
})

describe('a peer that has to join its cluster anew', () => {
  it('does not end up in another one that answers at an address it was given', async () => {
    const { cluster, own, stranger, ownId, strangeId, expectApart } = await twoClusters(3)
    const victim = own[3]!
    cluster.kill(victim)
    await untilDown(cluster, own[0]!, [victim])
    await cluster.time.settle(own[0]!.core.remove(victim.peerId))
    // It learns that it was removed, and dies before it finds the way back: the next one knows only what is on disk.
    await cluster.time.settle(cluster.restart(victim, { join: [stranger.address] }))
    await cluster.time.settle(new Promise<void>(resolve => void victim.core.on('gone', () => resolve())))
    const cut = cluster.network.cut(
      [victim.peerId],
      own.slice(0, 3).map(({ peerId }) => peerId)
    )
    await cluster.time.run(2_000)
    cluster.kill(victim)
    await cluster.time.settle(cluster.restart(victim, { join: [stranger.address] }))
    const waits: string[] = []
    victim.core.on('waiting', ({ reason }) => waits.push(reason))
    await cluster.time.run(20_000)
    expect(victim.core.topologyNow).toBeUndefined()
    expect(waits.some(reason => reason.includes(ownId) && reason.includes(strangeId))).toBe(true)
    cut.heal()
    await cluster.ready(victim)
    await expectApart()
  })

  it('may join another one where it had left', async () => {
    const { cluster, own, stranger, strangeId } = await twoClusters(4)
    const leaver = own[3]!
    await cluster.time.settle(leaver.core.leave())
    await cluster.time.until(() => leaver.hasLeft, 60_000, 'it has left')
    const others = own.slice(0, 3).map(({ peerId }) => peerId)
    cluster.network.cut([leaver.peerId], others)
    leaver.hasLeft = false
    await cluster.time.settle(cluster.restart(leaver, { join: [stranger.address] }))
    await cluster.ready(leaver)
    expect(leaver.core.topologyNow!.clusterId).toBe(strangeId)
    await cluster.stop()
  })
})
