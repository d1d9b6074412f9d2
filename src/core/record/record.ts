/** What a store holds under a position: the newest write of one key that this peer knows. */
import type { Version } from './version.ts'

/** `tombstone`: the record of a delete. It has no value. */
export type RecordKind = 'value' | 'tombstone'

/** All of a record but its key and value: what a version round or a listing needs. */
export interface RecordHead {
  /** SHA-256 of the key: where it lies on the ring and in the store. 32 bytes. */
  readonly position: Uint8Array
  readonly version: Version
  readonly kind: RecordKind
  /** Ms since 1970 from which on the record reads as absent; 0: never. It keeps its bytes all the same. */
  readonly expiresAt: number
  /** Bytes of the encoded record. */
  readonly size: number
}

export interface StoredRecord extends RecordHead {
  readonly key: Uint8Array
  /** Empty for a tombstone. */
  readonly value: Uint8Array
  /** The record with its checksums as it goes over the wire and to disk; see codec.ts. */
  readonly encoded: Uint8Array
}

/** Whether there is something to answer a get with, judged at `now` (ms since 1970). */
export function isLive(record: RecordHead | undefined, now: number): boolean {
  return record !== undefined && record.kind === 'value' && (record.expiresAt === 0 || record.expiresAt > now)
}
