import { afterEach, describe, expect, it } from 'vitest'
import type { CancelSignal } from '../../src/core/canceller.ts'
import { maxMessageBytes } from '../../src/core/limits.ts'
import { ServeError, TransportError, type ServeContext } from '../../src/core/ports.ts'
import { introduce, newLife, startPair, startPeer, stopAll, text, timeoutMs, until } from './transports.ts'

afterEach(stopAll)

describe('a request', () => {
  it('reaches a peer whose address was learnt, and brings its answer', async () => {
    const [a, b] = await startPair()
    b.handlers.answer = (body, context) => {
      expect(context.from.peerId).toBe(a.transport.peerId)
      expect(context.from.life).toBe(a.handlers.life)
      expect(context.timeoutMs).toBeGreaterThan(timeoutMs - 2_000)
      return Promise.resolve(text(`${Buffer.from(body).toString()}!`))
    }
    const answer = await a.transport.request(b.id, text('hello'), { timeoutMs })
    expect(Buffer.from(answer).toString()).toBe('hello!')
  })

  it('finds its own answer among a thousand in flight', async () => {
    const [a, b] = await startPair()
    let together = 0
    const release = Promise.withResolvers<undefined>()
    b.handlers.answer = async body => {
      together += 1
      if (together === 1_000) release.resolve(undefined)
      await release.promise
      return body
    }
    const answers = await Promise.all(
      Array.from({ length: 1_000 }, (_, n) => a.transport.request(b.id, text(String(n)), { timeoutMs }))
    )
    expect(answers.map(answer => Buffer.from(answer).toString())).toEqual(
      Array.from({ length: 1_000 }, (_, n) => String(n))
    )
    expect(b.libp2p.getConnections().flatMap(one => one.streams.filter(isOurs))).toHaveLength(1)
  })

  it('carries the largest message both ways, and none larger', async () => {
    const [a, b] = await startPair()
    const largest = new Uint8Array(maxMessageBytes - 64).fill(7)
    const answer = await a.transport.request(b.id, largest, { timeoutMs })
    expect(Buffer.compare(answer, largest)).toBe(0)
    await expect(
      a.transport.request(b.id, new Uint8Array(maxMessageBytes), { timeoutMs })
    ).rejects.toMatchObject({ failure: 'bad-request', delivered: false })
    b.handlers.answer = () => Promise.resolve(new Uint8Array(maxMessageBytes))
    await expect(a.transport.request(b.id, text('?'), { timeoutMs })).rejects.toMatchObject({
      failure: 'internal',
      delivered: true
    })
  })

  it.each([
    ['overloaded', false],
    ['bad-request', false],
    ['not-ready', false],
    ['internal', true]
  ] as const)('fails with %s where the handler says so', async (code, delivered) => {
    const [a, b] = await startPair()
    b.handlers.answer = () => Promise.reject(new ServeError(code, 'because'))
    await expect(a.transport.request(b.id, text('?'), { timeoutMs })).rejects.toMatchObject({
      failure: code,
      delivered,
      message: expect.stringContaining('because') as string
    })
  })

  it('that times out is cancelled at the other end, and its late answer harms nobody', async () => {
    const [a, b] = await startPair()
    const contexts: ServeContext[] = []
    const late = Promise.withResolvers<Uint8Array>()
    await a.transport.request(b.id, text('open the channel'), { timeoutMs })
    b.handlers.answer = (_, context) => {
      contexts.push(context)
      return late.promise
    }
    await expect(a.transport.request(b.id, text('slow'), { timeoutMs: 60 })).rejects.toMatchObject({
      failure: 'timeout',
      delivered: true
    })
    await until(() => contexts[0]!.signal.aborted, 'the abort of the handler')
    late.resolve(text('late'))
    b.handlers.answer = body => Promise.resolve(body)
    expect(await a.transport.request(b.id, text('next'), { timeoutMs })).toEqual(text('next'))
  })

  it('that the caller aborts is cancelled at the other end', async () => {
    const [a, b] = await startPair()
    const seen = Promise.withResolvers<CancelSignal>()
    b.handlers.answer = (_, context) => {
      seen.resolve(context.signal)
      return new Promise(() => undefined)
    }
    const controller = new AbortController()
    // A deadline far away: the abort must come from the caller's cancelling.
    const options = { timeoutMs: 60_000, signal: controller.signal }
    const request = a.transport.request(b.id, text('?'), options)
    const failed = expect(request).rejects.toMatchObject({ failure: 'aborted', delivered: true })
    const signal = await seen.promise
    expect(signal.aborted).toBe(false)
    controller.abort()
    await failed
    await until(() => signal.aborted, 'the abort of the handler')
  })

  it('whose signal is aborted before it begins is not delivered', async () => {
    const [a, b] = await startPair()
    await a.transport.request(b.id, text('open the channel'), { timeoutMs })
    await expect(
      a.transport.request(b.id, text('?'), { timeoutMs, signal: AbortSignal.abort() })
    ).rejects.toMatchObject({ failure: 'aborted', delivered: false })
  })

  it('never reaches another life of the peer', async () => {
    const [a, b] = await startPair()
    let served = 0
    b.handlers.answer = body => {
      served += 1
      return Promise.resolve(body)
    }
    const other = { peerId: b.id.peerId, life: newLife() }
    const failure = { failure: 'other-life', delivered: false }
    await expect(a.transport.request(other, text('?'), { timeoutMs })).rejects.toMatchObject(failure)
    await expect(a.transport.request(other, text('?'), { timeoutMs })).rejects.toMatchObject(failure)
    expect(served).toBe(0)
  })

  it('reaches the new life that a process has taken up, and no longer the old one', async () => {
    const [a, b] = await startPair()
    const before = b.id
    await a.transport.request(before, text('?'), { timeoutMs })
    b.handlers.life = newLife()
    await expect(a.transport.request(before, text('?'), { timeoutMs })).rejects.toMatchObject({
      failure: 'not-ready',
      delivered: false
    })
    await until(() => a.handlers.closed.length === 1, 'the channel of the old life to close')
    expect(await a.transport.request(b.id, text('new'), { timeoutMs })).toEqual(text('new'))
    await expect(a.transport.request(before, text('?'), { timeoutMs })).rejects.toMatchObject({
      failure: 'other-life'
    })
  })

  it('for the new life makes the channel of the old one close, though nobody asks the old one', async () => {
    const [a, b] = await startPair()
    await a.transport.request(b.id, text('?'), { timeoutMs })
    b.handlers.life = newLife()
    await expect(a.transport.request(b.id, text('?'), { timeoutMs })).rejects.toMatchObject({
      failure: 'other-life'
    })
    await until(() => a.handlers.closed.length === 1, 'the channel of the old life to close')
    expect(await a.transport.request(b.id, text('new'), { timeoutMs })).toEqual(text('new'))
  })
})

describe('a channel', () => {
  it('is opened once for many requests to a peer that is not connected', async () => {
    const [a, b] = await startPair()
    const requests = Array.from({ length: 50 }, () => a.transport.request(b.id, text('?'), { timeoutMs }))
    await Promise.all(requests)
    expect(a.libp2p.getConnections()).toHaveLength(1)
    expect(a.handlers.opened).toHaveLength(1)
    expect(b.handlers.opened).toHaveLength(1)
    expect(a.transport.remotes().map(remote => remote.peerId)).toEqual([b.id.peerId])
  })

  it('carries requests both ways', async () => {
    const [a, b] = await startPair()
    await a.transport.request(b.id, text('there'), { timeoutMs })
    expect(await b.transport.request(a.id, text('back'), { timeoutMs })).toEqual(text('back'))
    expect(a.handlers.opened).toHaveLength(1)
  })

  it('that both ends open at once is one in the end, and no request fails', async () => {
    const [a, b] = await startPair()
    for (let round = 0; round < 10; round++) {
      const requests = [a, b, a, b].map((from, index) =>
        from.transport.request((from === a ? b : a).id, text(`${round} ${index}`), { timeoutMs })
      )
      await Promise.all(requests)
      await until(() => countStreams(a) === 1 && countStreams(b) === 1, 'the other stream to close')
      expect(await a.transport.request(b.id, text('a'), { timeoutMs })).toEqual(text('a'))
      expect(await b.transport.request(a.id, text('b'), { timeoutMs })).toEqual(text('b'))
      a.transport.disconnect(b.id.peerId)
      await until(() => countStreams(a) + countStreams(b) === 0, 'the channel to close')
      // With the connections gone the next round dials twice, too.
      await Promise.all(a.libp2p.getConnections().map(connection => connection.close()))
      await until(
        () => a.libp2p.getConnections().length + b.libp2p.getConnections().length === 0,
        'no connection'
      )
    }
    expect(a.handlers.opened).toHaveLength(10)
    expect(a.handlers.closed).toHaveLength(10)
  })

  it('for bulk is another stream, so that a large transfer delays no other request', async () => {
    const [a, b] = await startPair()
    const large = new Uint8Array(4 * 1024 * 1024)
    await a.transport.request(b.id, text('open'), { timeoutMs })
    const order: string[] = []
    const transfer = a.transport
      .request(b.id, large, { timeoutMs, bulk: true })
      .then(() => order.push('bulk'))
    await until(() => countStreams(a) === 2, 'the second stream')
    await a.transport.request(b.id, text('small'), { timeoutMs }).then(() => order.push('main'))
    await transfer
    expect(order).toEqual(['main', 'bulk'])
    expect(a.handlers.opened).toHaveLength(1)
    expect(a.libp2p.getConnections()).toHaveLength(1)
  })

  it('closes with its process, fails what is in flight, and opens anew with the next one', async () => {
    const [a, b] = await startPair()
    let isBegun = false
    b.handlers.answer = () => {
      isBegun = true
      return new Promise(() => undefined)
    }
    const inFlight = a.transport.request(b.id, text('?'), { timeoutMs })
    const failed = expect(inFlight).rejects.toMatchObject({ failure: 'lost', delivered: true })
    await until(() => isBegun, 'the request to be begun')
    await b.stop()
    await failed
    expect(a.handlers.closed.map(remote => remote.peerId)).toEqual([b.id.peerId])
    expect(a.transport.remotes()).toEqual([])

    const again = await startPeer({ privateKey: b.privateKey, life: b.handlers.life })
    await introduce(again, a)
    expect(await a.transport.request(b.id, text('again'), { timeoutMs })).toEqual(text('again'))
  })

  it('that its other end closes as it stops leaves no request open that was not begun', async () => {
    const [a, b] = await startPair()
    let begun = 0
    b.handlers.answer = body => {
      begun++
      return Promise.resolve(body)
    }
    const outcomes: Array<Promise<unknown>> = []
    const stopping = new AbortController()
    const asking = (async () => {
      while (!stopping.signal.aborted) {
        const asked = a.transport.request(b.id, text('?'), { timeoutMs })
        outcomes.push(asked.then(() => 'answered').catch((error: unknown) => error))
        await new Promise(resolve => setImmediate(resolve))
      }
    })()
    await until(() => begun > 100, 'requests to be answered')
    await b.transport.stop()
    stopping.abort()
    await asking
    const ends = await Promise.all(outcomes)
    expect(ends.filter(end => end === 'answered')).toHaveLength(begun)
    const failures = ends.filter(end => end instanceof TransportError)
    expect(failures.filter(({ delivered }) => delivered)).toEqual([])
    expect(failures.some(({ failure }) => failure === 'not-ready')).toBe(true)
  })

  it('whose connection breaks fails what is in flight, and opens anew for the next request', async () => {
    const [a, b] = await startPair()
    b.handlers.answer = () => new Promise(() => undefined)
    const inFlight = a.transport.request(b.id, text('?'), { timeoutMs: 60_000 })
    const failed = expect(inFlight).rejects.toMatchObject({ failure: 'lost', delivered: true })
    await until(() => a.handlers.opened.length === 1, 'the channel')
    // The socket is destroyed without a word, as when the kernel cleans up behind a killed process.
    for (const connection of b.libp2p.getConnections()) connection.abort(new Error('killed'))
    await failed
    b.handlers.answer = body => Promise.resolve(body)
    expect(await a.transport.request(b.id, text('again'), { timeoutMs })).toEqual(text('again'))
    expect(a.handlers.closed).toHaveLength(1)
    expect(a.handlers.opened).toHaveLength(2)
  })

  it('to a client is used for requests to it, and never dialled', async () => {
    const peer = await startPeer()
    const client = await startPeer({ role: 'client' })
    const remote = await client.transport.connect(peer.address, { timeoutMs })
    expect(remote).toMatchObject({ ...peer.id, role: 'peer' })
    await until(() => peer.handlers.opened.length === 1, 'the greeting')
    expect(peer.handlers.opened[0]).toMatchObject({ role: 'client', life: '', peerId: client.id.peerId })
    expect(await peer.transport.request(client.id, text('you there?'), { timeoutMs })).toEqual(
      text('you there?')
    )
    client.transport.disconnect(peer.id.peerId)
    await until(() => peer.handlers.closed.length === 1, 'the channel to close')
    await expect(peer.transport.request(client.id, text('?'), { timeoutMs })).rejects.toMatchObject({
      failure: 'unreachable',
      delivered: false
    })
  })

  it('is not opened to a peer that refuses it, and the reason arrives', async () => {
    const [a, b] = await startPair()
    b.handlers.refusal = { code: 'network', reason: 'this is the network "other"' }
    await expect(a.transport.connect(b.address, { timeoutMs })).rejects.toMatchObject({
      failure: 'refused',
      delivered: false,
      refusal: { code: 'network', reason: 'this is the network "other"' }
    })
    b.handlers.refusal = undefined
    a.handlers.refusal = { code: 'cluster', reason: 'another cluster' }
    await until(() => countStreams(a) === 0, 'the refused stream to close')
    await expect(a.transport.connect(b.address, { timeoutMs })).rejects.toMatchObject({
      refusal: { code: 'cluster' }
    })
  })

  it('is gone with its transport, and nothing works afterwards', async () => {
    const [a, b] = await startPair()
    await a.transport.request(b.id, text('?'), { timeoutMs })
    await a.transport.stop()
    await a.transport.stop()
    expect(a.transport.remotes()).toEqual([])
    await until(() => b.handlers.closed.length === 1, 'the other end to see it')
    await expect(a.transport.request(b.id, text('?'), { timeoutMs })).rejects.toMatchObject({
      failure: 'unreachable',
      delivered: false
    })
    await expect(a.transport.connect(b.address, { timeoutMs })).rejects.toMatchObject({
      failure: 'unreachable'
    })
  })
})

function isOurs(stream: { protocol: string }): boolean {
  return stream.protocol.startsWith('/annulus/')
}

function countStreams(peer: Awaited<ReturnType<typeof startPeer>>): number {
  return peer.libp2p.getConnections().flatMap(connection => connection.streams.filter(isOurs)).length
}
