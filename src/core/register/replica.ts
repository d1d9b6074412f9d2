/**
 * The replica's side of the register: answers for the records of this peer's store. Used by the dispatcher of
 * requests, which puts this peer's epoch into the answer at the moment of sending.
 *
 * Every answer is a vote, so each speaks only of what is on disk; the Store port sees to that.
 */
import type { ReadRecord, ReadVersion, WriteRecord } from '../../wire/generated/messages.ts'
import {
  DamagedRecordError,
  ServeError,
  StoreError,
  StoreFullError,
  type Clock,
  type Logger,
  type Store
} from '../ports.ts'
import type { Quota } from '../quota.ts'
import { decodeRecord, RecordFormatError } from '../record/codec.ts'
import type { StoredRecord } from '../record/record.ts'
import type { MemberId } from '../member.ts'
import { formatPosition, positionBytes } from '../ring/position.ts'
import type { Refusals } from '../requests/refusals.ts'
import type { ResponseBody } from '../rpc-types.ts'
import { refusedCode, toWireVersion } from './wire.ts'

export interface ReplicaComponents {
  readonly store: Store
  readonly logger: Logger
  /** Left out: none. */
  readonly quota?: Pick<Quota, 'refusalOf'>
  /** By which stamps are looked at; left out: they are not. */
  readonly clock?: Pick<Clock, 'now'>
  /** Told of puts whose stamp is far ahead of this clock. */
  readonly refusals?: Pick<Refusals, 'note'>
}

/** How far ahead of this peer's wall clock the stamp of a put is told of, in ms: beyond any clock that is cared for. */
export const maxAheadMs = 3_600_000

export class Replica {
  readonly #components: ReplicaComponents

  constructor(components: ReplicaComponents) {
    this.#components = components
  }

  /**
   * The version held, a tombstone's too; and whether there is no room for what is to be put, so that it is known before
   * any replica has stored it. Throws ServeError where the request is malformed.
   */
  async readVersion({ position, storing = 0 }: ReadVersion): Promise<ResponseBody> {
    assertPosition(position)
    return this.#answer(position, async () => {
      const head = await this.#components.store.head(position)
      const version = head === undefined ? {} : { version: toWireVersion(head.version) }
      const hasNoRoom = storing > 0 && this.#components.quota?.refusalOf(storing) !== undefined
      return { version: hasNoRoom ? { ...version, full: true } : version }
    })
  }

  /** The whole record held, a tombstone too. Throws ServeError where the request is malformed. */
  async readRecord({ position }: ReadRecord): Promise<ResponseBody> {
    assertPosition(position)
    return this.#answer(position, async () => {
      const record = await this.#components.store.read(position)
      return { record: { record: record?.encoded ?? new Uint8Array() } }
    })
  }

  /** Done once the record, or a newer one, is on disk. Throws ServeError where the record is malformed. */
  async writeRecord({ record: encoded, put = false }: WriteRecord, from?: MemberId): Promise<ResponseBody> {
    const record = decoded(encoded)
    if (put && from !== undefined) this.#lookAtStamp(record, from)
    return this.#answer(record.position, async () => {
      const refusal = put ? this.#components.quota?.refusalOf(record.size) : undefined
      if (refusal !== undefined) throw new StoreFullError(refusal)
      await this.#components.store.merge(record)
      return { done: {} }
    })
  }

  /**
   * A stamp that is far ahead tells of a clock that is. It is taken all the same: who refused it would refuse all writes of
   * a key that has such a stamp, and of a peer that has met one, and all where its own clock is what is wrong.
   */
  #lookAtStamp({ version }: StoredRecord, { peerId }: MemberId): void {
    const { clock, refusals } = this.#components
    const aheadMs = clock === undefined ? 0 : version.time / 1000 - clock.now()
    if (aheadMs <= maxAheadMs) return
    const seconds = Math.round(aheadMs / 1000)
    refusals?.note(peerId, 'ahead', `a put stamped ${seconds} s ahead of the clock here, which was taken`)
  }

  /** A damaged record has no vote, and neither has a disk that fails; the coordinator asks around both. */
  async #answer(position: Uint8Array, serve: () => Promise<ResponseBody>): Promise<ResponseBody> {
    try {
      return await serve()
    } catch (error) {
      if (error instanceof DamagedRecordError) {
        this.#components.logger.warn('a request for a damaged record is refused', {
          position: formatPosition(position)
        })
        return { refused: { code: refusedCode.damaged, reason: error.message } }
      }
      if (error instanceof StoreFullError)
        return { refused: { code: refusedCode.full, reason: error.message } }
      if (error instanceof StoreError) {
        this.#components.logger.error('the disk failed at a request', { error: error.message })
        return { refused: { code: refusedCode.disk, reason: error.message } }
      }
      throw error
    }
  }
}

function assertPosition(position: Uint8Array): void {
  if (position.length === positionBytes) return
  throw new ServeError('bad-request', `a position has ${positionBytes} bytes, this one ${position.length}`)
}

function decoded(bytes: Uint8Array): StoredRecord {
  try {
    return decodeRecord(bytes)
  } catch (error) {
    if (error instanceof RecordFormatError) throw new ServeError('bad-request', error.message)
    throw error
  }
}
