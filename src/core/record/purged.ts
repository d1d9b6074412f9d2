/**
 * Which records a purge makes an end of: tombstones, and values that have expired. Pure; used by whatever shows
 * what a store holds, and by whatever drops it.
 */
import type { RecordHead } from './record.ts'

const microsecondsPerMs = 1000

/**
 * The time, in microseconds since 1970, of which a purge of all before a later one makes an end of this record;
 * undefined for a value that never expires, which no purge touches.
 */
export function endOf({ kind, version, expiresAt }: RecordHead): number | undefined {
  if (kind === 'tombstone') return version.time
  return expiresAt === 0 ? undefined : Math.max(version.time, expiresAt * microsecondsPerMs)
}

/**
 * Whether a record does not exist any more, whether or not it still lies in a store. The time comes from the
 * log, so all who are at one epoch say the same, whatever their clocks show.
 */
export function isPurged(record: RecordHead, purgedBefore: number): boolean {
  const end = endOf(record)
  return end !== undefined && end < purgedBefore
}

/** The time of a purge, in whole ms since 1970, as users see it. */
export function purgeTimeMs(purgedBefore: number): number {
  return Math.floor(purgedBefore / microsecondsPerMs)
}
