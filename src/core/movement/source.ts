/**
 * The side that is asked: lists the versions it holds, hands out records, and takes in what displaced peers
 * offer. The dispatcher has seen to it that both sides are at the same epoch.
 */
import type {
  FetchRecords,
  ListVersions,
  OfferVersions,
  PushRecords,
  VersionPage
} from '../../wire/generated/messages.ts'
import { maxBatchBytes } from '../limits.ts'
import { DamagedRecordError, ServeError, type Store } from '../ports.ts'
import { decodeRecord } from '../record/codec.ts'
import { compareVersions } from '../record/version.ts'
import type { ResponseBody } from '../rpc-types.ts'
import {
  checkedPosition,
  fromWireRanges,
  fromWireVersions,
  maxVersionsPerMessage,
  toWireVersions
} from './wire.ts'

export class MovementSource {
  readonly #store: Store

  constructor(components: { readonly store: Store }) {
    this.#store = components.store
  }

  /**
   * A page of the versions held in the ranges asked, and where the next one begins. It names the ranges in
   * which a record is damaged: nobody may take it that this is all that was ever stored there.
   */
  async listVersions(message: ListVersions): Promise<ResponseBody> {
    const ranges = fromWireRanges(message.ranges)
    let rangeIndex = message.rangeIndex
    let after = message.after.length === 0 ? undefined : checkedPosition(message.after)
    const versions = []
    const damaged = new Set<number>()
    while (rangeIndex < ranges.length) {
      const limit = maxVersionsPerMessage - versions.length
      const onDamaged = (): void => void damaged.add(rangeIndex)
      const heads = await this.#store.heads(
        ranges[rangeIndex]!,
        after === undefined ? { limit, onDamaged } : { limit, after, onDamaged }
      )
      versions.push(...toWireVersions(heads))
      if (versions.length >= maxVersionsPerMessage) {
        return {
          versionPage: pageOf({
            versions,
            damaged,
            finished: false,
            rangeIndex,
            after: heads.at(-1)!.position
          })
        }
      }
      rangeIndex++
      after = undefined
    }
    return { versionPage: pageOf({ versions, damaged, finished: true, rangeIndex, after: new Uint8Array() }) }
  }

  /** As many of the records asked, in their order, as fit one message; at least one. */
  async fetchRecords(message: FetchRecords): Promise<ResponseBody> {
    if (message.positions.length > maxVersionsPerMessage) {
      throw new ServeError('bad-request', `${message.positions.length} positions in a request`)
    }
    const records: Uint8Array[] = []
    let bytes = 0
    let answered = 0
    for (const position of message.positions) {
      const record = await this.#store.read(checkedPosition(position))
      if (record !== undefined) {
        if (records.length > 0 && bytes + record.size > maxBatchBytes) break
        records.push(record.encoded)
        bytes += record.size
      }
      answered++
    }
    return { recordPage: { records, answered } }
  }

  /** Which of the records offered are newer than what is held here. */
  async offerVersions(message: OfferVersions): Promise<ResponseBody> {
    const positions: Uint8Array[] = []
    for (const offered of fromWireVersions(message.versions)) {
      const held = await this.#headUnlessDamaged(offered.position)
      if (compareVersions(held?.version, offered.version) < 0) {
        positions.push(offered.position)
      }
    }
    return { wanted: { positions } }
  }

  /** Answered once all of them, or newer ones, are on disk. */
  async pushRecords(message: PushRecords): Promise<ResponseBody> {
    await this.#store.mergeAll(message.records.map(decodeOrRefuse))
    return { done: {} }
  }

  async #headUnlessDamaged(position: Uint8Array): ReturnType<Store['head']> {
    try {
      return await this.#store.head(position)
    } catch (error) {
      // Held as far as anyone knows, but it takes no writes: the offer waits for the repair.
      if (error instanceof DamagedRecordError) throw new ServeError('internal', error.message)
      throw error
    }
  }
}

function pageOf({
  damaged,
  after,
  ...page
}: Pick<VersionPage, 'versions' | 'finished' | 'rangeIndex'> & {
  readonly damaged: ReadonlySet<number>
  readonly after: Uint8Array
}): VersionPage {
  return { ...page, after: after, damagedRanges: [...damaged] }
}

function decodeOrRefuse(encoded: Uint8Array): ReturnType<typeof decodeRecord> {
  try {
    return decodeRecord(encoded)
  } catch (error) {
    throw new ServeError('bad-request', `a record does not decode: ${String(error)}`)
  }
}
