/**
 * Moves the records of a session, once it is known which: fetches and takes in, reads and pushes, in ring
 * order, in batches of one message, within the bandwidth limit.
 */
import type { CancelSignal } from '../canceller.ts'
import { maxBatchBytes } from '../limits.ts'
import { DamagedRecordError, type Store } from '../ports.ts'
import { decodeRecord, RecordFormatError } from '../record/codec.ts'
import { slotOf } from '../record/fingerprints.ts'
import type { StoredRecord } from '../record/record.ts'
import { compareVersions } from '../record/version.ts'
import { comparePositions } from '../ring/position.ts'
import type { Domain } from './domain.ts'
import type { NodeSums } from './node-sums.ts'
import type { SentHead } from './packing.ts'
import { moved, type SessionProgress } from './progress.ts'
import { readUndamaged } from './reconcile-responder.ts'
import type { SessionCalls } from './session-calls.ts'
import { slotsOf } from './slot-tree.ts'
import type { Throttle } from './throttle.ts'
import { maxVersionsPerMessage, toWireVersions } from './wire.ts'
import type { SessionDomain } from '../../wire/generated/messages.ts'

/** Records and their encoded bytes. */
export interface Moved {
  records: number
  bytes: number
}

export interface ExchangeComponents {
  readonly store: Store
  readonly sums: NodeSums
  readonly throttle: Throttle
  readonly calls: SessionCalls
}

export interface ExchangeInit {
  readonly kind: SessionDomain
  readonly domain: Domain
  readonly signal: CancelSignal
  readonly progress: SessionProgress
}

export class Exchange {
  /** Records that are on disk here and came from there, and those that went the other way. */
  readonly received: Moved = { records: 0, bytes: 0 }
  readonly sent: Moved = { records: 0, bytes: 0 }
  /** Slots in which a record was found damaged on the way here, or in which the other member has one. */
  readonly damagedHere = new Set<number>()
  readonly damagedThere = new Set<number>()
  readonly #components: ExchangeComponents
  readonly #init: ExchangeInit

  constructor(components: ExchangeComponents, init: ExchangeInit) {
    this.#components = components
    this.#init = init
  }

  /** Fetches what the other holds of these heads, where it is newer than what is held here by now. */
  async fetch(heads: readonly SentHead[]): Promise<void> {
    const wanted: SentHead[] = []
    for (const head of inRingOrder(heads)) {
      if (await this.#isWanted(head)) wanted.push(head)
    }
    while (wanted.length > 0) {
      const positions = batchOf(wanted).map(({ position }) => position)
      await this.#components.throttle.ready(this.#init.signal)
      const page = await this.#components.calls.ask({ fetchRecords: { positions } }, 'recordPage')
      if (page.answered === 0 || page.answered > positions.length) this.#components.calls.refuse()
      for (const index of page.damaged) {
        const position = positions[index] ?? this.#components.calls.refuse()
        this.damagedThere.add(slotOf(position))
      }
      await this.#take(page.records)
      wanted.splice(0, page.answered)
    }
  }

  /** Takes all that the other holds in these nodes: this member holds nothing there. */
  async pullNodes(nodes: readonly number[]): Promise<void> {
    let left = nodes
    let after: Uint8Array = new Uint8Array()
    while (left.length > 0) {
      const streamNodes = { domain: this.#init.kind, nodes: [...left], after }
      await this.#components.throttle.ready(this.#init.signal)
      const page = await this.#components.calls.ask({ streamNodes }, 'recordStream')
      const isStuck = page.finished === 0 && (page.records.length === 0 || page.after.length === 0)
      if (isStuck || page.finished > left.length) this.#components.calls.refuse()
      for (const slot of page.damagedSlots) this.damagedThere.add(slot)
      await this.#take(page.records)
      left = left.slice(page.finished)
      after = page.after
    }
  }

  /** Gives the other all that is held in these nodes: it holds nothing there. */
  async pushNodes(nodes: readonly number[]): Promise<void> {
    const batch = new Batch()
    for (const node of nodes) {
      for await (const { position, size } of this.#components.sums.heads(this.#init.domain, slotsOf(node))) {
        if (!batch.hasRoomFor(size)) await this.#send(batch)
        await this.#add(batch, position)
      }
    }
    await this.#send(batch)
  }

  /** Gives the other what is held under the positions of these heads, or something newer. */
  async push(heads: readonly SentHead[]): Promise<void> {
    const batch = new Batch()
    for (const { position, size } of inRingOrder(heads)) {
      if (!batch.hasRoomFor(size)) await this.#send(batch)
      await this.#add(batch, position)
    }
    await this.#send(batch)
  }

  /** Likewise, but where it is not known whether the other holds something newer: it is asked first. */
  async offer(heads: readonly SentHead[]): Promise<void> {
    const offered = inRingOrder(heads)
    for (let first = 0; first < offered.length; first += maxVersionsPerMessage) {
      const some = offered.slice(first, first + maxVersionsPerMessage)
      const offerVersions = { versions: toWireVersions(some) }
      const { positions, damaged } = await this.#components.calls.ask({ offerVersions }, 'wanted')
      for (const position of damaged) this.damagedThere.add(slotOf(position))
      const wanted = new Set(positions.map(nameOf))
      await this.push(some.filter(({ position }) => wanted.has(nameOf(position))))
    }
  }

  /** Has records that came from the other on disk. */
  async #take(encoded: readonly Uint8Array[]): Promise<void> {
    if (encoded.length === 0) return
    const records = encoded.map(bytes => this.#decode(bytes))
    const bytes = records.reduce((sum, { size }) => sum + size, 0)
    // A purge may have come into force: what was read before it must not reach the store behind its drops.
    this.#components.calls.ensureEpoch()
    try {
      await this.#components.store.mergeAll(records)
    } catch (error) {
      // The others are on disk; the store knows which of its records are damaged.
      if (!(error instanceof DamagedRecordError)) throw error
    }
    this.#count(this.received, records.length, bytes)
    // Only now, when they are on disk: a session that is ended while it waits has moved them all the same.
    await this.#components.throttle.passed(bytes, this.#init.signal)
  }

  #decode(encoded: Uint8Array): StoredRecord {
    try {
      const record = decodeRecord(encoded)
      return this.#init.domain.has(record.position) ? record : this.#components.calls.refuse()
    } catch (error) {
      if (error instanceof RecordFormatError) this.#components.calls.refuse()
      throw error
    }
  }

  /** Reads the record under a position into a batch, unless it is damaged or gone. */
  async #add(batch: Batch, position: Uint8Array): Promise<void> {
    const record = await readUndamaged(this.#components.store, position)
    if (record === 'damaged') this.damagedHere.add(slotOf(position))
    else if (record !== undefined) batch.add(record)
  }

  async #send(batch: Batch): Promise<void> {
    if (batch.records.length === 0) return
    const { records, bytes } = batch.empty()
    const encoded = records.map(record => record.encoded)
    await this.#components.throttle.pass(bytes, this.#init.signal)
    const { damaged } = await this.#components.calls.ask(
      { pushRecords: { records: encoded } },
      'recordsTaken'
    )
    for (const index of damaged) {
      const { position } = records[index] ?? this.#components.calls.refuse()
      this.damagedThere.add(slotOf(position))
    }
    this.#count(this.sent, records.length, bytes)
  }

  #count(way: Moved, records: number, bytes: number): void {
    way.records += records
    way.bytes += bytes
    this.#init.progress.left -= records
    moved(this.#init.progress, records, bytes)
  }

  async #isWanted({ position, version }: SentHead): Promise<boolean> {
    try {
      const held = await this.#components.store.head(position)
      return compareVersions(held?.version, version) < 0
    } catch (error) {
      // It takes no writes; the store knows of it.
      if (error instanceof DamagedRecordError) return false
      throw error
    }
  }
}

/** Records that are to go in one message. */
class Batch {
  records: StoredRecord[] = []
  bytes = 0

  hasRoomFor(bytes: number): boolean {
    return this.records.length === 0 || this.bytes + bytes <= maxBatchBytes
  }

  add(record: StoredRecord): void {
    this.records.push(record)
    this.bytes += record.size
  }

  empty(): { records: readonly StoredRecord[]; bytes: number } {
    const { records, bytes } = this
    this.records = []
    this.bytes = 0
    return { records, bytes }
  }
}

/** As many from the front as fit one message, at least one. */
function batchOf(wanted: readonly SentHead[]): readonly SentHead[] {
  let bytes = 0
  let count = 0
  while (count < Math.min(wanted.length, maxVersionsPerMessage)) {
    bytes += wanted[count]!.size
    if (count > 0 && bytes > maxBatchBytes) break
    count++
  }
  return wanted.slice(0, count)
}

function inRingOrder(heads: readonly SentHead[]): SentHead[] {
  return heads.toSorted((a, b) => comparePositions(a.position, b.position))
}

function nameOf(position: Uint8Array): string {
  return Buffer.from(position.buffer, position.byteOffset, position.byteLength).toString('latin1')
}
