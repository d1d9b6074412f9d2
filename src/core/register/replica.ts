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
  type Logger,
  type Store
} from '../ports.ts'
import type { Quota } from '../quota.ts'
import { decodeRecord, RecordFormatError } from '../record/codec.ts'
import type { StoredRecord } from '../record/record.ts'
import { formatPosition, positionBytes } from '../ring/position.ts'
import type { ResponseBody } from '../rpc-types.ts'
import { refusedCode, toWireVersion } from './wire.ts'

export interface ReplicaComponents {
  readonly store: Store
  readonly logger: Logger
  /** Left out: none. */
  readonly quota?: Pick<Quota, 'refusalOf'>
}

export class Replica {
  readonly #store: Store
  readonly #quota: Pick<Quota, 'refusalOf'> | undefined
  readonly #logger: Logger

  constructor({ store, logger, quota }: ReplicaComponents) {
    this.#store = store
    this.#logger = logger
    this.#quota = quota
  }

  /**
   * The version held, a tombstone's too; and whether there is no room for what is to be put, so that it is known before
   * any replica has stored it. Throws ServeError where the request is malformed.
   */
  async readVersion({ position, storing = 0 }: ReadVersion): Promise<ResponseBody> {
    assertPosition(position)
    return this.#answer(position, async () => {
      const head = await this.#store.head(position)
      const version = head === undefined ? {} : { version: toWireVersion(head.version) }
      const hasNoRoom = storing > 0 && this.#quota?.refusalOf(storing) !== undefined
      return { version: hasNoRoom ? { ...version, full: true } : version }
    })
  }

  /** The whole record held, a tombstone too. Throws ServeError where the request is malformed. */
  async readRecord({ position }: ReadRecord): Promise<ResponseBody> {
    assertPosition(position)
    return this.#answer(position, async () => {
      const record = await this.#store.read(position)
      return { record: { record: record?.encoded ?? new Uint8Array() } }
    })
  }

  /** Done once the record, or a newer one, is on disk. Throws ServeError where the record is malformed. */
  async writeRecord({ record: encoded, put = false }: WriteRecord): Promise<ResponseBody> {
    const record = decoded(encoded)
    return this.#answer(record.position, async () => {
      const refusal = put ? this.#quota?.refusalOf(record.size) : undefined
      if (refusal !== undefined) throw new StoreFullError(refusal)
      await this.#store.merge(record)
      return { done: {} }
    })
  }

  /** A damaged record has no vote, and neither has a disk that fails; the coordinator asks around both. */
  async #answer(position: Uint8Array, serve: () => Promise<ResponseBody>): Promise<ResponseBody> {
    try {
      return await serve()
    } catch (error) {
      if (error instanceof DamagedRecordError) {
        this.#logger.warn('a request for a damaged record is refused', { position: formatPosition(position) })
        return { refused: { code: refusedCode.damaged, reason: error.message } }
      }
      if (error instanceof StoreFullError)
        return { refused: { code: refusedCode.full, reason: error.message } }
      if (error instanceof StoreError) {
        this.#logger.error('the disk failed at a request', { error: error.message })
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
