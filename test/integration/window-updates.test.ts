import type { Stream } from '@libp2p/interface'
import { afterEach, describe, expect, it } from 'vitest'
import { startPair, stopAll, text, timeoutMs, until, type TestPeer } from './transports.ts'

afterEach(stopAll)

/** A stream of libp2p's Yamux: it has these of its own where window updates are held back. */
interface YamuxStream extends Stream {
  handleData(frame: { readonly header: { readonly length: number } }): void
  handleWindowUpdate(frame: unknown): void
}

function streamsOf({ libp2p }: TestPeer): YamuxStream[] {
  const streams = libp2p.getConnections().flatMap(connection => connection.streams)
  // This version of Yamux has these methods; where another one has not, the test is to fail.
  return streams.filter(({ protocol }) => protocol.startsWith('/annulus/')) as YamuxStream[]
}

/** How many window updates arrive on a stream from now on, and how many bytes of data. */
function countArrivals(stream: YamuxStream): { updates: number; bytes: number } {
  const arrived = { updates: 0, bytes: 0 }
  const [handleUpdate, handleData] = [stream.handleWindowUpdate.bind(stream), stream.handleData.bind(stream)]
  stream.handleWindowUpdate = frame => {
    arrived.updates++
    handleUpdate(frame)
  }
  stream.handleData = frame => {
    arrived.bytes += frame.header.length
    handleData(frame)
  }
  return arrived
}

describe('window updates', () => {
  it('are sent for half a window rather than for each message, by whoever opened the stream', async () => {
    const [a, b] = await startPair()
    await a.transport.request(b.id, text('?'), { timeoutMs })
    await until(() => streamsOf(b).length === 1, 'the stream at the other end')
    const [atA, atB] = [countArrivals(streamsOf(a)[0]!), countArrivals(streamsOf(b)[0]!)]
    const body = new Uint8Array(1_000)
    for (let i = 0; i < 400; i++) await a.transport.request(b.id, body, { timeoutMs })
    for (const { updates, bytes } of [atA, atB]) {
      expect(bytes).toBeGreaterThan(400_000)
      expect(updates).toBeGreaterThan(0)
      expect(updates).toBeLessThanOrEqual(Math.ceil(bytes / (128 * 1024)))
    }
  })
})
