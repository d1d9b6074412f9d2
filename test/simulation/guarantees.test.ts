/** What is judged of a cluster from outside and inside: each check passes on a sound one, and finds what is put wrong. */
import { describe, expect, it } from 'vitest'
import { encodeRecord } from '../../src/core/record/codec.ts'
import { positionOf } from '../../src/core/ring/position.ts'
import { MemoryStore } from '../../src/storage/memory.ts'
import { SimulatedCluster, type SimulatedPeer } from './cluster.ts'
import { checkBytes, checkCopies, checkRepairs, readDisks } from './run/guarantees/cluster.ts'
import { History, type Operation } from './run/history.ts'
import { settingsOf } from './run/settings.ts'
import { Watch } from './run/watch.ts'

const text = (value: string): Uint8Array => new TextEncoder().encode(value)

async function clusterWithRecords(): Promise<SimulatedCluster> {
  const cluster = await SimulatedCluster.of(3, { seed: 1, vnodes: 4 })
  for (const key of ['a', 'b', 'c']) await cluster.time.settle(cluster.peers[0]!.core.put(key, text(key)))
  await cluster.time.run(1_000)
  return cluster
}

describe('what must hold when the faults have stopped (G7)', () => {
  it('is not that a record is damaged, and is again when it was repaired', async () => {
    const cluster = await clusterWithRecords()
    expect(checkRepairs(cluster)).toEqual([])
    cluster.peers[1]!.disk.damage(positionOf(text('b')))
    // The disk looks up what lies there first.
    await cluster.time.run(1)
    expect(checkRepairs(cluster)).toMatchObject([{ guarantee: 'G7', subject: 'peer 1' }])
    const isRepaired = (): boolean => checkRepairs(cluster).length === 0
    await cluster.time.until(isRepaired, 300_000, 'it is repaired')
    await cluster.stop()
  })

  it('is that each replica has each record, and not that one lacks one', async () => {
    const cluster = await clusterWithRecords()
    expect(checkCopies(await readDisks(cluster))).toEqual([])
    const { disk, process } = cluster.peers[2]!
    const [head] = await disk.heads()
    await cluster.time.settle(disk.open(process).drop(head!.position, head!.version))
    expect(checkCopies(await readDisks(cluster)).map(({ what }) => what)).toEqual([
      expect.stringContaining('peer 2 is a replica of, and lacks,')
    ])
    await cluster.stop()
  })

  it('is that copies of one version have the same bytes', async () => {
    const cluster = await clusterWithRecords()
    expect(await checkBytes(cluster)).toEqual([])
    const { running } = cluster
    await cluster.stop()
    const [one, other] = await Promise.all(['value', 'VALUE'].map(diskWith))
    const peers = [one, other].map((disk, i) => ({ ...running[i]!, disk: disk! }) as SimulatedPeer)
    expect((await checkBytes({ running: peers })).map(({ what }) => what)).toEqual([
      expect.stringContaining('peers 0 and 1 hold other bytes')
    ])
  })
})

/** What of a disk the check reads, with one record. */
async function diskWith(value: string): Promise<Pick<SimulatedPeer['disk'], 'copies'>> {
  const store = new MemoryStore()
  const version = { time: 1, writer: new Uint8Array(16), rmw: 0 }
  const record = encodeRecord({ key: text('key'), version, kind: 'value', value: text(value), expiresAt: 0 })
  await store.merge(record)
  const { encoded } = (await store.read(record.position))!
  return { copies: () => Promise.resolve([{ position: 'there', version: '1', encoded }]) }
}

describe('which operations have to succeed (G5)', () => {
  /** Gets a key through peer 0 when all were well for long, and gives what the watch makes of its failure. */
  async function watched(before: (cluster: SimulatedCluster) => void): Promise<Watch> {
    const cluster = await clusterWithRecords()
    const settings = settingsOf({ seed: 1, profile: 'calm' })
    const watch = new Watch({ cluster }, { settings })
    watch.start()
    before(cluster)
    await cluster.time.run(20_000)
    watch.began(1)
    const failed: Operation = await new History(cluster.time).record(
      { kind: 'get', key: 'a', asked: 'peer 0' },
      () => Promise.reject(new Error('it failed'))
    )
    watch.ended(1, failed)
    watch.stop()
    await cluster.stop()
    return watch
  }

  it('are those whose replicas were all well', async () => {
    const { violations, availability } = await watched(() => undefined)
    expect(violations).toMatchObject([{ guarantee: 'G5', subject: 'a' }])
    expect(availability).toEqual({ expected: 1, succeeded: 0 })
  })

  it('are those also that have one replica with a damaged record, and not those that have two', async () => {
    const position = positionOf(text('a'))
    const one = await watched(({ peers }) => peers[1]!.disk.damage(position))
    expect(one.availability.expected).toBe(1)
    const two = await watched(({ peers }) => peers.slice(1).forEach(({ disk }) => disk.damage(position)))
    expect(two).toMatchObject({ availability: { expected: 0 }, violations: [] })
  })
})
