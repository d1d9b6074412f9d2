/** What reads the disk: the rows of a store and the small files beside it. Part of the table in decoders.ts. */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { AnnulusError } from '../../src/core/errors.ts'
import { IdentityDamagedError, nextBoot } from '../../src/core/identity.ts'
import { Acceptor, AcceptorDamagedError } from '../../src/core/topology/acceptor.ts'
import { entryToWire, topologyToWire } from '../../src/core/topology/codec.ts'
import { LogDamagedError, TopologyLog } from '../../src/core/topology/log.ts'
import { readAddresses, rememberedPort } from '../../src/cli/data-folder.ts'
import { prepareFolder } from '../../src/storage/data-folder.ts'
import {
  DamagedRowError,
  decodeNames,
  decodeTotals,
  encodeNames,
  encodeTotals
} from '../../src/storage/rows.ts'
import { decodeSlot, putSlot, slotRow } from '../../src/storage/slot-rows.ts'
import { Watermark } from '../../src/storage/watermark.ts'
import { AcceptorState, Entry, Topology } from '../../src/wire/generated/messages.ts'
import { FakeMetaStore, silent } from '../core/topology/fakes.ts'
import { entryOf, id, run } from '../core/topology/script.ts'
import { SeededRandom } from '../simulation/random.ts'
import type { Decoder } from './decoders.ts'

/** Where Linux has files without a disk: the files are written anew for each message, and a disk makes each of them wait. */
const inMemory = '/dev/shm'

const text = (value: string): Uint8Array => new TextEncoder().encode(value)

const ballot = { round: 3, ...id('b'), boot: 2 }
const entry = entryToWire(entryOf(run('found a'), 'open +b +c'))
const topologies = ['found a', 'found a; open +b +c', 'found a; open +b +c; close; open -a !b'].map(script =>
  Topology.encode(topologyToWire(run(script)))
)

const rows: readonly Decoder[] = [
  {
    name: 'the topology on disk',
    samples: topologies,
    decode: bytes => logOf({ 'log/topology': bytes }).load(),
    errors: [LogDamagedError]
  },
  {
    name: 'an entry of the log on disk',
    samples: [Entry.encode(entry)],
    decode: bytes => logOf({ 'log/topology': topologies[1]!, 'log/entry/0000000000002': bytes }).load(),
    errors: [LogDamagedError]
  },
  {
    name: 'what an acceptor promised',
    samples: [
      AcceptorState.encode({ epoch: 1, promised: ballot }),
      AcceptorState.encode({ epoch: 1, promised: ballot, acceptedBallot: ballot, acceptedEntry: entry })
    ],
    decode: bytes => {
      const store = storeOf({ 'paxos/state': bytes })
      const log = new TopologyLog({ store, logger: silent })
      return new Acceptor({ store, log }, { self: id('a') }).load()
    },
    errors: [AcceptorDamagedError]
  },
  {
    name: 'the life on disk',
    samples: [text('0123456789abcdef')],
    decode: bytes => boot({ 'peer/life': bytes, 'peer/boot': text('3') }),
    errors: [IdentityDamagedError]
  },
  {
    name: 'the boot number on disk',
    samples: [text('3'), text('999999')],
    decode: bytes => boot({ 'peer/life': text('0123456789abcdef'), 'peer/boot': bytes }),
    errors: [IdentityDamagedError]
  },
  {
    name: 'the row of the totals',
    samples: [encodeTotals({ usage: { records: 5, bytes: 500 }, areSlotsKept: true })],
    decode: decodeTotals,
    errors: [DamagedRowError]
  },
  {
    name: 'the row of a clear under way',
    samples: [encodeNames(['identity/key', 'identity/owner'])],
    decode: decodeNames,
    errors: [DamagedRowError]
  },
  {
    name: "a slot's row",
    samples: [putSlot(7, { count: 1, low: 2, high: 3 }).value],
    decode: bytes => decodeSlot(slotRow(7), bytes),
    errors: []
  }
]

function storeOf(entries: Readonly<Record<string, Uint8Array>>): FakeMetaStore {
  return new FakeMetaStore({ entries: new Map(Object.entries(entries)) })
}

function logOf(entries: Readonly<Record<string, Uint8Array>>): TopologyLog {
  return new TopologyLog({ store: storeOf(entries), logger: silent })
}

async function boot(entries: Readonly<Record<string, Uint8Array>>): Promise<void> {
  const { life, boot } = await nextBoot(storeOf(entries), new SeededRandom(1))
  if (life.length !== 16 || !(boot > 0)) throw new Error(`a life ${life} that starts for the ${boot}th time`)
}

/** Decoders of rows, and of files in a folder that is there until `stop`. */
export function diskDecoders(): { readonly decoders: readonly Decoder[]; readonly stop: () => void } {
  const folder = mkdtempSync(join(existsSync(inMemory) ? inMemory : tmpdir(), 'annulus-fuzz-'))
  const file = (
    name: string,
    samples: Uint8Array[],
    read: () => unknown,
    errors: Decoder['errors']
  ): Decoder => ({
    name: `the file ${name}`,
    samples,
    decode: bytes => {
      writeFileSync(join(folder, name), bytes)
      return read()
    },
    errors
  })
  const files = [
    file('FORMAT', [text('annulus store 1\n')], () => prepareFolder(folder), [AnnulusError]),
    file('DURABLE', [new Uint8Array(12)], () => readWatermark(folder), []),
    file('address', [text('/ip4/127.0.0.1/tcp/4001\n')], () => readAddresses(folder), []),
    file('port', [text('4001\n')], () => rememberedPort(folder), [])
  ]
  return { decoders: [...rows, ...files], stop: () => rmSync(folder, { recursive: true }) }
}

function readWatermark(folder: string): number | undefined {
  const watermark = Watermark.open(folder, { create: false })
  try {
    return watermark.read()
  } finally {
    watermark.close()
  }
}
