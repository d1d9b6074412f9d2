/** The limits on what is served: of one channel, and of all channels together. */
import { describe, expect, it } from 'vitest'
import {
  maxQueuedReplyBytes,
  maxServed,
  maxServedBytes,
  maxServedBytesPerChannel,
  maxServedPerChannel
} from '../../src/libp2p/limits.ts'
import { Deadlines } from '../../src/libp2p/deadlines.ts'
import { frameKind, noBytes } from '../../src/libp2p/frame.ts'
import { LimitHits, type LimitName } from '../../src/libp2p/limit-hits.ts'
import type { Outbox, Outgoing } from '../../src/libp2p/outbox.ts'
import { sharedWorkLimit, Work, type WorkLimit } from '../../src/libp2p/work.ts'
import { remoteOf } from '../core/requests/fakes.ts'

interface Channel {
  readonly work: Work
  readonly answers: Outgoing[]
  readonly ask: (bytes?: number) => void
}

const hits = (): LimitHits => new LimitHits()

function channel(
  shared: WorkLimit,
  of: LimitHits,
  init: { queuedBytes?: number; answer?: Uint8Array } = {}
): Channel {
  const answers: Outgoing[] = []
  // Of an outbox, only these are used here.
  const outbox = {
    bytes: init.queuedBytes ?? 0,
    add: (one: Outgoing) => answers.push(one)
  } as unknown as Outbox
  const { answer } = init
  const work = new Work({
    from: remoteOf('b'),
    outbox,
    deadlines: new Deadlines(),
    maxMessageBytes: 2 ** 30,
    maxTimeoutMs: 60_000,
    shared,
    hits: of,
    serve: () => (answer === undefined ? new Promise(() => undefined) : Promise.resolve(answer))
  })
  let id = 0
  const ask = (bytes = 0): void => {
    // Only its length counts.
    const body = bytes === 0 ? noBytes : ({ length: bytes } as Uint8Array)
    work.begin({ kind: frameKind.request, id: ++id, timeoutMs: 60_000, body, code: 0, reason: '' })
  }
  return { work, answers, ask }
}

const codeOf = (answer: Outgoing | undefined): number | undefined => answer?.frame().code

describe('what is served at once', () => {
  it.each<[LimitName, number, number]>([
    ['maxServedPerChannel', maxServedPerChannel, 0],
    ['maxServedBytesPerChannel', 8, maxServedBytesPerChannel / 8]
  ])('for one peer is limited: %s', (name, count, bytes) => {
    const of = hits()
    const { ask, answers, work } = channel(sharedWorkLimit(), of)
    for (let i = 0; i < count; i++) ask(bytes)
    expect([answers.length, of.of(name)]).toEqual([0, 0])
    ask(1)
    expect([answers.length, codeOf(answers[0]), of.of(name)]).toEqual([1, 1, 1])
    expect(work.load.count).toBe(count)
  })

  it.each<[LimitName, number, number]>([
    ['maxServed', maxServed / maxServedPerChannel, 0],
    ['maxServedBytes', maxServedBytes / maxServedBytesPerChannel, maxServedBytesPerChannel / 8]
  ])('for all peers together is limited: %s', (name, channels, bytes) => {
    const of = hits()
    const shared = sharedWorkLimit()
    for (let i = 0; i < channels; i++) {
      const { ask, answers } = channel(shared, of)
      for (let n = 0; n < (bytes === 0 ? maxServedPerChannel : 8); n++) ask(bytes)
      expect(answers).toHaveLength(0)
    }
    // One alone always fits on a channel; all together are too many.
    const late = channel(shared, of)
    late.ask(1)
    expect([codeOf(late.answers[0]), of.of(name)]).toEqual([1, 1])
  })

  it('has answers replaced by a short error where too many wait to be read', async () => {
    const of = hits()
    const answer = new Uint8Array(2)
    const { ask, answers } = channel(sharedWorkLimit(), of, { queuedBytes: maxQueuedReplyBytes - 1, answer })
    ask()
    await new Promise(resolve => setImmediate(resolve))
    expect([codeOf(answers[0]), of.of('maxQueuedReplyBytes')]).toEqual([3, 1])
  })
})
