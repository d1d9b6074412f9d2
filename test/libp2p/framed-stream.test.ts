/** What a stream keeps for a listener that has not come yet. */
import type { Stream } from '@libp2p/interface'
import { expect, it } from 'vitest'
import { Deadlines } from '../../src/libp2p/deadlines.ts'
import { FramedStream } from '../../src/libp2p/framed-stream.ts'
import { maxHeldBytes } from '../../src/libp2p/limits.ts'

/** A stream to which nobody listens, and what becomes of it as chunks of so many bytes arrive. */
function make(chunkBytes: number) {
  const events = new EventTarget()
  let abortedAt: number | undefined
  let received = 0
  // Of a stream, no more is used here.
  const stream = Object.assign(events, {
    status: 'open',
    abort: () => (abortedAt ??= received)
  }) as unknown as Stream
  const wrong: string[] = []
  const deadlines = new Deadlines()
  const framed = new FramedStream({ stream, deadlines, malformed: ({ message }) => wrong.push(message) })
  const receive = (): void => {
    received++
    events.dispatchEvent(Object.assign(new Event('message'), { data: new Uint8Array(chunkBytes) }))
  }
  return { framed, receive, wrong, abortedAt: () => abortedAt }
}

it.each([
  ['large', 64 * 1024, 64 * 1024],
  ['tiny', 1, 128]
])('a stream is ended that brings too much in %s chunks before anybody listens', (_size, bytes, cost) => {
  const { framed, receive, wrong, abortedAt } = make(bytes)
  const most = Math.floor(maxHeldBytes / cost)
  for (let count = 0; count < most / 2; count++) receive()
  expect([framed.isOpen, wrong]).toEqual([true, []])
  for (let count = 0; count < most; count++) receive()
  expect(abortedAt()).toBeLessThanOrEqual(most + 1)
  expect([framed.isOpen, wrong]).toEqual([false, ['it sent too much before it was answered']])
})
