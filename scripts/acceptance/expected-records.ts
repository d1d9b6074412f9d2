/**
 * The records that the peers of a cluster should hold, and their stores filled with them, while the peers are
 * stopped: through the storage layer, as each peer's replica would have done.
 */
import type { RingMember } from '../../src/core/member.ts'
import type { Store } from '../../src/core/ports.ts'
import { encodeRecord } from '../../src/core/record/codec.ts'
import { sameSum } from '../../src/core/record/fingerprint.ts'
import { Fingerprints, slotCount } from '../../src/core/record/fingerprints.ts'
import type { StoredRecord } from '../../src/core/record/record.ts'
import { compareVersions } from '../../src/core/record/version.ts'
import { positionOf, prefixAt } from '../../src/core/ring/position.ts'
import { Ring } from '../../src/core/ring/ring.ts'
import { silentLogger } from '../../src/silent-logger.ts'
import { openLevelStore } from '../../src/storage/level.ts'
import { expect, seen } from './report.ts'

/** Records made and stored at a time. */
const batchRecords = 5_000

/** With 32 bits of a position an index fits a number exactly. */
const maxRecords = 2 ** 21

const valueBytes = 64
const copiesOfEach = 3

export interface Folder {
  readonly data: string
  readonly peerId: string
}

export class ExpectedRecords {
  readonly #folders: readonly Folder[]
  readonly #fingerprints: Fingerprints[]
  readonly #ring: Ring<RingMember>
  #records = 0
  #put: string[] = []
  /** What filled records are stamped with: an hour ago, so that every put is newer. */
  readonly #time = (Date.now() - 3_600_000) * 1000

  constructor(folders: readonly Folder[], vnodes: number) {
    this.#ring = Ring.of(folders.map(({ peerId }) => ({ peerId, life: '', vnodes })))
    this.#folders = folders
    this.#fingerprints = folders.map(() => new Fingerprints())
  }

  /** Keys that were filled in. */
  get records(): number {
    return this.#records
  }

  /** Records in each store. */
  get copies(): number[] {
    return this.#fingerprints.map(fingerprints => fingerprints.sum(0, slotCount).count)
  }

  /** Stores so many records in the folders of their replicas. */
  async fill(records: number): Promise<void> {
    const stores = await this.#open()
    const order = inRingOrder(records)
    for (let first = 0; first < records; first += batchRecords) {
      const batches = stores.map((): StoredRecord[] => [])
      for (const index of order.subarray(first, first + batchRecords)) {
        const record = this.#recordOf(index)
        for (const replica of this.#replicasOf(record.position)) {
          batches[replica]!.push(record)
          this.#fingerprints[replica]!.count(record)
        }
      }
      await Promise.all(stores.map((store, i) => store.mergeAll(batches[i]!)))
    }
    await Promise.all(stores.map(store => store.close()))
    this.#records = records
  }

  /** Keys for somebody to put, half of which hold a record. */
  keysToPut(count: number): string[] {
    const first = this.#put.length
    const keys = Array.from({ length: count }, (_, i) =>
      i % 2 === 0 ? keyOf(((first + i) * 7919) % this.#records) : `put ${first + i}`
    )
    this.#put.push(...keys)
    return keys
  }

  /** Throws unless all stores hold what was filled in and, of what was put, the newest. The peers must have stopped. */
  async verify(): Promise<void> {
    const stores = await this.#open()
    for (const key of new Set(this.#put)) await this.#verifyPut(stores, key)
    for (const [i, store] of stores.entries()) {
      await store.fingerprints.completed
      for (let slot = 0; slot < slotCount; slot++) {
        const isSame = sameSum(
          store.fingerprints.sum(slot, slot + 1),
          this.#fingerprints[i]!.sum(slot, slot + 1)
        )
        expect(isSame, `slot ${slot} of ${this.#folders[i]!.data} holds what it should`)
      }
    }
    await Promise.all(stores.map(store => store.close()))
    seen(`  ${this.copies.join(' + ')} copies`)
  }

  async #verifyPut(stores: readonly Store[], key: string): Promise<void> {
    const position = positionOf(Buffer.from(key))
    const replicas = this.#replicasOf(position)
    const heads = await Promise.all(replicas.map(replica => stores[replica]!.head(position)))
    const isSame = heads.every(
      head => head !== undefined && compareVersions(head.version, heads[0]!.version) === 0
    )
    expect(isSame && heads.length === copiesOfEach, `all replicas of "${key}" hold the same version of it`)
    const filled = /^key (\d+)$/.exec(key)?.[1]
    for (const replica of replicas) {
      if (filled !== undefined) this.#fingerprints[replica]!.remove(this.#recordOf(Number(filled)))
      this.#fingerprints[replica]!.add(heads[0]!)
    }
  }

  /** Indices of their folders. */
  #replicasOf(position: Uint8Array): number[] {
    const replicas = this.#ring.replicas(position, copiesOfEach)
    return replicas.map(replica => this.#folders.findIndex(({ peerId }) => peerId === replica.peerId))
  }

  #open(): Promise<Store[]> {
    return Promise.all(this.#folders.map(({ data }) => openLevelStore(data, { logger: silentLogger })))
  }

  #recordOf(index: number): StoredRecord {
    const version = { time: this.#time + index, writer: new Uint8Array(16).fill(1), rmw: 0 }
    const value = Buffer.alloc(valueBytes, `value ${index} `)
    return encodeRecord({ key: Buffer.from(keyOf(index)), version, kind: 'value', expiresAt: 0, value })
  }
}

/** The indices of so many records by their positions: so LevelDB need not sort them, which takes it minutes. */
function inRingOrder(records: number): Uint32Array {
  const order = Float64Array.from({ length: records }, (_, i) => {
    return prefixAt(positionOf(Buffer.from(keyOf(i))), 0) * maxRecords + i
  })
  return Uint32Array.from(order.sort(), each => each % maxRecords)
}

function keyOf(index: number): string {
  return `key ${index}`
}
