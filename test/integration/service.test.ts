import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { identify } from '@libp2p/identify'
import { tcp } from '@libp2p/tcp'
import { createLibp2p } from 'libp2p'
import { describe, expect, it, onTestFinished } from 'vitest'
import { annulus } from '../../src/index.ts'
import { addressOf, bytes, errorOf, startClient, startPeer, temporaryFolder, text, vnodes } from './peers.ts'

/** What a user's own node looks like, but for its services. */
const nodeInit = () => ({
  start: false,
  addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
  transports: [tcp()],
  connectionEncrypters: [noise()],
  streamMuxers: [yamux()]
})

describe('annulus as a service of a libp2p node', () => {
  it('is a peer like any other, from the start of the node to its stop', async () => {
    const first = await startPeer()
    await first.ready()
    const node = await createLibp2p({
      ...nodeInit(),
      services: { identify: identify(), store: annulus({ vnodes, join: [addressOf(first)] }) }
    })
    onTestFinished(async () => node.stop())
    const { store } = node.services
    const events: string[] = []
    store.on('ready', ({ peerId }) => events.push(peerId))
    await errorOf('ERR_STOPPED', () => store.get('k'))
    expect(store.multiaddrs).toEqual([])

    await node.start()
    await store.ready()
    expect(events).toEqual([node.peerId.toString()])
    expect(store.peerId).toBe(node.peerId.toString())
    expect(store.multiaddrs).toEqual(node.getMultiaddrs().map(String))
    await store.put('k', bytes('v'))
    expect(text((await first.get('k'))?.value)).toBe('v')
    expect(await store.locate('k')).toEqual(await first.locate('k'))
    expect(await store.members()).toHaveLength(2)
    expect((await store.status()).members).toHaveLength(2)
    const keys: string[] = []
    for await (const key of store.keys()) keys.push(text(key)!)
    expect(keys).toEqual(['k'])
    const client = await startClient({ peers: store.multiaddrs })
    expect(text((await client.get('k'))?.value)).toBe('v')

    await store.leave()
    expect(await first.members()).toHaveLength(1)
    expect(text((await first.get('k'))?.value)).toBe('v')
    expect(node.status).toBe('started')
    await node.stop()
    await errorOf('ERR_STOPPED', () => store.get('k'))
  })

  it('shares a node with another one of another protocol prefix', async () => {
    const make = async (join?: { a: string[]; b: string[] }) => {
      const node = await createLibp2p({
        ...nodeInit(),
        services: {
          identify: identify(),
          a: annulus({ vnodes, network: 'a', protocolPrefix: '/a', logPrefix: 'a', join: join?.a ?? [] }),
          b: annulus({ vnodes, network: 'b', protocolPrefix: '/b', logPrefix: 'b', join: join?.b ?? [] })
        }
      })
      onTestFinished(async () => node.stop())
      await node.start()
      await Promise.all([node.services.a.ready(), node.services.b.ready()])
      return node.services
    }
    const first = await make()
    const second = await make({ a: first.a.multiaddrs, b: first.b.multiaddrs })
    await first.a.put('k', bytes('of a'))
    await second.b.put('k', bytes('of b'))
    expect(text((await second.a.get('k'))?.value)).toBe('of a')
    expect(text((await first.b.get('k'))?.value)).toBe('of b')
    await first.a.stop()
    expect(text((await second.b.get('k'))?.value)).toBe('of b')
  })

  it('keeps its data and its listeners when the node starts again, and its folder from other peers', async () => {
    const data = await temporaryFolder()
    const node = await createLibp2p({
      ...nodeInit(),
      services: { identify: identify(), store: annulus({ vnodes, data }) }
    })
    const { store } = node.services
    let readies = 0
    store.on('ready', () => readies++)
    for (const value of ['first', 'second']) {
      await node.start()
      await store.ready()
      if (value === 'second') expect(text((await store.get('k'))?.value)).toBe('first')
      await store.put('k', bytes(value))
      await node.stop()
    }
    expect(readies).toBe(2)

    const other = await createLibp2p({
      ...nodeInit(),
      services: { identify: identify(), store: annulus({ vnodes, data }) }
    })
    const error = await errorOf('ERR_STORE', async () => other.start())
    expect(error.message).toContain(node.peerId.toString())
    await other.stop()
  })

  it('refuses settings that are wrong when it is made', async () => {
    await errorOf('ERR_INVALID', async () => Promise.resolve(annulus({ replicas: 99 })))
  })
})
