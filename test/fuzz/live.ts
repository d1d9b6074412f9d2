/**
 * The same over the network: streams that greet as they should and then bring what nobody sends, to a peer that
 * serves an honest client meanwhile. Used by main.ts and live.test.ts.
 */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { generateKeyPair } from '@libp2p/crypto/keys'
import type { Stream } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import { createClient, createPeer, type Client, type Peer } from '../../src/index.ts'
import { frameKind, frameLength, noBytes, writeFrame } from '../../src/libp2p/frame.ts'
import { writeVarint } from '../../src/wire/varint.ts'
import { encodeHello } from '../../src/libp2p/hello.ts'
import { newInstance } from '../../src/libp2p/ids.ts'
import { createNode, type Node } from '../../src/libp2p/node.ts'
import { wireFixtures, type ByKind } from '../fixtures/fixtures.ts'
import { SeededRandom } from '../simulation/random.ts'
import { mutate } from './mutate.ts'

/** Messages on one stream, if it is not closed before. */
const messagesPerStream = 40

/** Streams of one node, which are fewer than it may have; then another stranger comes. */
const streamsPerNode = 6

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
  readonly streams: number
  readonly onProgress?: (streams: number, heapBytes: number) => void
}

export interface LiveResult {
  readonly streams: number
  readonly messages: number
  /** Memory in use after a tenth of the streams, and after all. */
  readonly heapBytes: readonly [warm: number, last: number]
}

/** Throws what an honest client fails with, what nobody caught, or that memory grew. */
export async function fuzzLive({ seed, streams, onProgress }: LiveInit): Promise<LiveResult> {
  const uncaught: unknown[] = []
  const note = (error: unknown): void => void uncaught.push(error)
  process.on('unhandledRejection', note)
  process.on('uncaughtException', note)
  const peer = await createPeer()
  await peer.ready()
  const client = await createClient({ peers: peer.multiaddrs })
  try {
    const random = new SeededRandom(seed)
    const warmAt = Math.ceil(streams / 10)
    let warm = 0
    let messages = 0
    for (let done = 0; done < streams;) {
      const count = Math.min(streamsPerNode, streams - done, done < warmAt ? warmAt - done : streams)
      messages += await attack(peer, random, count)
      done += count
      await expectServed(client, `value ${done}`)
      if (uncaught.length > 0) throw new Error('something was not caught', { cause: uncaught[0] })
      const heapBytes = usedBytes()
      if (done === warmAt) warm = heapBytes
      onProgress?.(done, heapBytes)
    }
    const last = usedBytes()
    if (last - warm > toleratedBytes) throw new Error(`memory grew from ${warm} to ${last} bytes`)
    return { streams, messages, heapBytes: [warm, last] }
  } finally {
    await client.close()
    await peer.stop()
    process.off('unhandledRejection', note)
    process.off('uncaughtException', note)
  }
}

/** What somebody else puts and gets while that goes on. */
async function expectServed(client: Client, text: string): Promise<void> {
  await client.put('key', Buffer.from(text))
  const found = await client.get('key')
  if (found === undefined || Buffer.from(found.value).toString() !== text)
    throw new Error('a put was not read')
}

/** One stranger opens streams to the peer, a few at a time. Gives how many messages they brought. */
async function attack(peer: Peer, random: SeededRandom, streams: number): Promise<number> {
  const stranger = await createNode({ privateKey: await generateKeyPair('Ed25519') })
  await stranger.libp2p.start()
  try {
    const { clusterId } = await peer.status()
    const brought = Array.from({ length: streams }, (_, i) =>
      bring(stranger, peer, { random: random.fork(`stream ${i}`), clusterId })
    )
    return (await Promise.all(brought)).reduce((sum, count) => sum + count, 0)
  } finally {
    await stranger.libp2p.stop()
  }
}

interface Bringing {
  readonly random: SeededRandom
  readonly clusterId: string
}

async function bring(stranger: Node, peer: Peer, { random, clusterId }: Bringing): Promise<number> {
  let stream: Stream
  try {
    stream = await stranger.libp2p.dialProtocol(multiaddr(peer.multiaddrs[0]), '/annulus/1.0.0')
  } catch {
    // The peer takes but so many at once.
    return 0
  }
  let count = 0
  for (; count < messagesPerStream && stream.status === 'open'; count++) {
    if (!stream.send(count === 0 ? prefixed(hello(random, clusterId)) : message(random))) break
    await new Promise(resolve => setTimeout(resolve, random.integer(3)))
  }
  await stream.close().catch(() => undefined)
  return count
}

/** As a peer that asks to join would greet, or a client. */
function hello(random: SeededRandom, clusterId: string): Uint8Array {
  const isPeer = random.chance(0.6)
  const life = isPeer ? Buffer.from(random.bytes(8)).toString('hex') : ''
  const greeting = { network: 'annulus', clusterId, generation: 1, boot: 1, epoch: random.integer(3), life }
  return encodeHello({
    greeting: { ...greeting, role: isPeer ? 'peer' : 'client' },
    lane: random.chance(0.5) ? 'main' : 'bulk',
    instance: newInstance(),
    address: noBytes,
    software: 'fuzz'
  })
}

/** Mostly whole frames around a changed body, so that it gets far; else a changed frame, or no message at all. */
function message(random: SeededRandom): Uint8Array {
  const choice = random.integer(20)
  if (choice === 0) return prefixed(mutate(random, samples.frames))
  if (choice === 1) return mutate(random, samples.frames)
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
