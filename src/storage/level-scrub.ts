/**
 * Reads the records of a LevelDB store anew, slot by slot, and says what is amiss: the work behind the store's `scrub`.
 *
 * LevelDB has a checksum for each block of its tables, but classic-level has no way to have it verified. So a bit that
 * flips in a value is found by the record's own checksums. One that flips in a row's key makes the row come up at
 * another position, where it is damaged, as the head's checksum covers the position; and the record is gone from its
 * own position without a trace, but for the slot's fingerprint.
 */
import { DamagedRecordError, type Scrubbed, type ScrubbedPart } from '../core/ports.ts'
import type { Fingerprints } from '../core/record/fingerprints.ts'
import { Recount } from '../core/record/recount.ts'
import type { CheckedLevel } from './checked-level.ts'
import type { RecordRows } from './record-rows.ts'
import { positionIn, recordRowsIn } from './rows.ts'
import { segmentOfSlots } from './segments.ts'

/** Rows read in one turn of the event loop: well under a millisecond. */
const rowsPerTurn = 64

export interface LevelScrubComponents {
  readonly level: CheckedLevel
  readonly rows: RecordRows
  readonly index: Fingerprints
  /** Runs an action while no batch is under way; rejects once the store closes. */
  readonly alone: (action: () => Promise<number>) => Promise<number>
}

export interface LevelScrubInit {
  readonly first: number
  readonly end: number
  readonly pace: (read: ScrubbedPart) => Promise<void>
}

export async function scrub(components: LevelScrubComponents, init: LevelScrubInit): Promise<Scrubbed> {
  const { index, alone } = components
  const { first, end } = init
  await index.completed
  const { recount, damaged } = await verify(components, init)
  // Where writes came between, or damage is being counted out, that is not what is there. So it is counted again, with
  // nothing under way, and after what was found damaged above has been counted out.
  if (recount.differing(index).length === 0) return { damaged, miscounted: 0 }
  await index.completed
  const miscounted = await alone(async () => (await count(components, first, end)).correct(index))
  return { damaged, miscounted }
}

/** Reads all values there, those that are kept apart too. */
async function verify(
  { level, rows, index }: LevelScrubComponents,
  { first, end, pace }: LevelScrubInit
): Promise<{ recount: Recount; damaged: number }> {
  const recount = new Recount(first, end)
  const apart: Array<{ position: Uint8Array; size: number }> = []
  let damaged = 0
  for await (const page of level.walk(recordRowsIn(segmentOfSlots(first, end)), rowsPerTurn)) {
    let bytes = 0
    for (const [key, row] of page) {
      const position = positionIn(key)
      const isKnown = index.isDamaged(position)
      const found = rows.verified(position, row)
      bytes += row.length
      if (found === undefined) damaged += isKnown ? 0 : 1
      else {
        recount.add(found.head)
        if (found.isApart) apart.push({ position: new Uint8Array(position), size: found.head.size })
      }
    }
    await pace({ records: page.length, bytes })
  }
  for (const { position, size } of apart) {
    if (await isDamaged(rows, position)) damaged++
    await pace({ records: 0, bytes: size })
  }
  return { recount, damaged }
}

async function isDamaged(rows: RecordRows, position: Uint8Array): Promise<boolean> {
  try {
    await rows.read(position)
    return false
  } catch (error) {
    if (error instanceof DamagedRecordError) return true
    throw error
  }
}

async function count({ level, rows }: LevelScrubComponents, first: number, end: number): Promise<Recount> {
  const recount = new Recount(first, end)
  for await (const page of level.walk(recordRowsIn(segmentOfSlots(first, end)))) {
    for (const [key, row] of page) {
      const head = rows.decoded(positionIn(key), row)
      if (head !== undefined) recount.add(head)
    }
  }
  return recount
}
