/**
 * get, as in ABD (Attiya, Bar-Noy and Dolev, "Sharing Memory Robustly in Message-Passing Systems", 1995),
 * over every ring in force: learn the newest record of a quorum, and see that a quorum holds it before
 * answering, lest a later get finds an older one.
 */
import { isLive, type StoredRecord } from '../record/record.ts'
import { compareVersions, type Version } from '../record/version.ts'
import type { Operation } from './operation.ts'
import type { Placement } from './placement.ts'
import { Storing, Survey } from './questions.ts'
import { Tally } from './quorum.ts'
import { Round } from './round.ts'

export interface GetOutcome {
  /** The live record; undefined where there is none, it was deleted or it has expired. */
  readonly record: StoredRecord | undefined
  /** The version read, also of a delete or an expired record; undefined where nothing was ever stored. */
  readonly version: Version | undefined
}

export async function get(operation: Operation): Promise<GetOutcome> {
  const newest = await operation.acrossEpochs(placement => readNewest(operation, placement))
  const isThere = isLive(newest, operation.components.clock.now())
  return { record: isThere ? newest : undefined, version: newest?.version }
}

async function readNewest(operation: Operation, placement: Placement): Promise<StoredRecord | undefined> {
  const { key, position, consistency } = operation
  const survey = new Survey({ key, position, wantsRecord: true })
  const tally = new Tally(placement.rings, consistency)
  const round = new Round({ operation, placement, tally, question: survey })
  try {
    await round.run()
    for (
      let holder = unreadHolder(survey, placement);
      holder !== undefined;
      holder = unreadHolder(survey, placement)
    ) {
      // Should it fail at this, the round finds another quorum, in which the record may not even exist.
      survey.wantRecordFrom(holder)
      round.again(holder)
      await round.run()
    }
  } finally {
    round.cancel()
  }
  const { newest } = survey
  if (newest === undefined || survey.record === undefined) return undefined
  if (consistency !== 'one') await writeBack(operation, placement, survey.record, survey.holders(newest))
  return survey.record
}

/** Who holds the newest version, where that record has not come; the first to ask of them. */
function unreadHolder(survey: Survey, { candidates }: Placement): string | undefined {
  const { newest, record } = survey
  if (newest === undefined || (record !== undefined && compareVersions(record.version, newest) >= 0)) {
    return undefined
  }
  const holders = survey.holders(newest)
  return candidates.find(({ key }) => holders.includes(key))?.key
}

/** Resolves when a quorum of each ring has the record, `holders` among it; at once where they suffice. */
async function writeBack(
  operation: Operation,
  placement: Placement,
  record: StoredRecord,
  holders: readonly string[]
): Promise<void> {
  const tally = new Tally(placement.rings, operation.consistency)
  for (const key of holders) tally.vote(key)
  if (tally.isMet) return
  operation.components.logger.debug('a get writes back what it found')
  const question = new Storing({ record, isEffect: false, asksAll: false })
  const round = new Round({ operation, placement, tally, question })
  await round.run()
}
