/** What sessions cost in bytes: counted, not timed. A test holds small stores to it; scripts/reconcile-figures.ts prints it for large ones. */
import type { StoredRecord } from '../../../src/core/record/record.ts'
import { MemoryStore } from '../../../src/storage/memory.ts'
import { Pair } from './session-world.ts'
import { recordOf } from './world.ts'

/** Records made and stored at a time. */
const batchRecords = 10_000

export interface Cost {
  /** Records that moved, both ways, and their bytes as encoded. */
  readonly moved: number
  readonly recordBytes: number
  /** All other bytes of all messages, both ways. */
  readonly otherBytes: number
  readonly requests: number
}

/** Two stores of the same `count` records with values of 16 bytes. */
export async function equalPair(count: number): Promise<Pair<MemoryStore>> {
  const pair = new Pair({ a: new MemoryStore(), b: new MemoryStore() })
  await fill([pair.a, pair.b], count)
  return pair
}

/** One store of so many records, the other empty. */
export async function oneSidedPair(full: 'a' | 'b', count: number): Promise<Pair<MemoryStore>> {
  const pair = new Pair({ a: new MemoryStore(), b: new MemoryStore() })
  await fill([pair[full]], count)
  return pair
}

/** Writes `count` of the records anew on one side or the other, at a time that makes them newer. */
export async function change(pair: Pair<MemoryStore>, count: number, time: number): Promise<void> {
  for (let i = 0; i < count; i++) await (i % 2 === 0 ? pair.a : pair.b).merge(smallRecord(i * 7, time))
}

export async function costOf(pair: Pair<MemoryStore>): Promise<Cost> {
  const [bytes, requests] = [pair.bytes, pair.asked.length]
  const { received, sent } = await pair.run()
  const recordBytes = received.bytes + sent.bytes
  return {
    moved: received.records + sent.records,
    recordBytes,
    otherBytes: pair.bytes - bytes - recordBytes,
    requests: pair.asked.length - requests
  }
}

async function fill(stores: readonly MemoryStore[], count: number): Promise<void> {
  for (let first = 0; first < count; first += batchRecords) {
    const some = Array.from({ length: Math.min(batchRecords, count - first) }, (_, i) =>
      smallRecord(first + i, 1)
    )
    for (const store of stores) await store.mergeAll(some)
  }
}

function smallRecord(index: number, time: number): StoredRecord {
  return recordOf(`key ${index}`, time, { value: new Uint8Array(16) })
}
