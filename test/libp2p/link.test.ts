/** What a link does while it opens a channel and the other end opens one too. */
import type { Connection, Stream } from '@libp2p/interface'
import { describe, expect, it } from 'vitest'
import type { Greeting, TransportHandlers } from '../../src/core/ports.ts'
import { notDelivered } from '../../src/libp2p/calls.ts'
import { Deadlines } from '../../src/libp2p/deadlines.ts'
import type { Dialer, OpenedStream } from '../../src/libp2p/dialer.ts'
import { noBytes } from '../../src/libp2p/frame.ts'
import type { FramedStream, StreamListener } from '../../src/libp2p/framed-stream.ts'
import { encodeHello } from '../../src/libp2p/hello.ts'
import { LimitHits } from '../../src/libp2p/limit-hits.ts'
import { Link } from '../../src/libp2p/link.ts'
import { sharedWorkLimit } from '../../src/libp2p/work.ts'
import { remoteOf } from '../core/requests/fakes.ts'

const remote = remoteOf('b')
const greeting: Greeting = remoteOf('a')
const hello = { remote, lane: 'main', instance: '01', address: noBytes, software: '' } as const
// Nothing is asked of a connection here.
const connection = {} as unknown as Connection

/** A stream that the other end opened; `end` closes it. */
function incoming() {
  let listener: StreamListener | undefined
  const stream = {
    isWritable: true,
    sendMessage: () => undefined,
    listen: (given: StreamListener) => (listener = given)
  }
  return { stream: stream as unknown as FramedStream, end: () => listener?.closed('it is gone') }
}

/** A stream that this end opens, on which the other end greets back at once. */
function outgoing(): FramedStream {
  let hasGreeted = false
  const stream = {
    isWritable: true,
    sendMessage: () => undefined,
    listen: (listener?: StreamListener) => {
      if (hasGreeted) return
      hasGreeted = true
      const introduction = { ...hello, greeting: remote, instance: new Uint8Array(8).fill(1) }
      queueMicrotask(() => listener?.message(encodeHello(introduction)))
    }
  }
  return stream as unknown as FramedStream
}

/** A link whose dial ends as the test says. */
function make() {
  const dial = Promise.withResolvers<OpenedStream>()
  const deadlines = new Deadlines()
  const link = new Link(
    {
      self: 'self',
      dialer: { open: () => dial.promise } as unknown as Dialer,
      deadlines,
      workLimit: sharedWorkLimit(),
      hits: new LimitHits(),
      handlers: { admit: () => undefined, greeting: () => greeting } as unknown as TransportHandlers,
      introduce: lane =>
        Promise.resolve({ greeting, lane, instance: new Uint8Array(8), address: noBytes, software: '' }),
      frame: outgoing,
      learn: () => undefined
    },
    {
      peerId: remote.peerId,
      connected: () => undefined,
      disconnected: () => undefined,
      idle: () => undefined
    }
  )
  return { link, dial, deadlines }
}

/** A link that still dials, and in the meantime had a channel that the other end opened. */
async function answeredAndLost() {
  const made = make()
  const first = made.link.open('main')
  const { stream, end } = incoming()
  await made.link.accept(stream, connection, hello)
  await first
  end()
  return made
}

describe('whoever waits for a channel', () => {
  it('gets the one that the other end opens meanwhile', async () => {
    const { link, deadlines } = make()
    const waiting = link.open('main')
    await link.accept(incoming().stream, connection, hello)
    expect((await waiting).direction).toBe('inbound')
    deadlines.stop()
  })

  it('waits for what the dial comes to where that one has closed since', async () => {
    const { link, dial, deadlines } = await answeredAndLost()
    const second = link.open('main')
    dial.reject(notDelivered('unreachable', 'nobody listens there'))
    await expect(second).rejects.toThrow('nobody listens there')
    deadlines.stop()
  })

  it('gets the channel that the dial opens where the other one has closed since', async () => {
    const { link, dial, deadlines } = await answeredAndLost()
    const second = link.open('main')
    dial.resolve({ stream: {} as unknown as Stream, connection })
    expect((await second).direction).toBe('outbound')
    deadlines.stop()
  })

  it('is missed by nobody where nobody comes any more', async () => {
    const { link, dial, deadlines } = await answeredAndLost()
    dial.reject(notDelivered('unreachable', 'nobody listens there'))
    await new Promise(setImmediate)
    await expect(link.open('main')).rejects.toThrow('nobody listens there')
    deadlines.stop()
  })
})
