/**
 * One session with one source: lists the versions that the source holds in some ranges, fetches the records
 * that are newer than those held here, and has them on disk. All of it at one epoch.
 */
import type { MemberId } from '../member.ts'
import { maxBatchBytes } from '../limits.ts'
import { TransportError, type Store } from '../ports.ts'
import { decodeRecord } from '../record/codec.ts'
import { compareVersions } from '../record/version.ts'
import type { Calls } from '../rpc-types.ts'
import type { Range } from '../ring/range.ts'
import { fromWireVersions, maxRangesPerRequest, type HeldVersion } from './wire.ts'

/** How long one page may take, in ms; a session takes as many pages as it needs. */
const pageTimeoutMs = 10_000

export interface PullComponents {
  readonly calls: Calls
  readonly store: Store
}

export interface PullInit {
  readonly source: MemberId
  readonly ranges: readonly Range[]
  /** The epoch that both sides must be at from the session's begin to its end. */
  readonly epoch: number
  readonly signal: AbortSignal
  /** Told of what has arrived and is on disk. */
  readonly onProgress: (records: number, bytes: number) => void
}

/** The source answered at another epoch than the session's: it proves nothing for this one. */
export class EpochMovedError extends Error {
  override readonly name = 'EpochMovedError'
}

/**
 * Resolves when everything that the source held in the ranges, or something newer, is on disk here.
 * Throws EpochMovedError, or a TransportError where the source could not be asked.
 */
export async function pull(components: PullComponents, init: PullInit): Promise<void> {
  for (let first = 0; first < init.ranges.length; first += maxRangesPerRequest) {
    await pullRanges(components, { ...init, ranges: init.ranges.slice(first, first + maxRangesPerRequest) })
  }
}

async function pullRanges(components: PullComponents, init: PullInit): Promise<void> {
  const ranges = init.ranges.map(({ start, end }) => ({
    start: start as Uint8Array<ArrayBuffer>,
    end: end as Uint8Array<ArrayBuffer>
  }))
  let rangeIndex = 0
  let after: Uint8Array<ArrayBuffer> = new Uint8Array()
  for (;;) {
    const { versionPage: page } = await ask(components, init, { listVersions: { ranges, rangeIndex, after } })
    if (page === undefined) throw noAnswer(init.source)
    await fetchNewer(components, init, fromWireVersions(page.versions))
    if (page.finished) return
    rangeIndex = page.rangeIndex
    after = page.after
  }
}

async function fetchNewer(components: PullComponents, init: PullInit, held: HeldVersion[]): Promise<void> {
  const wanted: HeldVersion[] = []
  for (const there of held) {
    const here = await components.store.head(there.position)
    if (compareVersions(here?.version, there.version) < 0) wanted.push(there)
  }
  while (wanted.length > 0) {
    const positions = batchOf(wanted).map(({ position }) => position as Uint8Array<ArrayBuffer>)
    const { recordPage: page } = await ask(components, init, { fetchRecords: { positions } })
    if (page === undefined || page.answered === 0) throw noAnswer(init.source)
    const records = page.records.map(encoded => decodeRecord(encoded))
    await components.store.mergeAll(records)
    init.onProgress(
      records.length,
      records.reduce((bytes, record) => bytes + record.size, 0)
    )
    wanted.splice(0, page.answered)
  }
}

/** As many from the front as fit one message, at least one. */
function batchOf(wanted: readonly HeldVersion[]): readonly HeldVersion[] {
  let bytes = 0
  let count = 0
  while (count < wanted.length && (count === 0 || bytes + wanted[count]!.size <= maxBatchBytes)) {
    bytes += wanted[count]!.size
    count++
  }
  return wanted.slice(0, count)
}

async function ask(
  components: PullComponents,
  init: PullInit,
  request: Parameters<Calls['call']>[1]
): ReturnType<Calls['call']> {
  init.signal.throwIfAborted()
  const response = await components.calls.call(init.source, request, {
    timeoutMs: pageTimeoutMs,
    signal: init.signal,
    bulk: true
  })
  if (response.epoch !== init.epoch) {
    throw new EpochMovedError(`${init.source.peerId} answered at epoch ${response.epoch}, not ${init.epoch}`)
  }
  return response
}

function noAnswer(source: MemberId): TransportError {
  return new TransportError('internal', `${source.peerId} sent no page of what was asked`, {
    delivered: true
  })
}
