/**
 * The same over the network: streams that greet as they should and then bring what nobody sends, to a peer that
 * serves an honest client meanwhile. Used by main.ts and live.test.ts.
 */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { generateKeyPair } from '@libp2p/crypto/keys'
import type { Stream } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import { maxMessageBytes } from '../../src/core/limits.ts'
import { createClient, createPeer, type Client, type Peer } from '../../src/index.ts'
import type { LaneName } from '../../src/libp2p/channel.ts'
import { frameKind, frameLength, noBytes, writeFrame } from '../../src/libp2p/frame.ts'
import { writeVarint } from '../../src/wire/varint.ts'
import { encodeHello } from '../../src/libp2p/hello.ts'
import { newInstance } from '../../src/libp2p/ids.ts'
import { MessageDecoder } from '../../src/libp2p/message-decoder.ts'
import { createNode, type Node } from '../../src/libp2p/node.ts'
import { wireFixtures, type ByKind } from '../fixtures/fixtures.ts'
import { SeededRandom } from '../simulation/random.ts'
import { mutate } from './mutate.ts'

/** Messages on one stream that brings whole frames, if it is not closed before: a twentieth of all, and no more than that. */
const mostPerStream = 4_000

/** The same where frames are broken too, which soon closes it. */
const brokenPerStream = 40

/** Streams of one that breaks frames, which are fewer than it may have. */
const brokenStreams = 6

/** Strangers at once; then others come. */
const strangersAtOnce = 4

/** Messages that are sent at once, so that most of the time goes into reading them. */
const burst = 32

/** Memory is looked at after so many messages: it takes a collection. */
const messagesPerLook = 10_000

/** Memory that may come and go once all is warm, in bytes. */
const toleratedBytes = 24 * 1024 * 1024

const bytesOf = (kinds: ByKind): Uint8Array[] =>
  Object.values(kinds).map(hex => new Uint8Array(Buffer.from(hex, 'hex')))
const { requests, frames, answers } = wireFixtures('v1')
/** Peers believe each other: what of these stays well-formed does change who is on the ring, as it says. */
const believed = ['learn', 'petition']
const harmless = Object.fromEntries(Object.entries(requests).filter(([kind]) => !believed.includes(kind)))
const samples = { requests: bytesOf(harmless), frames: bytesOf(frames), answers: bytesOf(answers) }

export interface LiveInit {
  readonly seed: number
  /** How many messages to bring at least. */
  readonly messages: number
  readonly onProgress?: (result: LiveResult) => void
}

export interface LiveResult {
  readonly streams: number
  readonly messages: number
  /** What came back: answers, errors and what else the peer said. */
  readonly answers: number
  /** Memory in use after a tenth of the messages, and after all. */
  readonly heapBytes: readonly [warm: number, last: number]
}

/** Throws what an honest client fails with, what nobody caught, or that memory grew. */
export async function fuzzLive({ seed, messages, onProgress }: LiveInit): Promise<LiveResult> {
  const uncaught: unknown[] = []
  const note = (error: unknown): void => void uncaught.push(error)
  process.on('unhandledRejection', note)
  process.on('uncaughtException', note)
  const peer = await createPeer()
  await peer.ready()
  const client = await createClient({ peers: peer.multiaddrs })
  try {
    const random = new SeededRandom(seed)
    const brought: Brought = { streams: 0, messages: 0, answers: 0 }
    let lookAt = messages / 10
    let warm: number | undefined
    const perStream = Math.min(mostPerStream, Math.ceil(messages / 20))
    const look = (): LiveResult => {
      const last = usedBytes()
      lookAt = brought.messages + messagesPerLook
      warm ??= last
      if (last - warm > toleratedBytes) throw new Error(`memory grew from ${warm} to ${last} bytes`)
      return { ...brought, heapBytes: [warm, last] }
    }
    while (brought.messages < messages) {
      const { clusterId } = await peer.status()
      const strangers = Array.from({ length: strangersAtOnce }, (_, i) =>
        attack(peer, { random: random.fork(`stranger ${i}`), clusterId, brought, perStream })
      )
      await Promise.all(strangers)
      await expectServed(client, `value ${brought.messages}`)
      if (uncaught.length > 0) throw new Error('something was not caught', { cause: uncaught[0] })
      if (brought.messages >= lookAt) onProgress?.(look())
    }
    return look()
  } finally {
    await client.close()
    await peer.stop()
    process.off('unhandledRejection', note)
    process.off('uncaughtException', note)
  }
}

interface Brought {
  streams: number
  messages: number
  answers: number
}

/** What somebody else puts and gets while that goes on. */
async function expectServed(client: Client, text: string): Promise<void> {
  await client.put('key', Buffer.from(text))
  const found = await client.get('key')
  if (found === undefined || Buffer.from(found.value).toString() !== text)
    throw new Error('a put was not read')
}

interface Bringing {
  readonly random: SeededRandom
  readonly clusterId: string
  readonly brought: Brought
  readonly perStream: number
}

/**
 * Somebody comes: mostly as one process with a stream for each lane that brings whole frames, so that what is in them is
 * served; else as several that break frames, of which the peer tries whether one of them is gone.
 */
async function attack(peer: Peer, bringing: Bringing): Promise<void> {
  const { random, clusterId } = bringing
  const stranger = await createNode({ privateKey: await generateKeyPair('Ed25519') })
  await stranger.libp2p.start()
  try {
    if (random.chance(0.2)) {
      const lanes = Array.from({ length: brokenStreams }, () => random.pick(['main', 'bulk'] as const))
      const hellos = lanes.map(lane => hello(random, clusterId)(lane))
      const streams = hellos.map((greeting, i) =>
        bring(stranger, peer, { ...bringing, random: random.fork(`stream ${i}`), greeting, isBroken: true })
      )
      await Promise.all(streams)
      return
    }
    const greet = hello(random, clusterId)
    const streams = (['main', 'bulk'] as const).map(lane =>
      bring(stranger, peer, {
        ...bringing,
        random: random.fork(lane),
        greeting: greet(lane),
        isBroken: false
      })
    )
    await Promise.all(streams)
  } finally {
    await stranger.libp2p.stop()
  }
}

interface StreamInit extends Bringing {
  readonly greeting: Uint8Array
  readonly isBroken: boolean
}

async function bring(
  stranger: Node,
  peer: Peer,
  { random, brought, perStream, greeting, isBroken }: StreamInit
): Promise<void> {
  let stream: Stream
  try {
    stream = await stranger.libp2p.dialProtocol(multiaddr(peer.multiaddrs[0]), '/annulus/1.0.0')
  } catch {
    // The peer takes but so many at once.
    return
  }
  brought.streams += 1
  // What is not read would have the stream reset once its buffer is full.
  const decoder = new MessageDecoder()
  stream.addEventListener('message', ({ data }) => {
    for (const chunk of data instanceof Uint8Array ? [data] : data) {
      decoder.push(chunk)
      while (decoder.next(maxMessageBytes) !== undefined) brought.answers += 1
    }
  })
  stream.send(prefixed(greeting))
  const count = isBroken ? brokenPerStream : perStream
  for (let sent = 0; sent < count && stream.status === 'open';) {
    const size = isBroken ? 1 : burst
    const isWritable = stream.send(
      Buffer.concat(Array.from({ length: size }, () => message(random, isBroken)))
    )
    sent += size
    brought.messages += size
    // Broken ones come one by one, so that those before them are served.
    if (isBroken) await new Promise(resolve => setTimeout(resolve, random.integer(3)))
    else await new Promise(resolve => setImmediate(resolve))
    if (!isWritable) await writable(stream)
  }
  await stream.close().catch(() => undefined)
}

/** Resolves when it can be written to, or never will be. */
function writable(stream: Stream): Promise<void> {
  return new Promise(resolve => {
    if (stream.status !== 'open' || !stream.writableNeedsDrain) {
      resolve()
      return
    }
    stream.addEventListener('drain', () => resolve(), { once: true })
    stream.addEventListener('close', () => resolve(), { once: true })
  })
}

/** As a peer that asks to join would greet, or a client; by lane. */
function hello(random: SeededRandom, clusterId: string): (lane: LaneName) => Uint8Array {
  const isPeer = random.chance(0.6)
  const life = isPeer ? Buffer.from(random.bytes(8)).toString('hex') : ''
  const common = { network: 'annulus', clusterId, generation: 1, boot: 1, epoch: random.integer(3), life }
  const greeting = { ...common, role: isPeer ? ('peer' as const) : ('client' as const) }
  const instance = newInstance()
  return lane => encodeHello({ greeting, lane, instance, address: noBytes, software: 'fuzz' })
}

/** Mostly whole frames around a changed body, so that it gets far; where frames may be broken also such, or no message at all. */
function message(random: SeededRandom, isBroken: boolean): Uint8Array {
  const choice = random.integer(20)
  if (isBroken && choice === 0) return prefixed(mutate(random, samples.frames))
  if (isBroken && choice === 1) return mutate(random, samples.frames)
  const kind = choice === 2 ? frameKind.response : frameKind.request
  const body = mutate(random, kind === frameKind.request ? samples.requests : samples.answers)
  const frame = {
    kind,
    id: 1 + random.integer(2 ** 31),
    timeoutMs: random.integer(200),
    body,
    code: 0,
    reason: ''
  }
  const bytes = Buffer.alloc(frameLength(frame))
  writeFrame(bytes, 0, frame)
  return prefixed(bytes)
}

function prefixed(message: Uint8Array): Uint8Array {
  const prefix = new Uint8Array(5)
  return Buffer.concat([prefix.subarray(0, writeVarint(prefix, 0, message.length)), message])
}

/** After a collection, so that what is counted is what is kept. */
function usedBytes(): number {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void // what the flag is for
  collect()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}
