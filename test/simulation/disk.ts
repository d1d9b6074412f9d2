/**
 * A simulated disk, and the Store that one process at a time has on it. A write takes its time, and until it is
 * synced nobody reads it; a crash loses what was not synced, or has it synced unbeknown to anyone. It can be
 * made to fail writes, to be full, and to damage a record.
 */
import {
  DamagedRecordError,
  StoreError,
  type HeadsOptions,
  type MetaChange,
  type Store,
  type Timer
} from '../../src/core/ports.ts'
import type { RecordHead, StoredRecord } from '../../src/core/record/record.ts'
import { formatVersion, type Version } from '../../src/core/record/version.ts'
import { formatPosition } from '../../src/core/ring/position.ts'
import { wholeRing, type Range } from '../../src/core/ring/range.ts'
import { MemoryStore } from '../../src/storage/memory.ts'
import type { VirtualTime } from './clock.ts'
import type { SimulatedProcess } from './process.ts'
import type { SeededRandom } from './random.ts'

export interface DiskInit {
  /** Mean time that a sync takes, in ms; exponentially distributed. 0: no time at all. Default 0. */
  readonly syncMs?: number
  /** Probability that a batch of writes fails. Default 0. */
  readonly failRate?: number
}

interface Write {
  readonly apply: (contents: MemoryStore) => Promise<void>
  readonly settle: (error?: Error) => void
}

export class SimulatedDisk {
  readonly #time: VirtualTime
  readonly #random: SeededRandom
  readonly #syncMs: number
  readonly #contents = new MemoryStore()
  readonly #damaged = new Set<string>()
  #inSync: Write[] = []
  #waiting: Write[] = []
  #timer: Timer | undefined
  #isSyncing = false
  /** May be changed at any moment. */
  failRate: number
  isFull = false
  /** How often what happened. */
  readonly counts = { syncs: 0, failedWrites: 0, lostWrites: 0, unbeknownWrites: 0, damages: 0 }

  constructor(components: { time: VirtualTime; random: SeededRandom }, init: DiskInit = {}) {
    this.#time = components.time
    this.#random = components.random
    this.#syncMs = init.syncMs ?? 0
    this.failRate = init.failRate ?? 0
  }

  /** Records on it, tombstones among them. */
  get records(): number {
    return this.#contents.usage().records
  }

  /** Position and version of each record on it, in hex, in ring order. */
  async contents(): Promise<string[]> {
    const heads = await this.#contents.heads(wholeRing, { limit: Infinity })
    return heads.map(({ position, version }) => `${formatPosition(position)} ${formatVersion(version)}`)
  }

  /** The store of a process that just started. What an earlier process had not synced is decided now. */
  open(process: SimulatedProcess): Store {
    this.#crash()
    return new DiskStore(this, this.#contents, this.#damaged, process)
  }

  /** Flips a bit in one of its records; false where there is none. */
  async damage(): Promise<boolean> {
    const heads = await this.#contents.heads(wholeRing, { limit: Infinity })
    if (heads.length === 0) return false
    this.#damaged.add(formatPosition(this.#random.pick(heads).position))
    this.counts.damages++
    return true
  }

  /** Takes in a write; `settle` is called when it is synced or has failed. */
  write(write: Write): void {
    this.#waiting.push(write)
    if (!this.#isSyncing) this.#sync()
  }

  /** All that waits now becomes durable together, or fails together: a group commit. */
  #sync(): void {
    const batch = this.#waiting
    this.#waiting = []
    this.#inSync = batch
    this.#isSyncing = true
    if (this.#syncMs === 0) {
      void this.#finish(batch)
      return
    }
    const delayMs = -this.#syncMs * Math.log(1 - this.#random.float())
    this.#timer = this.#time.after(delayMs, () => void this.#finish(batch))
  }

  async #finish(batch: readonly Write[]): Promise<void> {
    this.#inSync = []
    const fails = this.isFull || this.#random.chance(this.failRate)
    // A batch that failed may be on the disk all the same: nobody can tell.
    if (!fails || (!this.isFull && this.#random.chance(0.5)))
      for (const write of batch) await write.apply(this.#contents)
    this.counts.syncs++
    if (fails) this.counts.failedWrites += batch.length
    const error = fails ? new StoreError(this.isFull ? 'no space left' : 'the write failed') : undefined
    for (const write of batch) write.settle(error)
    this.#isSyncing = false
    if (this.#waiting.length > 0) this.#sync()
  }

  /** The batch that was being synced is there or not; those that waited are lost. */
  #crash(): void {
    this.#timer?.cancel()
    this.#isSyncing = false
    const [inSync, waiting] = [this.#inSync, this.#waiting]
    this.#inSync = []
    this.#waiting = []
    this.counts.lostWrites += waiting.length
    if (inSync.length === 0) return
    if (this.#random.chance(0.5)) {
      // Memory takes them at once; nobody waits to be told.
      for (const write of inSync) void write.apply(this.#contents)
      this.counts.unbeknownWrites += inSync.length
    } else this.counts.lostWrites += inSync.length
  }
}

/** What one process has of the disk: dead processes get no answers any more. */
class DiskStore implements Store {
  readonly loss = undefined
  readonly #disk: SimulatedDisk
  readonly #contents: MemoryStore
  readonly #damaged: Set<string>
  readonly #process: SimulatedProcess

  constructor(disk: SimulatedDisk, contents: MemoryStore, damaged: Set<string>, process: SimulatedProcess) {
    this.#disk = disk
    this.#contents = contents
    this.#damaged = damaged
    this.#process = process
  }

  async head(position: Uint8Array): Promise<RecordHead | undefined> {
    await this.#alive()
    this.#ensureSound(position)
    return this.#contents.head(position)
  }

  async read(position: Uint8Array): Promise<StoredRecord | undefined> {
    await this.#alive()
    this.#ensureSound(position)
    return this.#contents.read(position)
  }

  merge(record: StoredRecord): Promise<void> {
    return this.mergeAll([record])
  }

  async mergeAll(records: readonly StoredRecord[]): Promise<void> {
    await this.#alive()
    const sound = records.filter(({ position }) => !this.#damaged.has(formatPosition(position)))
    await this.#write(contents => contents.mergeAll(sound))
    for (const { position } of records) this.#ensureSound(position)
  }

  async drop(position: Uint8Array, version: Version): Promise<boolean> {
    await this.#alive()
    let isDropped = false
    await this.#write(async contents => {
      isDropped = await contents.drop(position, version)
      if (isDropped) this.#damaged.delete(formatPosition(position))
    })
    return isDropped
  }

  async heads(range: Range, options: HeadsOptions): Promise<RecordHead[]> {
    await this.#alive()
    const heads = await this.#contents.heads(range, options)
    if (this.#damaged.size === 0) return heads
    return heads.filter(({ position }) => {
      const isDamaged = this.#damaged.has(formatPosition(position))
      if (isDamaged) options.onDamaged?.(position)
      return !isDamaged
    })
  }

  usage(): { records: number; bytes: number } {
    return this.#contents.usage()
  }

  async readMeta(name: string): Promise<Uint8Array | undefined> {
    await this.#alive()
    return this.#contents.readMeta(name)
  }

  async listMeta(prefix: string): Promise<Array<[name: string, value: Uint8Array]>> {
    await this.#alive()
    return this.#contents.listMeta(prefix)
  }

  async writeMeta(changes: readonly MetaChange[]): Promise<void> {
    await this.#alive()
    await this.#write(contents => contents.writeMeta(changes))
  }

  async clear(keep: readonly string[]): Promise<void> {
    await this.#alive()
    await this.#write(contents => contents.clear(keep))
    this.#damaged.clear()
  }

  async close(): Promise<void> {
    // The disk outlives the process.
    await this.#alive()
  }

  #write(apply: (contents: MemoryStore) => Promise<void>): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = (error?: Error): void =>
        this.#process.enter(() => (error === undefined ? resolve() : reject(error)))
      this.#disk.write({ apply, settle })
    })
  }

  /** Never resolves for a process that is dead. */
  #alive(): Promise<void> {
    return this.#process.isAlive ? Promise.resolve() : new Promise(() => undefined)
  }

  #ensureSound(position: Uint8Array): void {
    if (this.#damaged.has(formatPosition(position)))
      throw new DamagedRecordError(position, 'a bit was flipped')
  }
}
