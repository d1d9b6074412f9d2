/** Limits of the transport that a peer is told of as it reaches them, and how the status shows them. */
import type { Stream } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import { afterEach, describe, expect, it } from 'vitest'
import { maxStreams } from '../../src/libp2p/limits.ts'
import { startCluster } from './peers.ts'
import { startPeer, stopAll, timeoutMs, until } from './transports.ts'

afterEach(stopAll)

const protocol = '/annulus/1.0.0'

describe('a connection', () => {
  it('has so many streams that the other end may open, and one more is closed', async () => {
    const peer = await startPeer()
    const { libp2p } = await startPeer({ role: 'client' })
    const connection = await libp2p.dial(multiaddr(peer.address))
    const open = (): Promise<Stream> => connection.newStream(protocol, { maxOutboundStreams: 100 })
    const streams: Stream[] = []
    for (let i = 0; i < maxStreams; i++) streams.push(await open())
    await until(() => peer.transport.limits()['maxStreams']?.inUse === maxStreams, 'the streams to be there')
    expect(streams.every(({ status }) => status === 'open')).toBe(true)
    const more = await open()
    await until(() => more.status !== 'open', 'the one too many to be closed')
    expect(peer.transport.limits()['maxStreams']).toEqual({ limit: maxStreams, inUse: maxStreams, hits: 1 })
    expect(streams.every(({ status }) => status === 'open')).toBe(true)
    // Whoever closes some may open others.
    streams[0]!.abort(new Error('enough'))
    await until(() => peer.transport.limits()['maxStreams']?.inUse === maxStreams - 1, 'one to be gone')
    expect((await open()).status).toBe('open')
  })
})

describe('a peer', () => {
  it('connects so many and refuses one more, saying why', async () => {
    const peer = await startPeer({ transport: { maxPeers: 2 } })
    const others = await Promise.all([startPeer(), startPeer(), startPeer()])
    await others[0].transport.connect(peer.address, { timeoutMs })
    await others[1].transport.connect(peer.address, { timeoutMs })
    await expect(others[2].transport.connect(peer.address, { timeoutMs })).rejects.toMatchObject({
      failure: 'refused',
      refusal: { code: 'busy', reason: '2 peers are connected' }
    })
    expect(peer.transport.limits()['maxPeers']).toEqual({ limit: 2, inUse: 2, hits: 1 })
    await others[0].stop()
    await until(() => peer.transport.limits()['maxPeers']?.inUse === 1, 'one to be gone')
    await others[2].transport.connect(peer.address, { timeoutMs })
  })

  it('shows in the status how its limits stand', async () => {
    const { peers } = await startCluster(2, () => ({ maxDiskBytes: 5_000_000 }))
    await peers[0]!.put('key', new Uint8Array(1_000))
    const { members } = await peers[1]!.status()
    for (const { limits, bytes } of members) {
      expect(limits).toMatchObject({
        maxPeers: { limit: 4_096, inUse: 1, hits: 0 },
        maxServed: { limit: 8_192, hits: 0 },
        maxMembers: { limit: 1_000, inUse: 2, hits: 0 },
        maxReplicas: { limit: 15, inUse: 3, hits: 0 },
        maxDiskBytes: { limit: 5_000_000, inUse: bytes, hits: 0 }
      })
      expect(JSON.stringify(limits).length).toBeLessThan(2_000)
    }
  })
})
