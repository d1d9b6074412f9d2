/**
 * All that reads bytes from outside: the wire's, and the disk's. Each is named with samples of what it reads and with
 * the errors it may throw; anything else that it throws is a fault.
 */
import { fromJson } from '../../src/core/describe.ts'
import { fromWireRanges, fromWireVersions } from '../../src/core/movement/wire.ts'
import {
  packDifferences,
  packFingerprints,
  packHeads,
  packSums,
  unpackDifferences,
  unpackFingerprints,
  unpackHeads,
  unpackSums
} from '../../src/core/movement/packing.ts'
import { ServeError, TransportError } from '../../src/core/ports.ts'
import { decodeHead, decodeRecord, encodeRecord, RecordFormatError } from '../../src/core/record/codec.ts'
import { isVersion } from '../../src/core/register/wire.ts'
import { RemoteCalls } from '../../src/core/requests/calls.ts'
import { TopologyLog } from '../../src/core/topology/log.ts'
import { MalformedError, readFrame } from '../../src/libp2p/frame.ts'
import { decodeHello } from '../../src/libp2p/hello.ts'
import { MessageDecoder } from '../../src/libp2p/message-decoder.ts'
import type { Response } from '../../src/wire/generated/messages.ts'
import { FakeMetaStore, silent } from '../core/topology/fakes.ts'
import { id, member } from '../core/topology/script.ts'
import { wireFixtures, type ByKind } from '../fixtures/fixtures.ts'
import { diskDecoders } from './disk-decoders.ts'
import { ServingPeer } from './serving-peer.ts'

export interface Decoder {
  readonly name: string
  readonly samples: readonly Uint8Array[]
  readonly decode: (bytes: Uint8Array) => unknown
  /** What it may throw. */
  readonly errors: readonly (abstract new (...args: never[]) => Error)[]
}

const fixtures = wireFixtures('v1')
const bytesOf = (kinds: ByKind): Uint8Array[] =>
  Object.values(kinds).map(hex => new Uint8Array(Buffer.from(hex, 'hex')))
const text = (value: string): Uint8Array => new TextEncoder().encode(value)

const requests = bytesOf(fixtures.requests)
const answers = bytesOf(fixtures.answers)
const records = bytesOf(fixtures.records)

/** All decoders; what some of them need runs until `stop`. */
export async function makeDecoders(): Promise<{ decoders: readonly Decoder[]; stop: () => Promise<void> }> {
  const peer = await ServingPeer.start()
  const disk = diskDecoders()
  const served: Decoder = {
    name: 'a request to a peer',
    samples: requests,
    decode: bytes => peer.serve(bytes),
    errors: [ServeError]
  }
  const address: Decoder = {
    name: 'an address record',
    samples: [await peer.addresses.own(), await peer.strangersAddress()],
    decode: bytes => peer.addresses.learn(bytes),
    errors: []
  }
  const decoders = [served, answered(), address, ...ofStreams, ...ofRecords, ...ofSessions, ...disk.decoders]
  const stop = async (): Promise<void> => {
    disk.stop()
    await peer.stop()
  }
  return { decoders, stop }
}

/** What a peer is answered, and what it takes out of that. */
function answered(): Decoder {
  let next: Uint8Array
  const transport = { request: () => Promise.resolve(next) }
  // Of a transport, only its requests are used here.
  const components = { transport: transport as never, logger: silent }
  return {
    name: 'an answer',
    samples: answers,
    decode: async bytes => {
      next = bytes
      const log = new TopologyLog({ store: new FakeMetaStore(), logger: silent })
      const calls = new RemoteCalls({ ...components, log })
      const answer = await calls.call(id('b'), { describe: { cluster: false } }, { timeoutMs: 1_000 })
      checkAnswer(answer)
    },
    errors: [TransportError, ServeError, SyntaxError]
  }
}

function checkAnswer({ version, wanted, description, nodesListed, nodesCompared }: Response): void {
  if (version?.version !== undefined) isVersion(version.version)
  if (wanted !== undefined) fromWireRanges(wanted.positions.map(start => ({ start, end: start })))
  if (nodesListed !== undefined) unpackHeads(nodesListed.heads, 1_000)
  if (nodesCompared !== undefined) unpackDifferences(nodesCompared.differing, 4_096)
  if (description !== undefined) fromJson(description.json)
}

const ofStreams: readonly Decoder[] = [
  { name: 'a frame', samples: bytesOf(fixtures.frames), decode: readFrame, errors: [MalformedError] },
  {
    name: 'a greeting',
    samples: bytesOf(fixtures.hellos),
    decode: bytes => decodeHello(bytes, member('a').peerId),
    errors: [MalformedError]
  },
  {
    name: 'a stream of messages',
    samples: bytesOf(fixtures.frames).map(frame => Uint8Array.from([frame.length, ...frame])),
    decode: bytes => {
      const decoder = new MessageDecoder()
      // In two chunks, wherever that cuts it.
      const half = bytes.length >> 1
      for (const chunk of [bytes.subarray(0, half), bytes.subarray(half)]) {
        decoder.push(chunk)
        while (decoder.next(70_000) !== undefined);
      }
    },
    errors: [MalformedError]
  }
]

const ofRecords: readonly Decoder[] = [
  { name: 'a record', samples: records, decode: bytes => decodeRecord(bytes), errors: [RecordFormatError] },
  {
    name: "a record's head",
    samples: records,
    decode: bytes => decodeHead(bytes),
    errors: [RecordFormatError]
  }
]

const head = encodeRecord({
  key: text('key'),
  version: { time: 5, writer: new Uint8Array(16), rmw: 0 },
  kind: 'value',
  expiresAt: 0,
  value: text('value')
})
const sums = [1, 2, 3].map(count => ({ count, low: 7, high: 9 }))

const ofSessions: readonly Decoder[] = [
  packed('sums', packSums(sums), bytes => unpackSums(bytes, 3)),
  packed('fingerprints', packFingerprints(sums), bytes => unpackFingerprints(bytes, 16_384)),
  packed('differences', packDifferences([{ index: 3, count: 9 }]), bytes => unpackDifferences(bytes, 4_096)),
  packed('heads', packHeads([head, head]), bytes => unpackHeads(bytes, 2_048)),
  packed('positions and versions', head.position, bytes => {
    fromWireVersions([
      {
        position: bytes,
        version: { time: (bytes[0] ?? 0) * 2 ** 44, writer: bytes.subarray(0, 16), rmw: 0 },
        size: 1
      }
    ])
  })
]

function packed(what: string, sample: Uint8Array, decode: Decoder['decode']): Decoder {
  return { name: `packed ${what}`, samples: [sample], decode, errors: [ServeError] }
}
