/**
 * Repairs records that are damaged on this member's disk, with the newest that enough other replicas have. Until
 * then the record takes no reads and no writes here, and casts no votes. Used by the mover.
 *
 * Why n - q + 1 others of every ring in force are enough: a write that was acknowledged lies on q of n replicas.
 * Where the damaged record was one of these copies, q - 1 are among the others, and any n - q + 1 of those n - 1
 * hold one: (q - 1) + (n - q + 1) > n - 1. So the newest of their answers is as new as any write that was ever
 * acknowledged; and where all of them have nothing, there was none, and the damaged record may go. A put may still
 * be under way that counts on what was damaged, its other copies yet to come: so nobody is asked before the longest
 * deadline has passed. All answer at one epoch, so that all voted for the same rings.
 *
 * A ring after in which this member is the only replica has no others. What was acknowledged while it is in force was so in
 * the ring before, too, whose others are enough; and they are to answer before they have gone.
 */
import type { CancelSignal } from '../canceller.ts'
import { sameMember, type MemberId } from '../member.ts'
import { maxDeadlineMs } from '../limits.ts'
import type { Clock, Logger, Store } from '../ports.ts'
import { decodeRecord, RecordFormatError } from '../record/codec.ts'
import { slotCount } from '../record/fingerprints.ts'
import type { StoredRecord } from '../record/record.ts'
import { compareVersions } from '../record/version.ts'
import { comparePositions, formatPosition } from '../ring/position.ts'
import type { Calls } from '../rpc-types.ts'
import type { Topology } from '../topology/topology.ts'
import { pullCount } from '../topology/transition.ts'
import { ask, ensureEpoch } from './ask.ts'

/** Before one that too few others answered for is tried again, in ms. */
const retryMs = 5_000

export interface RepairerComponents {
  readonly calls: Calls
  readonly store: Pick<Store, 'fingerprints' | 'repair'>
  readonly clock: Clock
  readonly logger: Logger
  /** The epoch that this member is at. */
  readonly epoch: () => number
}

export interface RepairerInit {
  readonly self: MemberId
}

interface Damage {
  readonly position: Uint8Array
  /** Monotonic time in ms. */
  dueMs: number
}

/** What another replica has: a record, or nothing. */
interface Answer {
  readonly member: MemberId
  readonly record: StoredRecord | undefined
}

export class Repairer {
  readonly #components: RepairerComponents
  readonly #self: MemberId
  /** By position, in hex; what is no longer damaged is forgotten. */
  #damages: ReadonlyMap<string, Damage> = new Map()

  constructor(components: RepairerComponents, { self }: RepairerInit) {
    this.#components = components
    this.#self = self
  }

  /** When the next repair may be tried, monotonic time in ms; Infinity where nothing is damaged. */
  look(): number {
    const { store, clock } = this.#components
    const dueMs = clock.monotonic() + maxDeadlineMs
    this.#damages = new Map(
      store.fingerprints.damaged(0, slotCount).map(position => {
        const name = formatPosition(position)
        return [name, this.#damages.get(name) ?? { position, dueMs }] as const
      })
    )
    return Math.min(...[...this.#damages.values()].map(damage => damage.dueMs))
  }

  /** Tries all repairs that are due, one after the other. Throws when the signal aborts, or the disk fails. */
  async repairDue(topology: Topology, signal: CancelSignal): Promise<void> {
    const { clock } = this.#components
    const due = [...this.#damages.values()].filter(({ dueMs }) => dueMs <= clock.monotonic())
    for (const damage of due.sort((a, b) => comparePositions(a.position, b.position))) {
      damage.dueMs = clock.monotonic() + retryMs
      await this.#repair(damage.position, topology, signal)
    }
  }

  async #repair(position: Uint8Array, topology: Topology, signal: CancelSignal): Promise<void> {
    const { store, logger, epoch: epochNow } = this.#components
    const rings = topology.rings.map(ring => ring.replicas(position, topology.replicas))
    const others = [...new Set(rings.flat())].filter(member => !sameMember(member, this.#self))
    const answers = await Promise.all(others.map(other => this.#askOther(other, position, topology, signal)))
    signal.throwIfAborted()
    const known = answers.filter(answer => answer !== undefined)
    const isEnough = rings.every((replicas, index) => {
      if (index > 0 && others.length > 0 && isOnly(replicas, this.#self)) return true
      return known.filter(({ member }) => includes(replicas, member)).length >= pullCount(replicas.length)
    })
    const name = formatPosition(position)
    if (!isEnough) {
      logger.debug('too few other replicas answered for a repair', { position: name, answered: known.length })
      return
    }
    let newest: StoredRecord | undefined
    for (const { record } of known) if (compareVersions(record?.version, newest?.version) > 0) newest = record
    // In the step in which the store is called: what they answered holds for this epoch only.
    ensureEpoch({ epoch: topology.epoch, epochNow })
    if (await store.repair(position, newest)) logger.info('has repaired a damaged record', { position: name })
  }

  /** Undefined where that one is away, at another epoch, or has damage there itself. */
  async #askOther(
    member: MemberId,
    position: Uint8Array,
    { epoch }: Topology,
    signal: CancelSignal
  ): Promise<Answer | undefined> {
    const { calls, logger, epoch: epochNow } = this.#components
    try {
      const { record } = await ask(calls, member, { epoch, epochNow, signal }, { readRecord: { position } })
      if (record === undefined) return undefined
      const { record: encoded } = record
      return { member, record: encoded.length === 0 ? undefined : decodeAt(encoded, position) }
    } catch (error) {
      logger.debug('could not be asked for a repair', { member: member.peerId, error: String(error) })
      return undefined
    }
  }
}

function decodeAt(encoded: Uint8Array, position: Uint8Array): StoredRecord {
  const record = decodeRecord(encoded)
  if (comparePositions(record.position, position) !== 0)
    throw new RecordFormatError('a record of another key came')
  return record
}

function isOnly(members: readonly MemberId[], wanted: MemberId): boolean {
  return members.length === 1 && includes(members, wanted)
}

function includes(members: readonly MemberId[], wanted: MemberId): boolean {
  return members.some(member => sameMember(member, wanted))
}
