/**
 * The coordinator of puts, gets and deletes: the same code in a peer, which may itself be a replica, and in a
 * client. Any number of coordinators may work on one key at once; no consensus is involved.
 *
 * Arguments are taken as checked (limits of keys, values and deadlines: the public interface does that).
 */
import type { MemberId } from '../member.ts'
import type { Clock, Logger, Random } from '../ports.ts'
import type { HybridClock } from '../record/hybrid-clock.ts'
import { writerBytes } from '../record/version.ts'
import type { Calls } from '../rpc-types.ts'
import { get, type GetOutcome } from './get.ts'
import { LatencyBook } from './latency.ts'
import { Operation, type OperationComponents, type OperationOptions } from './operation.ts'
import type { LivenessOf, TopologySource } from './placement.ts'
import { put, type PutOutcome, type Stamper } from './put.ts'

export interface CoordinatorComponents {
  readonly clock: Clock
  readonly hybridClock: HybridClock
  readonly random: Random
  readonly calls: Calls
  readonly topology: TopologySource
  readonly livenessOf: LivenessOf
  readonly logger: Logger
}

export interface CoordinatorInit {
  /** The member that coordinates; left out by a client. */
  readonly self?: MemberId
  /** The writer part of its versions: 16 bytes that no other peer, client or boot uses. */
  readonly writer: Uint8Array
}

export interface PutOptions extends OperationOptions {
  /** The value expires so many ms from now, by this peer's clock. Left out: never. */
  readonly ttlMs?: number
}

export class Coordinator {
  readonly #components: OperationComponents
  readonly #stamper: Stamper

  constructor(components: CoordinatorComponents, init: CoordinatorInit) {
    if (init.writer.length !== writerBytes) {
      throw new RangeError(
        `the writer part of a version has ${writerBytes} bytes, this one ${init.writer.length}`
      )
    }
    const { clock, hybridClock, random, calls, topology, livenessOf, logger } = components
    const latency = new LatencyBook({ clock })
    const preferences = { self: init.self, livenessOf, latency }
    this.#components = { clock, random, calls, topology, preferences, latency, logger }
    this.#stamper = { hybridClock, writer: init.writer }
  }

  /**
   * Reads a key. Throws AnnulusError, never indefinite: ERR_QUORUM, ERR_OVERLOADED, ERR_UNREACHABLE,
   * ERR_ABORTED.
   */
  async get(key: Uint8Array, options: OperationOptions): Promise<GetOutcome> {
    return get(new Operation(this.#components, { name: 'get', key, options }))
  }

  /**
   * Stores a value. Resolves when a quorum of each ring has it on disk; the other replicas may get it later.
   * Throws AnnulusError: ERR_QUORUM, ERR_OVERLOADED and ERR_UNREACHABLE where it surely had no effect,
   * ERR_OUTCOME_UNKNOWN where it may have had one, ERR_ABORTED with `indefinite` as it is.
   */
  async put(key: Uint8Array, value: Uint8Array, { ttlMs, ...options }: PutOptions): Promise<PutOutcome> {
    const operation = new Operation(this.#components, { name: 'put', key, options })
    const expiresAt = ttlMs === undefined ? 0 : this.#components.clock.now() + ttlMs
    return put(operation, { kind: 'value', value, expiresAt }, this.#stamper)
  }

  /** Deletes a key, whether it exists or not, by storing a tombstone. Throws as `put` does. */
  async delete(key: Uint8Array, options: OperationOptions): Promise<PutOutcome> {
    const operation = new Operation(this.#components, { name: 'delete', key, options })
    return put(operation, { kind: 'tombstone', value: new Uint8Array(), expiresAt: 0 }, this.#stamper)
  }
}
