import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { generateKeyPair } from '@libp2p/crypto/keys'
import type { Stream } from '@libp2p/interface'
import { afterEach, describe, expect, it } from 'vitest'
import { TransportError } from '../../src/core/ports.ts'
import { noBytes } from '../../src/libp2p/frame.ts'
import { encodeHello } from '../../src/libp2p/hello.ts'
import { newInstance } from '../../src/libp2p/ids.ts'
import { maxInFlight, maxServedPerChannel } from '../../src/libp2p/limits.ts'
import { createNode } from '../../src/libp2p/node.ts'
import { newLife, startPair, startPeer, stopAll, text, timeoutMs, until } from './transports.ts'

const mebibyte = 1024 * 1024

setFlagsFromString('--expose-gc')
// The flag gives new contexts the function; there is no typed way to it.
const collectGarbage = runInNewContext('gc') as () => void

async function bytesInUse(): Promise<number> {
  // Twice, since the memory of buffers is given back some time after the objects.
  collectGarbage()
  await nextTurn()
  collectGarbage()
  const { arrayBuffers, heapUsed } = process.memoryUsage()
  return arrayBuffers + heapUsed
}

afterEach(stopAll)

/** A peer that greets back and then reads nothing more, on a real socket. */
async function startPausedReader(): Promise<{ address: string; life: string; stop: () => Promise<void> }> {
  const { libp2p } = await createNode({
    privateKey: await generateKeyPair('Ed25519'),
    listen: ['/ip4/127.0.0.1/tcp/0']
  })
  const life = newLife()
  const greeting = {
    network: '',
    clusterId: '',
    generation: 0,
    role: 'peer',
    life,
    boot: 1,
    epoch: 0
  } as const
  const hello = encodeHello({
    greeting,
    lane: 'main',
    instance: newInstance(),
    address: noBytes,
    software: ''
  })
  await libp2p.handle('/annulus/1.0.0', (stream: Stream) => {
    stream.addEventListener('message', () => undefined, { once: true })
    stream.send(Uint8Array.of(hello.length))
    stream.send(hello)
    stream.pause()
  })
  await libp2p.start()
  const address = libp2p.getMultiaddrs()[0]!.toString()
  return { address, life, stop: async () => libp2p.stop() }
}

describe('a sender', () => {
  it('grows by less than 32 MiB when it offers 1 GiB to a reader that has paused', async () => {
    const reader = await startPausedReader()
    const sender = await startPeer()
    const remote = await sender.transport.connect(reader.address, { timeoutMs })
    const before = await bytesInUse()
    const failures = new Map<string, number>()
    let most = 0
    for (let sent = 0; sent < 1024; sent++) {
      const body = new Uint8Array(mebibyte).fill(sent)
      sender.transport.request(remote, body, { timeoutMs: 30_000 }).catch((error: unknown) => {
        const name = error instanceof TransportError ? `${error.failure} ${error.delivered}` : String(error)
        failures.set(name, (failures.get(name) ?? 0) + 1)
      })
      await nextTurn()
      if (sent % 128 === 127) most = Math.max(most, (await bytesInUse()) - before)
    }
    expect(most).toBeLessThan(32 * mebibyte)
    expect([...failures.keys()]).toEqual(['overloaded false'])
    expect(failures.get('overloaded false')).toBeGreaterThan(1000)
    await reader.stop()
    await until(() => failures.size === 3, 'the rest to fail')
    expect([...failures.keys()].sort()).toEqual(['lost false', 'lost true', 'overloaded false'])
  })

  it('withdraws what it has not sent when its time is over', async () => {
    const reader = await startPausedReader()
    const sender = await startPeer()
    const remote = await sender.transport.connect(reader.address, { timeoutMs })
    const body = new Uint8Array(mebibyte)
    const results = await Promise.all(
      Array.from({ length: 6 }, () =>
        sender.transport.request(remote, body, { timeoutMs: 300 }).catch((error: unknown) => error)
      )
    )
    expect(results.map(error => (error as TransportError).failure)).toEqual(Array(6).fill('timeout'))
    const delivered = results.map(error => (error as TransportError).delivered)
    expect(delivered).toContain(true)
    expect(delivered.at(-1)).toBe(false)
    await reader.stop()
  })

  it('moves 256 MiB to a reader that keeps up, without a stall', { timeout: 120_000 }, async () => {
    const [a, b] = await startPair()
    b.handlers.answer = () => Promise.resolve(noBytes)
    const body = new Uint8Array(mebibyte)
    let left = 256
    await Promise.all(
      Array.from({ length: 4 }, async () => {
        while (left-- > 0) await a.transport.request(b.id, body, { timeoutMs: 30_000, bulk: true })
      })
    )
    expect(left).toBeLessThan(0)
  })

  it('writes all that waited once the stream takes more, though nothing new is asked', async () => {
    const [a, b] = await startPair()
    b.handlers.answer = body => Promise.resolve(body.subarray(0, 1))
    await a.transport.connect(b.address, { timeoutMs })
    const requests = Array.from({ length: 7 }, (_, n) =>
      a.transport.request(b.id, new Uint8Array(mebibyte).fill(n), { timeoutMs: 10_000 })
    )
    expect((await Promise.all(requests)).map(answer => answer[0])).toEqual([0, 1, 2, 3, 4, 5, 6])
  })

  it('has no more than so many requests in flight', async () => {
    const [a, b] = await startPair()
    b.handlers.answer = () => new Promise(() => undefined)
    await a.transport.connect(b.address, { timeoutMs })
    const failures: unknown[] = []
    for (let sent = 0; sent < maxInFlight + 5; sent++) {
      a.transport
        .request(b.id, noBytes, { timeoutMs: 30_000 })
        .catch((error: unknown) => failures.push((error as TransportError).failure))
    }
    await until(() => failures.length >= 5, 'the refusals')
    expect(failures.slice(0, 5)).toEqual(Array(5).fill('overloaded'))
  })
})

describe('a server', () => {
  it('answers overloaded at once when too many requests are in work, and goes on with those', async () => {
    const [a, b] = await startPair()
    const release = Promise.withResolvers<undefined>()
    b.handlers.answer = async body => {
      await release.promise
      return body
    }
    await a.transport.connect(b.address, { timeoutMs })
    const accepted = Array.from({ length: maxServedPerChannel }, () =>
      a.transport.request(b.id, text('in'), { timeoutMs: 20_000 })
    )
    await expect(a.transport.request(b.id, text('over'), { timeoutMs: 20_000 })).rejects.toMatchObject({
      failure: 'overloaded',
      delivered: false
    })
    release.resolve(undefined)
    expect(await Promise.all(accepted)).toHaveLength(maxServedPerChannel)
    expect(await a.transport.request(b.id, text('again'), { timeoutMs })).toEqual(text('again'))
  })

  it('answers overloaded when the requests in work are too large together', async () => {
    const [a, b] = await startPair()
    const release = Promise.withResolvers<undefined>()
    let inWork = 0
    b.handlers.answer = async () => {
      inWork += 1
      await release.promise
      return noBytes
    }
    await a.transport.connect(b.address, { timeoutMs })
    const large = new Uint8Array(4 * mebibyte)
    const accepted: Array<Promise<Uint8Array>> = []
    for (let count = 1; count <= 8; count++) {
      accepted.push(a.transport.request(b.id, large, { timeoutMs: 20_000 }))
      await until(() => inWork === count, 'the request to arrive')
    }
    await expect(a.transport.request(b.id, large, { timeoutMs: 20_000 })).rejects.toMatchObject({
      failure: 'overloaded'
    })
    release.resolve(undefined)
    await Promise.all(accepted)
  })
})
