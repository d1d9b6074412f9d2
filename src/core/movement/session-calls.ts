/**
 * What a session asks of the other member: each request in the lane for bulk, at the session's epoch, and again
 * after a while where the other is over its limits.
 */
import type { CancelSignal } from '../canceller.ts'
import type { Calls, RequestBody, Traffic } from '../rpc-types.ts'
import { type Clock, type Random, TransportError } from '../ports.ts'
import type { MemberId } from '../member.ts'
import { sleep } from '../time.ts'
import { ask, ensureEpoch, noAnswer } from './ask.ts'

/** Mean pause before one that is over its limits is asked again, in ms; jittered by half. */
const retryMs = 250

/** Then the session ends, for another to be begun later: some ten seconds. */
const maxTries = 40

export interface SessionCallsComponents {
  readonly calls: Calls
  readonly clock: Clock
  readonly random: Random
  /** The one that this member is at. */
  readonly epoch: () => number
}

export interface SessionCallsInit {
  readonly member: MemberId
  /** That both sides are at. */
  readonly epoch: number
  readonly signal: CancelSignal
  /** Counts what the session's messages come to. */
  readonly traffic: Traffic
}

type Answer = Awaited<ReturnType<Calls['call']>>

export class SessionCalls {
  readonly #components: SessionCallsComponents
  readonly #init: SessionCallsInit

  constructor(components: SessionCallsComponents, init: SessionCallsInit) {
    this.#components = components
    this.#init = init
  }

  /** The named body of the answer. Throws EpochMovedError, a TransportError or the signal's reason. */
  async ask<K extends keyof Answer>(request: RequestBody, kind: K): Promise<NonNullable<Answer[K]>> {
    const answer = await this.#ask(request)
    return answer[kind] ?? this.refuse()
  }

  /** Before what must not be done at a later epoch. Throws EpochMovedError. */
  ensureEpoch(): void {
    ensureEpoch({ epoch: this.#init.epoch, epochNow: this.#components.epoch })
  }

  /** The other's answer makes no sense. */
  refuse(): never {
    throw noAnswer(this.#init.member)
  }

  async #ask(request: RequestBody): Promise<Answer> {
    const { calls, clock, random, epoch: epochNow } = this.#components
    for (let tries = 1; ; tries++) {
      try {
        return await ask(calls, this.#init.member, { ...this.#init, epochNow }, request)
      } catch (error) {
        const isOverloaded = error instanceof TransportError && error.failure === 'overloaded'
        if (!isOverloaded || tries === maxTries) throw error
        await sleep(clock, retryMs * (0.5 + random.float()), this.#init.signal)
      }
    }
  }
}
