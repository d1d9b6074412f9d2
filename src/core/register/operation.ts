/**
 * One put, get or delete under way: what all its rounds share. It knows the deadline, remembers whether a
 * write of its may have been stored, starts over when the epoch moves, and words the errors.
 */
import type { Consistency } from '../../api.ts'
import type { CancelSignal } from '../canceller.ts'
import { AnnulusError, type AnnulusErrorInit, type ErrorCode } from '../errors.ts'
import type { Clock, Logger, Random } from '../ports.ts'
import { positionOf } from '../ring/position.ts'
import type { Calls } from '../rpc-types.ts'
import type { LatencyBook } from './latency.ts'
import {
  placementOf,
  type Candidate,
  type Placement,
  type Preferences,
  type TopologySource
} from './placement.ts'
import type { Need, Tally } from './quorum.ts'

/** What operations work with; made once by the coordinator. */
export interface OperationComponents {
  readonly clock: Clock
  readonly random: Random
  readonly calls: Calls
  readonly topology: TopologySource
  readonly preferences: Preferences
  readonly latency: LatencyBook
  readonly logger: Logger
}

export interface OperationOptions {
  readonly consistency: Consistency
  /** How long it may take from now, in ms. */
  readonly deadlineMs: number
  readonly signal?: CancelSignal
  /** Ends it too, as long as it surely has had no effect; one that may have had is carried on to its own end. */
  readonly retreat?: CancelSignal
}

export type OperationName = 'get' | 'put' | 'delete'

/** Ends an attempt whose epoch is no longer the coordinator's. Never leaves the operation. */
export class EpochMovedError extends Error {
  override readonly name = 'EpochMovedError'
}

export class Operation {
  readonly components: OperationComponents
  readonly name: OperationName
  readonly key: Uint8Array
  readonly position: Uint8Array
  readonly consistency: Consistency
  readonly signal: CancelSignal | undefined
  readonly #retreat: CancelSignal | undefined
  /** Monotonic time, in ms, after which nothing is sent. */
  readonly deadlineAt: number
  #writesInFlight = 0
  #isStoredSomewhere = false

  constructor(
    components: OperationComponents,
    init: { name: OperationName; key: Uint8Array; options: OperationOptions }
  ) {
    this.components = components
    this.name = init.name
    this.key = init.key
    this.position = positionOf(init.key)
    this.consistency = init.options.consistency
    this.signal = init.options.signal
    this.#retreat = init.options.retreat
    this.deadlineAt = components.clock.monotonic() + init.options.deadlineMs
  }

  /** False where surely no replica has stored what this operation writes, or will. */
  get mayHaveEffect(): boolean {
    return this.#isStoredSomewhere || this.#writesInFlight > 0
  }

  /** Whether it is to end before it is done. */
  get isGivenUp(): boolean {
    return this.signal?.aborted === true || (this.#retreat?.aborted === true && !this.mayHaveEffect)
  }

  /** Calls `listener` whenever that may have changed from outside; the function returned ends that. */
  onGivenUp(listener: () => void): () => void {
    const signals = [this.signal, this.#retreat]
    for (const signal of signals) signal?.addEventListener('abort', listener)
    return () => {
      for (const signal of signals) signal?.removeEventListener('abort', listener)
    }
  }

  /** A write of this operation's value goes out. Until it is settled, it may have been stored. */
  writeSent(): void {
    this.#writesInFlight++
  }

  writeSettled(mayHaveStored: boolean): void {
    this.#writesInFlight--
    if (mayHaveStored) this.#isStoredSomewhere = true
  }

  /**
   * Runs `attempt` on the key's placement, and again on the new one whenever the epoch moves: votes of two
   * epochs never count together. Ends, for each attempt begins with a round that heeds deadline and signal.
   */
  async acrossEpochs<T>(attempt: (placement: Placement) => Promise<T>): Promise<T> {
    for (;;) {
      const placement = this.#place()
      try {
        return await attempt(placement)
      } catch (error) {
        if (!(error instanceof EpochMovedError)) throw error
        const { logger, topology } = this.components
        logger.debug('the epoch moved during an operation', {
          operation: this.name,
          from: placement.epoch,
          to: topology.current?.epoch
        })
      }
    }
  }

  #place(): Placement {
    const { topology, preferences } = this.components
    const { current } = topology
    if (current === undefined) throw this.#nobody('the members of the cluster are not known yet')
    const placement = placementOf(current, this.position, preferences)
    if (placement.candidates.length === 0) throw this.#nobody('the ring has no members')
    return placement
  }

  #nobody(why: string): AnnulusError {
    // It may have asked at an epoch before: the log ends with a life that is over.
    const code = this.mayHaveEffect ? 'ERR_OUTCOME_UNKNOWN' : 'ERR_UNREACHABLE'
    return this.error(code, `${this.name} could not ask anybody: ${why}`)
  }

  aborted(): AnnulusError {
    return this.error('ERR_ABORTED', `${this.name} was given up by its caller`, {
      cause: this.signal?.reason
    })
  }

  /** The fence has passed its stamp: it may not go on, and must not be stamped anew. */
  overtaken(): AnnulusError {
    const code = this.mayHaveEffect ? 'ERR_OUTCOME_UNKNOWN' : 'ERR_QUORUM'
    return this.error(code, `${this.name} was not through when the purge of old deletes was agreed`)
  }

  /** Too few replicas answered; `why` says of each member what became of asking it. */
  tooFew(placement: Placement, tally: Tally, why: (key: string) => string): AnnulusError {
    const code = this.mayHaveEffect ? 'ERR_OUTCOME_UNKNOWN' : 'ERR_QUORUM'
    return this.#shortOf(code, placement, tally, why)
  }

  /** So many replicas will not do it that waiting is of no use. */
  hopeless(
    code: 'ERR_OVERLOADED' | 'ERR_FORBIDDEN' | 'ERR_FULL',
    placement: Placement,
    tally: Tally,
    why: (key: string) => string
  ): AnnulusError {
    return this.#shortOf(code, placement, tally, why)
  }

  #shortOf(code: ErrorCode, placement: Placement, tally: Tally, why: (key: string) => string): AnnulusError {
    const answered = placement.candidates.filter(({ key }) => tally.hasVoted(key))
    const missing = placement.candidates.filter(({ key }) => !tally.hasVoted(key))
    const heard = answered.length === 0 ? 'none answered' : `${peerIds(answered).join(', ')} answered`
    const unheard = missing.map(({ member, key }) => `${member.peerId} (${why(key)})`).join(', ')
    return this.error(
      code,
      `${this.name} needs ${describeNeeds(tally.needs)}; ${heard}, no answer from ${unheard}`,
      { answered: peerIds(answered), missing: peerIds(missing) }
    )
  }

  /** An error that says in its last words whether the operation may have had an effect. */
  error(code: ErrorCode, what: string, init: Omit<AnnulusErrorInit, 'indefinite'> = {}): AnnulusError {
    const indefinite = this.mayHaveEffect
    return new AnnulusError(code, `${what}; ${indefinite ? openOutcome[this.name] : noOutcome[this.name]}`, {
      ...init,
      indefinite
    })
  }
}

const noOutcome = {
  get: 'nothing was read',
  put: 'nothing was stored',
  delete: 'nothing was deleted'
} as const

const openOutcome = {
  get: 'nothing was read',
  put: 'the value may have been stored, or may yet be: a get will tell',
  delete: 'the key may have been deleted, or may yet be: a get will tell'
} as const

/** Two needs are those of the two rings of a transition. */
function describeNeeds(needs: readonly Need[]): string {
  const counts = needs.map(({ needed, of }) => `${needed} of ${of}`)
  if (counts.length === 2) {
    return `${counts[0]} replicas of the ring before and ${counts[1]} of the ring after the change of members under way`
  }
  return `${counts.join(', ')} replicas`
}

/** A peer may be in the two rings with a life each, and is named once. */
function peerIds(candidates: readonly Candidate[]): string[] {
  return [...new Set(candidates.map(({ member }) => member.peerId))]
}
