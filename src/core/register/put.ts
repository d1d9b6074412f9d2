/**
 * put and delete, as in the multi-writer form of ABD (Lynch and Shvartsman, "Robust Emulation of Shared Memory
 * Using Dynamic Quorum-Acknowledged Broadcasts", 1997), over every ring in force: learn the newest version of
 * a quorum, stamp the record with a newer one, and store it at a quorum.
 *
 * A record has one stamp, whatever becomes of the attempts to store it. Stamped anew after it may have been
 * stored, a put could take effect twice, the second time over a later put of another's.
 */
import { encodeRecord, headBytesOf } from '../record/codec.ts'
import type { HybridClock } from '../record/hybrid-clock.ts'
import type { RecordKind, StoredRecord } from '../record/record.ts'
import type { Version } from '../record/version.ts'
import type { Operation } from './operation.ts'
import type { Placement } from './placement.ts'
import { Storing, Survey } from './questions.ts'
import { Tally } from './quorum.ts'
import { Round } from './round.ts'

/** What is to be stored. */
export interface Content {
  readonly kind: RecordKind
  readonly value: Uint8Array
  /** Ms since 1970; 0: never. */
  readonly expiresAt: number
}

/** Who stamps. */
export interface Stamper {
  readonly hybridClock: HybridClock
  readonly writer: Uint8Array
}

export interface PutOutcome {
  readonly version: Version
  /** How many replicas, of both rings together, were known to have it on disk at the return. */
  readonly replicas: number
}

export async function put(operation: Operation, content: Content, stamper: Stamper): Promise<PutOutcome> {
  let record: StoredRecord | undefined
  return operation.acrossEpochs(async placement => {
    // Kept across epochs: the newest version was learnt after the put began, and that is all it takes.
    if (record === undefined) {
      record = stamped(operation, content, stamper, await newestTime(operation, placement, content))
    } else operation.components.logger.debug('stores again with the stamp it has')
    // Sent once more, it could come in after a purge has made an end of the tombstone that is newer than it.
    if (record.version.time < placement.fence) throw operation.overtaken()
    return store(operation, placement, record)
  })
}

/**
 * What to stamp past: the newest time that a quorum of each ring knows, where order is asked for, and the fence. Those
 * that have no room for the value do not count, so that a put ends before any replica has stored it where too few have.
 */
async function newestTime(
  operation: Operation,
  placement: Placement,
  { kind, value }: Content
): Promise<number> {
  const { key, position, consistency } = operation
  if (consistency === 'one') return placement.fence
  const storing = kind === 'value' ? { storing: headBytesOf(key.length) + value.length } : {}
  const question = new Survey({ key, position, wantsRecord: false, ...storing })
  const tally = new Tally(placement.rings, consistency)
  const round = new Round({ operation, placement, tally, question })
  await round.run()
  round.cancel()
  return Math.max(placement.fence, question.newest?.time ?? 0)
}

function stamped(
  operation: Operation,
  { kind, value, expiresAt }: Content,
  { hybridClock, writer }: Stamper,
  after: number
): StoredRecord {
  try {
    const version = { time: hybridClock.next(after), writer, rmw: 0 }
    const { key, position } = operation
    return encodeRecord({ key, position, version, kind, expiresAt, value })
  } catch (cause) {
    // A clock beyond all bounds, or arguments that nobody checked.
    throw operation.error('ERR_INTERNAL', `${operation.name} made no record: ${String(cause)}`, { cause })
  }
}

/** Sends to all replicas, and does not call back those that are slower than the quorum. */
async function store(operation: Operation, placement: Placement, record: StoredRecord): Promise<PutOutcome> {
  const tally = new Tally(placement.rings, operation.consistency)
  const question = new Storing({ record, isEffect: true, asksAll: true })
  await new Round({ operation, placement, tally, question }).run()
  return { version: record.version, replicas: tally.voted.length }
}
