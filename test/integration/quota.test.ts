/** Peers with data folders that are given a disk quota. */
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { errorOf, startCluster, startPeer, temporaryFolder, until } from './peers.ts'

const maxDiskBytes = 1024 * 1024
const value = new Uint8Array(100_000).fill(7)

describe('a cluster whose peers have a disk quota', { timeout: 60_000 }, () => {
  it('refuses puts that go beyond it, with no effect; reads, deletes and puts go on as there is room', async () => {
    const folder = await temporaryFolder()
    const { peers } = await startCluster(3, index => ({ maxDiskBytes, data: join(folder, String(index)) }))
    const [peer] = peers
    // Each peer holds every record.
    for (let i = 0; i < 10; i++) await peer!.put(`k${i}`, value)
    const error = await errorOf('ERR_FULL', () => peer!.put('one more', value))
    expect(error.indefinite).toBe(false)
    expect(await peer!.get('one more')).toBeUndefined()
    expect((await peer!.get('k3'))?.value).toEqual(value)
    // What is small still fits.
    await peer!.put('small', value.subarray(0, 100))
    await peer!.delete('k3')
    await peer!.put('one more', value)
    expect((await peer!.get('one more'))?.value).toEqual(value)
    const { members } = await peer!.status()
    for (const { bytes } of members) expect(bytes).toBeLessThanOrEqual(maxDiskBytes)
  })

  it('has one that joins take what there is room for, and the rest when there is', async () => {
    const folder = await temporaryFolder()
    const founder = await startPeer({ data: join(folder, 'founder'), replicas: 2 })
    await founder.ready()
    for (let i = 0; i < 15; i++) await founder.put(`k${i}`, value)
    const small = await startPeer({ data: join(folder, 'small'), maxDiskBytes, join: founder.multiaddrs })
    await until(async () => {
      const { members } = await founder.status()
      return (members.find(({ peerId }) => peerId === small.peerId)?.bytes ?? 0) > 0
    }, 'it has taken some')
    const held = async (): Promise<number> => {
      const { members } = await founder.status()
      return members.find(({ peerId }) => peerId === small.peerId)?.bytes ?? 0
    }
    expect(await held()).toBeLessThanOrEqual(maxDiskBytes * 1.07)
    for (let i = 0; i < 10; i++) await founder.delete(`k${i}`)
    await small.ready()
    await until(async () => (await founder.status()).transition === null, 'the join is through', 30_000)
    expect(await held()).toBeGreaterThan(5 * value.length)
  })

  it('takes no quota that nothing fits into', async () => {
    const error = await errorOf('ERR_INVALID', () => startPeer({ maxDiskBytes: 1000 }))
    expect(error.message).toContain('"maxDiskBytes" is 1000; it takes a whole number from 1048576')
  })
})
