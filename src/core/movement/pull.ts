/**
 * One session with one source: lists the versions that the source holds in some ranges, fetches the records
 * that are newer than those held here, and has them on disk. All of it at one epoch.
 */
import { maxBatchBytes } from '../limits.ts'
import type { MemberId } from '../member.ts'
import { DamagedRecordError, type Store } from '../ports.ts'
import { decodeRecord } from '../record/codec.ts'
import { compareVersions } from '../record/version.ts'
import type { Calls } from '../rpc-types.ts'
import type { Range } from '../ring/range.ts'
import { ask, noAnswer, type AskInit } from './ask.ts'
import { fromWireVersions, maxRangesPerRequest, type HeldVersion } from './wire.ts'

export interface PullComponents {
  readonly calls: Calls
  readonly store: Store
}

/** The epoch is that of both sides from the session's begin to its end. */
export interface PullInit extends AskInit {
  readonly source: MemberId
  readonly ranges: readonly Range[]
  /** Told of what has arrived and is on disk. */
  readonly onProgress: (records: number, bytes: number) => void
  /** Told of a range in which the source has a damaged record: there it proves nothing. May be told twice. */
  readonly onDamaged?: (range: Range) => void
}

/**
 * Resolves when everything that the source listed in the ranges, or something newer, is on disk here; but for
 * records that are damaged here, which take no writes and cast no votes until they are repaired. Throws
 * EpochMovedError, a TransportError where the source could not be asked, or the signal's reason.
 */
export async function pull(components: PullComponents, init: PullInit): Promise<void> {
  for (let first = 0; first < init.ranges.length; first += maxRangesPerRequest) {
    await pullRanges(components, { ...init, ranges: init.ranges.slice(first, first + maxRangesPerRequest) })
  }
}

async function pullRanges(components: PullComponents, init: PullInit): Promise<void> {
  const ranges = init.ranges.map(({ start, end }) => ({
    start: start,
    end: end
  }))
  let rangeIndex = 0
  let after: Uint8Array = new Uint8Array()
  for (;;) {
    const request = { listVersions: { ranges, rangeIndex, after } }
    const { versionPage: page } = await ask(components.calls, init.source, init, request)
    if (page === undefined) throw noAnswer(init.source)
    for (const index of page.damagedRanges) {
      const range = init.ranges[index]
      if (range !== undefined) init.onDamaged?.(range)
    }
    await fetchNewer(components, init, fromWireVersions(page.versions))
    if (page.finished) return
    rangeIndex = page.rangeIndex
    after = page.after
  }
}

async function fetchNewer(components: PullComponents, init: PullInit, held: HeldVersion[]): Promise<void> {
  const { calls, store } = components
  const wanted: HeldVersion[] = []
  for (const there of held) if (await isWanted(store, there)) wanted.push(there)
  while (wanted.length > 0) {
    const positions = batchOf(wanted).map(({ position }) => position)
    const { recordPage: page } = await ask(calls, init.source, init, { fetchRecords: { positions } })
    if (page === undefined || page.answered === 0) throw noAnswer(init.source)
    const records = page.records.map(encoded => decodeRecord(encoded))
    await store.mergeAll(records)
    init.onProgress(
      records.length,
      records.reduce((bytes, record) => bytes + record.size, 0)
    )
    wanted.splice(0, page.answered)
  }
}

async function isWanted(store: Store, there: HeldVersion): Promise<boolean> {
  try {
    const here = await store.head(there.position)
    return compareVersions(here?.version, there.version) < 0
  } catch (error) {
    // One damaged record must not keep a transition open: its repair fetches it.
    if (error instanceof DamagedRecordError) return false
    throw error
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
