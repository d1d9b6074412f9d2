import { createServer } from 'node:net'
import { generateKey } from '@libp2p/pnet'
import { afterEach, describe, expect, it } from 'vitest'
import { readRoles } from '../../src/access-lists.ts'
import { Access } from '../../src/core/access.ts'
import { createNode } from '../../src/libp2p/node.ts'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { introduce, startPair, startPeer, stopAll, text, timeoutMs } from './transports.ts'

afterEach(stopAll)

function networkKey(): Uint8Array {
  const key = new Uint8Array(95)
  generateKey(key)
  return key
}

describe('a peer that cannot be reached', () => {
  it('because nobody listens there, is reported as such', async () => {
    const [a, b] = await startPair()
    await b.stop()
    await expect(a.transport.request(b.id, text('?'), { timeoutMs })).rejects.toMatchObject({
      failure: 'unreachable',
      delivered: false,
      message: expect.stringContaining('connection refused') as string
    })
    await expect(a.transport.connect(b.address, { timeoutMs })).rejects.toMatchObject({
      failure: 'unreachable',
      message: expect.stringContaining('connection refused') as string
    })
  })

  it('because no address of it is known, is reported as such', async () => {
    const [a, b] = [await startPeer(), await startPeer()]
    await expect(a.transport.request(b.id, text('?'), { timeoutMs })).rejects.toMatchObject({
      failure: 'unreachable',
      message: expect.stringContaining('no address of it is known') as string
    })
  })

  it('is dialled once for a burst of requests, and again a moment later', async () => {
    const [a, b] = await startPair()
    await b.stop()
    const failures = await Promise.all(
      Array.from({ length: 20 }, () =>
        a.transport.request(b.id, text('?'), { timeoutMs }).catch((error: unknown) => error)
      )
    )
    expect(new Set(failures).size).toBe(1)
    const next = await a.transport.request(b.id, text('?'), { timeoutMs }).catch((error: unknown) => error)
    expect(next).toBe(failures[0])

    const again = await startPeer({ privateKey: b.privateKey, life: b.handlers.life })
    await introduce(again, a)
    await expect
      .poll(() => a.transport.request(b.id, text('?'), { timeoutMs }).catch(() => 'failed'))
      .toEqual(text('?'))
  })

  it.each([
    ['not a multiaddr', 'is not a multiaddr'],
    ['/ip4/127.0.0.1/tcp/1', 'connection refused'],
    ['/ip4/127.0.0.1/udp/1/quic-v1', 'no address']
  ])('at %s fails without a throw', async (address, reason) => {
    const a = await startPeer()
    await expect(a.transport.connect(address, { timeoutMs })).rejects.toMatchObject({
      failure: 'unreachable',
      delivered: false,
      message: expect.stringContaining(reason) as string
    })
  })

  it('because it is the caller itself, is reported as such', async () => {
    const a = await startPeer()
    await expect(a.transport.connect(a.address, { timeoutMs })).rejects.toMatchObject({
      failure: 'unreachable'
    })
    await expect(a.transport.request(a.id, text('?'), { timeoutMs })).rejects.toMatchObject({
      failure: 'unreachable',
      message: expect.stringContaining('this peer itself') as string
    })
  })

  it('because what listens there is silent, fails when the request’s time is over', async () => {
    const silent = createServer().listen(0, '127.0.0.1')
    await new Promise(resolve => silent.once('listening', resolve))
    const address = silent.address()
    if (address === null || typeof address === 'string') throw new Error('no port')
    try {
      const a = await startPeer()
      await expect(
        a.transport.connect(`/ip4/127.0.0.1/tcp/${address.port}`, { timeoutMs: 200 })
      ).rejects.toMatchObject({ failure: 'timeout', delivered: false })
    } finally {
      silent.close()
    }
  })
})

describe('a peer that never greets back', () => {
  it('is unreachable, and the connection to it is given up', async () => {
    const silent = await createNode({
      privateKey: await generateKeyPair('Ed25519'),
      listen: ['/ip4/127.0.0.1/tcp/0']
    })
    await silent.libp2p.handle('/annulus/1.0.0', () => undefined)
    await silent.libp2p.start()
    const a = await startPeer()
    const address = silent.libp2p.getMultiaddrs()[0]!.toString()
    await expect(a.transport.connect(address, { timeoutMs: 20_000 })).rejects.toMatchObject({
      failure: 'unreachable',
      delivered: false,
      message: expect.stringContaining('no greeting') as string
    })
    expect(a.libp2p.getConnections()).toEqual([])
    await silent.libp2p.stop()
  })

  it('is unreachable at once where it does not speak the protocol', async () => {
    const other = await createNode({
      privateKey: await generateKeyPair('Ed25519'),
      listen: ['/ip4/127.0.0.1/tcp/0']
    })
    await other.libp2p.start()
    const a = await startPeer()
    const address = other.libp2p.getMultiaddrs()[0]!.toString()
    await expect(a.transport.connect(address, { timeoutMs })).rejects.toMatchObject({
      failure: 'unreachable',
      message: expect.stringContaining('does not speak /annulus/1.0.0') as string
    })
    await other.libp2p.stop()
  })
})

describe('a private network', () => {
  it('connects nodes with the same key', async () => {
    const key = networkKey()
    const [a, b] = [await startPeer({ networkKey: key }), await startPeer({ networkKey: key })]
    await introduce(b, a)
    const large = new Uint8Array(4 * 1024 * 1024).fill(3)
    const answer = await a.transport.request(b.id, large, { timeoutMs })
    expect(Buffer.compare(answer, large)).toBe(0)
  })

  it.each([
    ['another key', networkKey()],
    ['no key', undefined]
  ])('is out of reach for a node with %s, which is told the likely cause', async (_, other) => {
    const a = await startPeer(other === undefined ? {} : { networkKey: other })
    const b = await startPeer({ networkKey: networkKey() })
    await introduce(b, a)
    await expect(a.transport.request(b.id, text('?'), { timeoutMs: 10_000 })).rejects.toMatchObject({
      failure: 'unreachable',
      delivered: false,
      message: expect.stringContaining('private network key') as string
    })
  })

  it('is not made with a malformed key', async () => {
    const privateKey = await generateKeyPair('Ed25519')
    await expect(createNode({ privateKey, networkKey: text('no key') })).rejects.toThrow()
  })
})

describe('an allow list', () => {
  it('lets in who is on it, and nobody else', async () => {
    const [friend, stranger] = [await startPeer(), await startPeer()]
    const guarded = await startPeer({
      access: new Access({ read: readRoles }, { allow: [friend.id.peerId] })
    })
    await friend.transport.connect(guarded.address, { timeoutMs })
    await expect(stranger.transport.connect(guarded.address, { timeoutMs })).rejects.toMatchObject({
      failure: 'unreachable',
      message: expect.stringContaining('allow list') as string
    })
    await introduce(stranger, guarded)
    await expect(guarded.transport.request(stranger.id, text('?'), { timeoutMs })).rejects.toMatchObject({
      failure: 'unreachable',
      message: expect.stringContaining('allow list') as string
    })
    expect(guarded.transport.remotes().map(remote => remote.peerId)).toEqual([friend.id.peerId])
  })
})
