/**
 * One round of an operation: puts a question to replicas until enough of them have voted in each ring. Used
 * by get and put, which say what is asked and what the answers mean (questions.ts).
 *
 * The rule that makes quorums safe while the ring changes is kept here: a vote counts only if it was sent in
 * the epoch of the round, and that is still the coordinator's own.
 *
 *     idle ──ask──> asked ──vote──> voted        Who fails rests with growing pauses, while others are
 *      ^              │ └──hedge──> slow         asked in its place. Who is slow is asked around, and its
 *      │              v              │           vote still counts. One timer, set to the next moment at
 *      └──pause── resting <──fail────┘           which something is due, drives it all.
 */
import type { Response } from '../../wire/generated/messages.ts'
import { Canceller } from '../canceller.ts'
import { TransportError, type Timer, type TransportFailure } from '../ports.ts'
import type { RequestBody } from '../rpc-types.ts'
import { EpochMovedError, type Operation } from './operation.ts'
import type { Candidate, Placement } from './placement.ts'
import type { Tally } from './quorum.ts'
import { isFull, mayHaveStored } from './wire.ts'

/** The pause before a failed replica is asked again, in ms: doubles from the first value up to the second. */
export const firstRetryMs = 25
export const maxRetryMs = 500

/**
 * How long one request may take at first, in ms; doubles at each failure of that replica. A replica that came
 * back has forgotten what it was asked, so waiting out the whole deadline would miss it; a large value over a
 * slow link needs seconds.
 */
export const firstTryMs = 2_000

/** A replica that says so often in a row that it is overloaded is not waited for; one that forbids it once. */
export const overloadedTries = 3

const noAnswer = 'no answer in time'

/** Why requests of a round that is over are cancelled. Made once: without it each abort would make an error. */
const letGo = new Error('the round is over')

export interface Question {
  /** True where the answer to this question means that the operation's own value is stored. */
  readonly isEffect: boolean
  /** True where all replicas are asked at once; else only as many as are needed. */
  readonly asksAll: boolean
  request(candidate: Candidate): RequestBody
  /** Takes in an answer of the round's epoch: undefined where it is a vote, else what is wrong with it. */
  take(candidate: Candidate, response: Response): string | undefined
  /** The candidate failed or is slow: others are asked in its place. */
  gaveUp?(candidate: Candidate): void
}

interface Asking {
  readonly candidate: Candidate
  state: 'idle' | 'asked' | 'slow' | 'resting' | 'voted'
  /** Monotonic time of the latest request. */
  askedAt: number
  /** Monotonic time at which an asked one becomes slow, or a resting one idle. */
  dueAt: number
  failures: number
  overloads: number
  /** It does not let this client do it. */
  isForbidden: boolean
  /** It has no room for what is to be put. */
  isFull: boolean
  /** The round is not over before it has answered, failed or proved slow. */
  isAwaited: boolean
  /** What became of asking it, in words. */
  why: string
}

export interface RoundInit {
  readonly operation: Operation
  readonly placement: Placement
  readonly tally: Tally
  readonly question: Question
}

export class Round {
  readonly #operation: Operation
  readonly #placement: Placement
  readonly #tally: Tally
  readonly #question: Question
  readonly #askings: readonly Asking[]
  readonly #cancel = new Canceller()
  readonly #advanceBound = (): void => this.#advance()
  /** Set while it runs. */
  #running: { resolve: () => void; reject: (error: Error) => void; unwatch: () => void } | undefined
  #timer: Timer | undefined
  #timerAt = Infinity

  constructor({ operation, placement, tally, question }: RoundInit) {
    this.#operation = operation
    this.#placement = placement
    this.#tally = tally
    this.#question = question
    this.#askings = placement.candidates.map(candidate => ({
      candidate,
      state: tally.hasVoted(candidate.key) ? 'voted' : 'idle',
      askedAt: 0,
      dueAt: Infinity,
      failures: 0,
      overloads: 0,
      isForbidden: false,
      isFull: false,
      isAwaited: false,
      why: 'not asked'
    }))
  }

  /**
   * Resolves when the tally is met; what is still in flight then goes on until `cancel`. Rejects with
   * EpochMovedError, or with the AnnulusError that ends the operation; then nothing is in flight.
   */
  run(): Promise<void> {
    return new Promise((resolve, reject) => {
      const { components } = this.#operation
      const forget = components.topology.onChange(this.#advanceBound)
      const unlisten = this.#operation.onGivenUp(this.#advanceBound)
      const unwatch = (): void => {
        forget()
        unlisten()
      }
      this.#running = { resolve, reject, unwatch }
      this.#advance()
    })
  }

  /** Takes back a member's vote and asks it anew; the next `run` waits for its answer too. */
  again(key: string): void {
    const asking = this.#askings.find(({ candidate }) => candidate.key === key)
    if (asking === undefined) return
    this.#tally.retract(key)
    asking.isAwaited = true
    this.#ask(asking)
  }

  /** Lets go of all requests in flight. The round is not used any more. */
  cancel(): void {
    // Nearly always all have answered, and then an abort would be 10 of the 35 us that a get takes here.
    if (this.#askings.some(isInFlight)) this.#cancel.abort(letGo)
  }

  /** Looks at where the round stands, and does what is due. */
  #advance(): void {
    if (this.#running === undefined) return
    const now = this.#operation.components.clock.monotonic()
    const verdict = this.#verdict(now)
    if (verdict === undefined) this.#goOn(now)
    else if (verdict === 'met') this.#end().resolve()
    else this.#fail(verdict)
  }

  /** How the round ends, if it does now. Votes are worth nothing once the epoch has moved, so that comes first. */
  #verdict(now: number): 'met' | Error | undefined {
    const operation = this.#operation
    if (operation.components.topology.current?.epoch !== this.#placement.epoch) return new EpochMovedError()
    if (this.#isOver) return 'met'
    if (operation.isGivenUp) return operation.aborted()
    if (now >= operation.deadlineAt) return operation.tooFew(this.#placement, this.#tally, this.#whyOf)
    if (this.#tally.isHopeless && !operation.mayHaveEffect) {
      return operation.hopeless(this.#whyHopeless, this.#placement, this.#tally, this.#whyOf)
    }
    return undefined
  }

  #goOn(now: number): void {
    for (const asking of this.#askings) if (asking.dueAt <= now) this.#due(asking)
    for (const asking of this.#chosen()) this.#ask(asking)
    this.#setTimer(now)
  }

  get #whyHopeless(): 'ERR_FORBIDDEN' | 'ERR_FULL' | 'ERR_OVERLOADED' {
    if (this.#askings.some(({ isForbidden }) => isForbidden)) return 'ERR_FORBIDDEN'
    return this.#askings.some(asking => asking.isFull) ? 'ERR_FULL' : 'ERR_OVERLOADED'
  }

  get #isOver(): boolean {
    return this.#tally.isMet && !this.#askings.some(asking => asking.isAwaited)
  }

  #due(asking: Asking): void {
    asking.dueAt = Infinity
    if (asking.state === 'resting') {
      asking.state = 'idle'
      return
    }
    asking.state = 'slow'
    this.#operation.components.logger.debug('asks around a slow replica', { replica: asking.candidate.key })
    this.#giveUp(asking)
  }

  #giveUp(asking: Asking): void {
    asking.isAwaited = false
    this.#question.gaveUp?.(asking.candidate)
  }

  /** Whom to ask now. Those never asked come before those that have failed. */
  #chosen(): Asking[] {
    const idle = this.#askings.filter(({ state }) => state === 'idle')
    if (this.#question.asksAll || idle.length === 0) return idle
    idle.sort((a, b) => a.failures - b.failures)
    const hoped = this.#askings.filter(({ state }) => state === 'asked')
    const chosen = this.#tally.choose(idle.map(keyOf), hoped.map(keyOf))
    return idle.filter(asking => chosen.includes(keyOf(asking)))
  }

  #ask(asking: Asking): void {
    const { components, deadlineAt } = this.#operation
    const { candidate } = asking
    const now = components.clock.monotonic()
    asking.state = 'asked'
    asking.askedAt = now
    asking.dueAt = this.#question.asksAll ? Infinity : now + components.latency.hedgeMs(candidate.key)
    asking.why = noAnswer
    if (this.#question.isEffect) this.#operation.writeSent()
    const options = {
      timeoutMs: Math.min(deadlineAt - now, firstTryMs * 2 ** asking.failures),
      signal: this.#cancel
    }
    components.calls.call(candidate.member, this.#question.request(candidate), options).then(
      response => this.#answered(asking, response),
      (error: unknown) => this.#failed(asking, error)
    )
  }

  #answered(asking: Asking, response: Response): void {
    if (this.#question.isEffect) this.#operation.writeSettled(mayHaveStored(response))
    if (this.#cancel.aborted) return
    this.#noteLatency(asking)
    asking.overloads = 0
    const flaw = this.#flawOf(asking.candidate, response)
    asking.isFull = isFull(response)
    if (asking.isFull) this.#tally.lose(keyOf(asking))
    if (flaw === undefined) this.#count(asking)
    else this.#rest(asking, flaw)
  }

  #count(asking: Asking): void {
    asking.state = 'voted'
    asking.dueAt = Infinity
    asking.isAwaited = false
    this.#tally.vote(asking.candidate.key)
    this.#advance()
  }

  /** Why this answer is no vote; undefined where it is one. */
  #flawOf(candidate: Candidate, response: Response): string | undefined {
    const { epoch } = this.#placement
    if (response.epoch !== epoch) return `at epoch ${response.epoch} instead of ${epoch}`
    if (response.refused !== undefined) return `refused: ${response.refused.reason}`
    if (isFull(response)) return 'refused: its disk quota is used up'
    return this.#question.take(candidate, response)
  }

  #failed(asking: Asking, error: unknown): void {
    const failure = error instanceof TransportError ? error : undefined
    if (this.#question.isEffect) this.#operation.writeSettled(failure?.delivered ?? true)
    if (this.#cancel.aborted) return
    if (failure === undefined) {
      this.#operation.components.logger.error('a request failed in an unknown way', { error: String(error) })
    }
    asking.overloads = failure?.failure === 'overloaded' ? asking.overloads + 1 : 0
    asking.isForbidden = failure?.failure === 'forbidden' || failure?.refusal?.code === 'role'
    if (asking.isForbidden || asking.overloads >= overloadedTries) this.#tally.lose(keyOf(asking))
    this.#rest(asking, describeFailure(failure?.failure, error))
  }

  /** Asks others now, and this one after a pause that grows with each failure. */
  #rest(asking: Asking, why: string): void {
    const { clock, random } = this.#operation.components
    const pauseMs = Math.min(maxRetryMs, firstRetryMs * 2 ** asking.failures)
    asking.failures++
    asking.state = 'resting'
    asking.dueAt = clock.monotonic() + pauseMs * (0.5 + random.float() / 2)
    asking.why = why
    this.#giveUp(asking)
    this.#advance()
  }

  #noteLatency({ candidate, askedAt }: Asking): void {
    const { clock, latency } = this.#operation.components
    latency.note(candidate.key, clock.monotonic() - askedAt)
  }

  #fail(error: Error): void {
    const { reject } = this.#end()
    this.#cancel.abort(letGo)
    reject(error)
  }

  #end(): { resolve: () => void; reject: (error: Error) => void } {
    const running = this.#running!
    this.#running = undefined
    running.unwatch()
    this.#timer?.cancel()
    this.#timerAt = Infinity
    // Who is slow may never be heard of again, being cancelled next: what is known of it is noted now.
    for (const asking of this.#askings) if (asking.state === 'slow') this.#noteLatency(asking)
    return running
  }

  /** Sees to it that the round advances when the next thing is due. A timer set too early does no harm. */
  #setTimer(now: number): void {
    let at = this.#operation.deadlineAt
    for (const { dueAt } of this.#askings) if (dueAt < at) at = dueAt
    if (this.#timerAt <= at) return
    this.#timer?.cancel()
    this.#timerAt = at
    this.#timer = this.#operation.components.clock.after(at - now, () => {
      this.#timerAt = Infinity
      this.#advance()
    })
  }

  readonly #whyOf = (key: string): string =>
    this.#askings.find(({ candidate }) => candidate.key === key)?.why ?? 'not asked'
}

function describeFailure(failure: TransportFailure | undefined, error: unknown): string {
  if (failure === undefined) return String(error)
  return failure === 'timeout' ? noAnswer : failure
}

function isInFlight({ state }: Asking): boolean {
  return state === 'asked' || state === 'slow'
}

function keyOf({ candidate }: Asking): string {
  return candidate.key
}
