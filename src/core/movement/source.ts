/**
 * The side of a session that is asked for records by their positions: hands them out, says which of those that
 * are offered it wants, and takes them in. The dispatcher has seen to it that both sides are at the same epoch.
 */
import type { FetchRecords, OfferVersions, PushRecords } from '../../wire/generated/messages.ts'
import type { CancelSignal } from '../canceller.ts'
import { maxBatchBytes } from '../limits.ts'
import { DamagedRecordError, ServeError, type Store } from '../ports.ts'
import { decodeRecord } from '../record/codec.ts'
import type { RecordHead } from '../record/record.ts'
import { compareVersions } from '../record/version.ts'
import type { ResponseBody } from '../rpc-types.ts'
import type { Admission } from './admission.ts'
import { readUndamaged } from './reconcile-responder.ts'
import { checkedPosition, fromWireVersions, maxVersionsPerMessage } from './wire.ts'

/** Until when whoever asks waits. */
export interface SourceAsked {
  readonly signal: CancelSignal
}

export interface MovementSourceComponents {
  readonly store: Store
  readonly admission: Admission
}

export class MovementSource {
  readonly #components: MovementSourceComponents

  constructor(components: MovementSourceComponents) {
    this.#components = components
  }

  /** As many of the records asked, in their order, as fit one message; at least one. */
  async fetchRecords(message: FetchRecords, { signal }: SourceAsked): Promise<ResponseBody> {
    const { admission } = this.#components
    const page = await admission.giveRecords(
      () => this.#pageOf(message),
      ({ bytes }) => bytes,
      signal
    )
    return { recordPage: page.recordPage }
  }

  /** Which of the records offered are newer than what is held here. */
  offerVersions(message: OfferVersions): Promise<ResponseBody> {
    const { admission, store } = this.#components
    return admission.serve(async () => {
      const positions: Uint8Array[] = []
      const damaged: Uint8Array[] = []
      for (const { position, version } of fromWireVersions(message.versions)) {
        const held = await headUnlessDamaged(store, position)
        if (held === 'damaged') damaged.push(position)
        else if (compareVersions(held?.version, version) < 0) positions.push(position)
      }
      return { wanted: { positions, damaged } }
    })
  }

  /**
   * Answered once all of them, or newer ones, are on disk, but for those that it names. They are on their way to the
   * store in the step in which this is called.
   */
  pushRecords(message: PushRecords, { signal }: SourceAsked): Promise<ResponseBody> {
    const bytes = message.records.reduce((sum, { length }) => sum + length, 0)
    return this.#components.admission.takeRecords(() => this.#take(message), bytes, signal)
  }

  async #pageOf({ positions }: FetchRecords): Promise<{
    readonly bytes: number
    readonly recordPage: NonNullable<ResponseBody['recordPage']>
  }> {
    if (positions.length > maxVersionsPerMessage) {
      throw new ServeError('bad-request', `${positions.length} positions in a request`)
    }
    const records: Uint8Array[] = []
    const damaged: number[] = []
    let bytes = 0
    let answered = 0
    for (const position of positions) {
      const record = await readUndamaged(this.#components.store, checkedPosition(position))
      if (record === 'damaged') damaged.push(answered)
      else if (record !== undefined) {
        if (records.length > 0 && bytes + record.size > maxBatchBytes) break
        records.push(record.encoded)
        bytes += record.size
      }
      answered++
    }
    return { bytes, recordPage: { records, answered, damaged } }
  }

  async #take(message: PushRecords): Promise<ResponseBody> {
    const { store } = this.#components
    const records = message.records.map(decodeOrRefuse)
    const damaged: number[] = []
    try {
      await store.mergeAll(records)
    } catch (error) {
      if (!(error instanceof DamagedRecordError)) throw error
      for (const [index, { position }] of records.entries())
        if ((await headUnlessDamaged(store, position)) === 'damaged') damaged.push(index)
    }
    return { recordsTaken: { damaged } }
  }
}

/** What is held may be newer or older than anything that is offered: it takes no writes, so nobody knows. */
async function headUnlessDamaged(
  store: Store,
  position: Uint8Array
): Promise<RecordHead | 'damaged' | undefined> {
  try {
    return await store.head(position)
  } catch (error) {
    if (error instanceof DamagedRecordError) return 'damaged'
    throw error
  }
}

function decodeOrRefuse(encoded: Uint8Array): ReturnType<typeof decodeRecord> {
  try {
    return decodeRecord(encoded)
  } catch (error) {
    throw new ServeError('bad-request', `a record does not decode: ${String(error)}`)
  }
}
