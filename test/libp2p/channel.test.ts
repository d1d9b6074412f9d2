/** A channel whose other end asks and reads nothing. */
import type { Connection } from '@libp2p/interface'
import { expect, it } from 'vitest'
import { Channel } from '../../src/libp2p/channel.ts'
import { Deadlines } from '../../src/libp2p/deadlines.ts'
import { frameKind, MalformedError, noBytes, writeFrame } from '../../src/libp2p/frame.ts'
import type { FramedStream } from '../../src/libp2p/framed-stream.ts'
import { LimitHits } from '../../src/libp2p/limit-hits.ts'
import { maxQueuedFrames } from '../../src/libp2p/limits.ts'
import { sharedWorkLimit } from '../../src/libp2p/work.ts'
import { remoteOf } from '../core/requests/fakes.ts'

function ping(id: number): Uint8Array {
  const target = Buffer.alloc(64)
  const frame = { kind: frameKind.ping, id, timeoutMs: 0, body: noBytes, code: 0, reason: '' }
  return target.subarray(0, writeFrame(target, 0, frame))
}

it('is closed where more frames wait for it than may', () => {
  const hits = new LimitHits()
  // A stream that takes nothing; of a stream and a connection, no more is used here.
  const stream = { isWritable: false } as unknown as FramedStream
  const channel = new Channel(
    {
      stream,
      connection: {} as unknown as Connection,
      deadlines: new Deadlines(),
      workLimit: sharedWorkLimit(),
      hits
    },
    {
      remote: remoteOf('b'),
      instance: '',
      lane: 'main',
      direction: 'inbound',
      isCurrent: () => true,
      serve: () => Promise.resolve(noBytes),
      retired: () => undefined,
      closed: () => undefined
    }
  )
  for (let id = 1; id <= maxQueuedFrames; id++) channel.message(ping(id))
  expect([channel.load.queuedFrames, hits.of('maxQueuedFrames')]).toEqual([maxQueuedFrames, 0])
  expect(() => channel.message(ping(maxQueuedFrames + 1))).toThrow(MalformedError)
  expect(hits.of('maxQueuedFrames')).toBe(1)
  channel.closed('the test is over')
})
