/**
 * When the log says that old tombstones exist no more. Pure; used by decide.ts and, at the edge, by whoever takes
 * records in from others.
 *
 * A tombstone must not go while any store has, or may yet get, an older record of its key: that one would be
 * back. So a purge of all before T follows when every member has reported, at one epoch with no transition open,
 * that all its ranges were reconciled with all their replicas. What was stored anywhere when those sessions
 * began is by then at all its replicas. What came later must not be older than T, and no clock can promise that.
 * The fence does:
 *
 *     epoch   entry                         since then
 *     7       purge before 0, fence F       nothing is stamped below F, and what was and is under way is let go
 *     8       purge before T <= F, ...      each tombstone of before T was in some store when epoch 7 began,
 *                                           so the sessions of epoch 7 brought it everywhere
 *
 * Each purge sets the fence for the next one. The grace is a courtesy, not what safety rests on: members that
 * are started with different ones only disagree on when a purge is worth proposing.
 */
import { memberKey, type MemberId } from '../member.ts'
import { isPurged } from '../record/purged.ts'
import type { RecordHead } from '../record/record.ts'
import type { Purge } from './entry.ts'
import { isGone, type Topology } from './topology.ts'

/** How old a tombstone or an expired record is before a purge is tried, in ms: time for stragglers, 24 h. */
export const defaultTombstoneGraceMs = 86_400_000

/**
 * Into how many steps a grace is divided: a purge moves by a step at least, which is an hour by default, so that
 * a cluster that deletes all the time does not fill its log, and its epochs last.
 */
export const stepsPerGrace = 24

const microsecondsPerMs = 1000

/** What a member said of itself at the epoch in force. Times in microseconds since 1970. */
export interface PurgeReport {
  /** When the first of the sessions began that reconciled it with all. */
  readonly since: number
  /** A purge of all before a later time than this one drops something; 0: none does. */
  readonly oldest: number
}

export interface PurgeView {
  /** What a member reported at this epoch. */
  readonly reportOf: (member: MemberId) => PurgeReport | undefined
  readonly tombstoneGraceMs: number
}

/** The purge that is due; undefined where none is, or where a member has not reported: it may be away. */
export function purgeDue(topology: Topology, { reportOf, tombstoneGraceMs }: PurgeView): Purge | undefined {
  if (topology.transition !== undefined) return undefined
  const reports = topology.current.map(reportOf)
  const known = reports.filter(report => report !== undefined)
  if (known.length < reports.length) return undefined
  const graceUs = tombstoneGraceMs * microsecondsPerMs
  const since = Math.min(...known.map(report => report.since))
  const oldest = Math.min(...known.map(report => (report.oldest === 0 ? Infinity : report.oldest)))
  const wanted = Math.floor(since - graceUs)
  if (oldest >= wanted || wanted < topology.purgedBefore + graceUs / stepsPerGrace) return undefined
  const before = Math.max(topology.purgedBefore, Math.min(wanted, topology.fence))
  const fence = Math.max(topology.fence, since)
  // Where it reaches nothing, it is for the fence alone; but then that has to be in the way.
  if (oldest >= before && topology.fence >= wanted) return undefined
  return { kind: 'purge', epoch: topology.epoch + 1, before, fence }
}

/**
 * Whether what a member holds of a record counts, for itself and for others. What was purged does not. Nor does
 * what a member that has gone still has of before the fence: nobody waits for its report, so it may be a record
 * that was deleted since, or a tombstone that no other has. What was acknowledged of that others took over.
 */
export function counts(topology: Topology | undefined, holder: MemberId, record: RecordHead): boolean {
  if (topology === undefined || topology.fence === 0) return true
  if (isPurged(record, topology.purgedBefore)) return false
  if (record.version.time >= topology.fence) return true
  const member = topology.member(holder)
  return member !== undefined && !isGone(member)
}

/** Reports of members at one epoch; those of another count for nothing. Used by the steward. */
export class PurgeReports {
  readonly #reports = new Map<string, PurgeReport>()

  note(member: MemberId, report: PurgeReport): void {
    this.#reports.set(memberKey(member), report)
  }

  of(member: MemberId): PurgeReport | undefined {
    return this.#reports.get(memberKey(member))
  }

  clear(): void {
    this.#reports.clear()
  }
}
