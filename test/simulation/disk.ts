/**
 * A simulated disk, and the Store that one process at a time has on it. A write takes its time, and until it is
 * synced nobody reads it. It can be made to fail writes, to be full, to damage a record, and to lose what was
 * durable.
 *
 * A crash does what it does to the store in LevelDB. One batch at a time is written to the log, with a checksum,
 * and what arrives meanwhile waits in the process's memory. So what waits is lost; of the batch on its way all
 * is there, unbeknown to anyone, or nothing, also where the first half of it reached the disk: a torn end of the
 * log is dropped whole when it is replayed, and is no loss, since nothing of it was acknowledged. Only where
 * durable batches are missing does the store say that it lost something.
 */
import {
  StoreError,
  type HeadsOptions,
  type MetaChange,
  type Scrubbed,
  type ScrubbedPart,
  type Store,
  type Timer
} from '../../src/core/ports.ts'
import type { FingerprintIndex } from '../../src/core/record/fingerprints.ts'
import type { RecordHead, StoredRecord } from '../../src/core/record/record.ts'
import { formatVersion, type Version } from '../../src/core/record/version.ts'
import { formatPosition } from '../../src/core/ring/position.ts'
import { wholeRing, type Range } from '../../src/core/ring/range.ts'
import { MemoryStore } from '../../src/storage/memory.ts'
import type { VirtualTime } from './clock.ts'
import { Damages, type DamagedPart } from './damages.ts'
import { Holdings } from './holdings.ts'
import type { SimulatedProcess } from './process.ts'
import type { SeededRandom } from './random.ts'

export interface DiskInit {
  /** Mean time that a sync takes, in ms; exponentially distributed. 0: no time at all. Default 0. */
  readonly syncMs?: number
  /** Probability that a batch of writes fails. Default 0. */
  readonly failRate?: number
}

/** What a process asks to be dropped. */
export interface Dropped {
  readonly position: Uint8Array
  readonly version: Version
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
  readonly #damages = new Damages(this.#contents)
  /** What is durable, and since when. */
  readonly holdings = new Holdings()
  /** Who writes now. */
  #process: SimulatedProcess | undefined
  #inSync: Write[] = []
  #waiting: Write[] = []
  #timer: Timer | undefined
  #isSyncing = false
  /** What was durable and is lost, in words, as the store tells it. */
  loss: string | undefined
  /** Told once, when the next batch is being synced. */
  onSync: (() => void) | undefined
  /** Told of each record that is to be dropped, before it is. */
  onDrop: ((dropped: Dropped) => void) | undefined
  /** Told of what becomes durable, before it does: each of these, unless something newer is there. */
  onKeep: ((records: readonly StoredRecord[]) => void) | undefined
  /** Told of each position at which what is damaged is to be replaced, before it is. */
  onRepair: ((position: Uint8Array) => void) | undefined
  /** May be changed at any moment. */
  failRate: number
  isFull = false
  /** How often what happened. */
  readonly counts = {
    syncs: 0,
    failedWrites: 0,
    lostWrites: 0,
    unbeknownWrites: 0,
    tornBatches: 0,
    damages: 0,
    losses: 0
  }

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
    const heads = await this.heads()
    return heads.map(({ position, version }) => `${formatPosition(position)} ${formatVersion(version)}`)
  }

  /** Each record on it: its position and version in hex, and its bytes. */
  async copies(): Promise<Array<{ position: string; version: string; encoded: Uint8Array }>> {
    const records = await Promise.all(
      (await this.heads()).map(({ position }) => this.#contents.read(position))
    )
    return records
      .filter(record => record !== undefined)
      .map(({ position, version, encoded }) => ({
        position: formatPosition(position),
        version: formatVersion(version),
        encoded
      }))
  }

  /** The store of a process that just started. What an earlier process had not synced is decided now. */
  open(process: SimulatedProcess): Store {
    this.#crash()
    this.#process = process
    return new DiskStore(this, this.#contents, this.#damages, process)
  }

  /** The heads of all records on it, damaged ones too, in ring order. */
  heads(): Promise<RecordHead[]> {
    return this.#contents.heads(wholeRing, { limit: Infinity })
  }

  /** Flips a bit in the record that it has at a position; nobody knows until somebody reads it. */
  damage(position: Uint8Array, part: DamagedPart = 'head'): void {
    this.#damages.add(position, part)
    this.holdings.gone(position)
    this.counts.damages++
  }

  /** The record at a position is gone without a trace: the fingerprints count it still. */
  async vanish(position: Uint8Array): Promise<void> {
    const head = await this.#contents.head(position)
    if (head === undefined) throw new Error('there is no record that could vanish')
    this.holdings.gone(position)
    await this.#contents.drop(position, head.version)
    this.#contents.fingerprints.count(head)
  }

  /**
   * Loses about half of what is durable, as where a log is cut short; the store says so until it is cleared.
   * For a disk whose process is dead.
   */
  async lose(): Promise<void> {
    this.#crash()
    const heads = await this.heads()
    for (const { position, version } of heads) {
      if (!this.#random.chance(0.5)) continue
      this.holdings.gone(position)
      await this.#contents.drop(position, version)
    }
    this.loss = 'durable writes are missing from the end of the log'
    this.counts.losses++
  }

  /** Records on it that are damaged. */
  get damaged(): number {
    return this.#damages.size
  }

  /** Whether the store knows that what is under this position is damaged. */
  isKnownDamaged(position: Uint8Array): boolean {
    return this.#damages.size > 0 && this.#contents.fingerprints.isDamaged(position)
  }

  /** Some records are durable now. */
  kept(records: readonly StoredRecord[]): void {
    this.onKeep?.(records)
    this.holdings.kept(records, this.#time.nowMs)
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
    const { onSync } = this
    this.onSync = undefined
    onSync?.()
  }

  async #finish(batch: readonly Write[]): Promise<void> {
    if (this.#process?.isAlive === false) {
      this.#crash()
      return
    }
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

  /** What a crash leaves of the batch that was being synced and of those that waited. */
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
    } else {
      this.counts.tornBatches++
      this.counts.lostWrites += inSync.length
    }
  }
}

/** What one process has of the disk: dead processes get no answers any more. */
class DiskStore implements Store {
  readonly #disk: SimulatedDisk
  readonly #contents: MemoryStore
  readonly #damages: Damages
  readonly #process: SimulatedProcess

  constructor(disk: SimulatedDisk, contents: MemoryStore, damages: Damages, process: SimulatedProcess) {
    this.#disk = disk
    this.#contents = contents
    this.#damages = damages
    this.#process = process
  }

  get loss(): string | undefined {
    return this.#disk.loss
  }

  async head(position: Uint8Array): Promise<RecordHead | undefined> {
    await this.#alive()
    this.#damages.ensureSoundHead(position)
    return this.#contents.head(position)
  }

  async read(position: Uint8Array): Promise<StoredRecord | undefined> {
    await this.#alive()
    this.#damages.ensureSound(position)
    return this.#contents.read(position)
  }

  merge(record: StoredRecord): Promise<void> {
    return this.mergeAll([record])
  }

  async mergeAll(records: readonly StoredRecord[]): Promise<void> {
    await this.#alive()
    // Looked at as they are applied, since a record may be damaged while a write of it waits.
    const isSound = ({ position }: StoredRecord): boolean => !this.#damages.showsIn(position)
    await this.#write(async contents => {
      const sound = records.filter(isSound)
      this.#disk.kept(sound)
      await contents.mergeAll(sound)
      for (const { position } of sound) await this.#damages.written(position)
    })
    for (const { position } of records) this.#damages.ensureSoundHead(position)
  }

  async drop(position: Uint8Array, version: Version): Promise<boolean> {
    if (this.#process.isAlive) this.#disk.onDrop?.({ position, version })
    await this.#alive()
    let isDropped = false
    await this.#write(async contents => {
      if (this.#damages.showsIn(position)) return
      isDropped = await contents.drop(position, version)
      if (isDropped) this.#disk.holdings.gone(position)
      if (isDropped) this.#damages.delete(position)
    })
    this.#damages.ensureSoundHead(position)
    return isDropped
  }

  async repair(position: Uint8Array, record: StoredRecord | undefined): Promise<boolean> {
    if (this.#process.isAlive) this.#disk.onRepair?.(position)
    await this.#alive()
    let isRepaired = false
    await this.#write(async contents => {
      // All of it is looked at first.
      isRepaired = this.#damages.isIn(position) && (await contents.repair(position, record))
      if (isRepaired) this.#disk.holdings.gone(position)
      if (isRepaired && record !== undefined) this.#disk.kept([record])
      if (isRepaired) this.#damages.delete(position)
    })
    return isRepaired
  }

  async heads(range: Range, options: HeadsOptions): Promise<RecordHead[]> {
    await this.#alive()
    // More by as many as may be passed over: a page that is not full is the last one.
    const limit = options.limit + this.#damages.size
    const heads = await this.#contents.heads(range, { ...options, limit })
    if (this.#damages.size === 0) return heads
    const sound = heads.filter(({ position }) => {
      const isDamaged = this.#damages.showsIn(position)
      if (isDamaged) options.onDamaged?.(position)
      return !isDamaged
    })
    return sound.slice(0, options.limit)
  }

  async scrub(first: number, end: number, pace: (read: ScrubbedPart) => Promise<void>): Promise<Scrubbed> {
    await this.#alive()
    const damaged = this.#damages.noticeWithin(first, end)
    return { ...(await this.#contents.scrub(first, end, pace)), damaged }
  }

  usage(): { records: number; bytes: number } {
    return this.#contents.usage()
  }

  get fingerprints(): FingerprintIndex {
    return this.#contents.fingerprints
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
    await this.#write(async contents => {
      await contents.clear(keep)
      this.#disk.holdings.clear()
      this.#damages.clear()
      this.#disk.loss = undefined
    })
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
}
