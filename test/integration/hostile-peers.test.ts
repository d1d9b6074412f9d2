import type { Stream } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import type { CancelSignal } from '../../src/core/canceller.ts'
import { frameKind, noBytes, writeFrame } from '../../src/libp2p/frame.ts'
import { encodeHello, type Introduction } from '../../src/libp2p/hello.ts'
import { newInstance } from '../../src/libp2p/ids.ts'
import { greetingTimeoutMs, maxHelloBytes } from '../../src/libp2p/limits.ts'
import {
  newLife,
  startPair,
  startPeer,
  stopAll,
  type TestPeer,
  text,
  timeoutMs,
  until
} from './transports.ts'

afterEach(stopAll)

/** A stream of the protocol to a peer, by a node that has no transport of ours behind it. */
async function rawStream(to: TestPeer): Promise<Stream> {
  const { libp2p } = await startPeer({ role: 'client' })
  return libp2p.dialProtocol(multiaddr(to.address), '/annulus/1.0.0')
}

function prefixed(message: Uint8Array): Uint8Array {
  const length = message.length
  const prefix = length < 128 ? [length] : [(length & 0x7f) | 0x80, length >> 7]
  return Uint8Array.from([...prefix, ...message])
}

function hello(life = newLife()): Uint8Array {
  const introduction: Introduction = {
    greeting: { network: 'test', clusterId: '', generation: 0, role: 'peer', life, boot: 1, epoch: 0 },
    lane: 'main',
    instance: newInstance(),
    address: noBytes,
    software: 'raw'
  }
  return prefixed(encodeHello(introduction))
}

function request(id: number, body: Uint8Array): Uint8Array {
  const frame = { kind: frameKind.request, id, timeoutMs: 1_000, body, code: 0, reason: '' }
  const target = Buffer.alloc(body.length + 64)
  return prefixed(target.subarray(0, writeFrame(target, 0, frame)))
}

describe('a stream', () => {
  let peer: TestPeer
  let neighbour: TestPeer

  beforeEach(async () => {
    const unhandled: unknown[] = []
    const note = (error: unknown): void => void unhandled.push(error)
    process.on('unhandledRejection', note)
    process.on('uncaughtExceptionMonitor', note)
    onTestFinished(() => {
      process.off('unhandledRejection', note)
      process.off('uncaughtExceptionMonitor', note)
      expect(unhandled).toEqual([])
    })
    ;[peer, neighbour] = await startPair()
    await neighbour.transport.request(peer.id, text('before'), { timeoutMs })
  })

  async function expectOthersUnharmed(): Promise<void> {
    expect(neighbour.handlers.closed).toEqual([])
    expect(await neighbour.transport.request(peer.id, text('after'), { timeoutMs })).toEqual(text('after'))
  }

  it.each([
    ['another protocol', () => [text('GET / HTTP/1.1\r\n'.repeat(10))]],
    ['a length over the limit', () => [Uint8Array.of(0xff, 0xff, 0xff, 0x7f)]],
    ['a length that does not end', () => [Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0xff, 0xff)]],
    ['a padded length', () => [Uint8Array.of(0x85, 0x00)]],
    ['an empty message', () => [Uint8Array.of(0)]],
    ['a greeting that is none', () => [prefixed(new Uint8Array(16_000).fill(0x42))]],
    ['a greeting with the life of nobody', () => [hello('xyz')]],
    ['a greeting and then nonsense', () => [hello(), prefixed(new Uint8Array(200).fill(0xff))]],
    ['a frame of an unknown kind', () => [hello(), prefixed(Uint8Array.of(0x08, 0x77))]],
    ['a frame cut short', () => [hello(), prefixed(Uint8Array.of(0x08, 0x01, 0x22, 0x50, 0x01))]],
    ['a second greeting', () => [hello(), hello()]]
  ])('that brings %s is closed, and others are unharmed', async (_, chunks) => {
    const stream = await rawStream(peer)
    for (const chunk of chunks()) stream.send(chunk)
    await until(
      () => stream.status !== 'open' || stream.remoteWriteStatus === 'closed',
      'the stream to close'
    )
    await until(() => peer.transport.remotes().length === 1, 'the channel to close')
    await expectOthersUnharmed()
  })

  it('that brings a greeting over the limit is closed before it is whole, and counted', async () => {
    const stream = await rawStream(peer)
    const length = maxHelloBytes + 1
    stream.send(Uint8Array.of((length & 0x7f) | 0x80, ((length >> 7) & 0x7f) | 0x80, length >> 14))
    await until(() => stream.status !== 'open', 'the stream to close')
    expect(peer.transport.limits()['maxHelloBytes']).toEqual({ limit: maxHelloBytes, inUse: null, hits: 1 })
    await expectOthersUnharmed()
  })

  it('that uses the id of a request in flight again is closed', async () => {
    peer.handlers.answer = () => new Promise(() => undefined)
    const stream = await rawStream(peer)
    stream.send(hello())
    stream.send(request(7, text('one')))
    stream.send(request(7, text('two')))
    await until(() => stream.status !== 'open', 'the stream to close')
    peer.handlers.answer = body => Promise.resolve(body)
    await expectOthersUnharmed()
  })

  it('that is opened and left is closed after the time for a greeting', async () => {
    const stream = await rawStream(peer)
    await new Promise<void>(resolve => stream.addEventListener('close', () => resolve()))
    const open = stream.timeline.close! - stream.timeline.open
    expect(open).toBeGreaterThan(greetingTimeoutMs - 100)
    await expectOthersUnharmed()
  })

  it('that brings its greeting a byte a second is closed after the time for a greeting', async () => {
    const stream = await rawStream(peer)
    const bytes = hello()
    let sent = 0
    const drip = setInterval(() => stream.send(bytes.subarray(sent, ++sent)), 1_000)
    try {
      await new Promise<void>(resolve => stream.addEventListener('close', () => resolve()))
    } finally {
      clearInterval(drip)
    }
    expect(sent).toBeLessThan(bytes.length)
    expect(peer.transport.remotes()).toHaveLength(1)
    await expectOthersUnharmed()
  })

  it('that greets slowly, a byte at a time, is served once the greeting is whole', async () => {
    const stream = await rawStream(peer)
    const received: number[] = []
    stream.addEventListener('message', ({ data }) => received.push(data.byteLength))
    for (const byte of hello()) {
      stream.send(Uint8Array.of(byte))
      await new Promise(resolve => setImmediate(resolve))
    }
    await until(() => peer.transport.remotes().length === 2, 'the greeting')
    await until(() => received.length > 0, 'the answer')
    await expectOthersUnharmed()
  })

  it('may bring requests right behind its greeting', async () => {
    const bodies: string[] = []
    peer.handlers.answer = body => {
      bodies.push(Buffer.from(body).toString())
      return Promise.resolve(body)
    }
    const stream = await rawStream(peer)
    stream.send(Buffer.concat([hello(), request(1, text('first')), request(2, text('second'))]))
    await until(() => bodies.length === 2, 'the requests')
    expect(bodies).toEqual(['first', 'second'])
  })

  it('that the other end half-closes is closed as a whole', async () => {
    const stream = await rawStream(peer)
    stream.send(hello())
    await until(() => peer.transport.remotes().length === 2, 'the greeting')
    await stream.close()
    await until(() => peer.transport.remotes().length === 1, 'the channel to close')
    await until(() => stream.status === 'closed', 'the stream to close')
    await expectOthersUnharmed()
  })

  it('whose reader is gone takes none of the requests in work with it', async () => {
    const stream = await rawStream(peer)
    const signals: CancelSignal[] = []
    peer.handlers.answer = (_, context) => {
      signals.push(context.signal)
      return new Promise(() => undefined)
    }
    stream.send(Buffer.concat([hello(), request(1, text('?'))]))
    await until(() => signals.length === 1, 'the request')
    stream.abort(new Error('gone'))
    await until(() => signals[0]!.aborted, 'the abort of the handler')
    peer.handlers.answer = body => Promise.resolve(body)
    await expectOthersUnharmed()
  })
})

describe('a copied data folder', () => {
  it('is refused while the process that it was copied from answers, and told where that is', async () => {
    const peer = await startPeer()
    const original = await startPeer()
    await original.transport.connect(peer.address, { timeoutMs })
    const copy = await startPeer({ privateKey: original.privateKey, life: original.handlers.life })
    const where = peer.libp2p.getConnections()[0]!.remoteAddr.toString()
    await expect(copy.transport.connect(peer.address, { timeoutMs })).rejects.toMatchObject({
      failure: 'refused',
      refusal: { code: 'duplicate', reason: expect.stringContaining(where) as string }
    })
    expect(peer.handlers.opened).toHaveLength(1)
    expect(await peer.transport.request(original.id, text('still'), { timeoutMs })).toEqual(text('still'))
  })

  it('takes the place of a process that has stopped answering', async () => {
    const peer = await startPeer()
    const life = newLife()
    const silent = await startPeer({ life })
    // A greeting, and then nothing: as of a host that has lost its power.
    const stream = await silent.libp2p.dialProtocol(multiaddr(peer.address), '/annulus/1.0.0')
    stream.send(hello(life))
    await until(() => peer.handlers.opened.length === 1, 'the first greeting')
    const next = await startPeer({ privateKey: silent.privateKey, life })
    await next.transport.connect(peer.address, { timeoutMs })
    expect(peer.handlers.opened).toHaveLength(2)
    expect(peer.handlers.closed).toHaveLength(1)
    expect(await peer.transport.request(next.id, text('next'), { timeoutMs })).toEqual(text('next'))
  })
})
