/**
 * Asks the acceptors for a change of the members until the log shows it. Used by a peer that joins or leaves,
 * and by whoever leaves or removes another.
 */
import type { Petition, PetitionAnswer } from '../../wire/generated/messages.ts'
import type { CancelSignal } from '../canceller.ts'
import { AnnulusError } from '../errors.ts'
import { sameMember, type MemberId } from '../member.ts'
import type { Clock, Logger, Random } from '../ports.ts'
import type { Calls, ResponseBody } from '../rpc-types.ts'
import type { TopologyLog } from './log.ts'
import { linked, pause } from './pause.ts'
import { petitionCodes } from './refusals.ts'
import { isGone, isInRingAfter, type Topology } from './topology.ts'

/** How often a petition is repeated, in ms, and as much again at random. */
const repeatEveryMs = 500

/** How long an acceptor has to answer a petition, in ms. */
const callTimeoutMs = 2_000

/** Other members asked to pass a petition on where no acceptor can be reached. */
const relayCount = 3

/** Exactly one of the three. */
export type PetitionWish =
  | { readonly join: NonNullable<Petition['join']>; readonly joinReplicas?: number }
  | { readonly leave: MemberId }
  | { readonly remove: MemberId; readonly acceptLoss?: boolean }

export interface PetitionOptions {
  readonly signal?: CancelSignal
  /** Is told, in words, what the change waits for, each time that changes. */
  readonly onWaiting?: (reason: string) => void
}

export interface PetitionerComponents {
  readonly clock: Clock
  readonly random: Random
  readonly calls: Calls
  /** Knows a topology already. */
  readonly log: TopologyLog
  readonly logger: Logger
}

interface Answer extends PetitionAnswer {
  /** The epoch at which the acceptor answered. */
  readonly epoch: number
}

export class Petitioner {
  readonly #components: PetitionerComponents

  constructor(components: PetitionerComponents) {
    this.#components = components
  }

  /**
   * Resolves when the log shows the change: a join when the member is `up` (or gone again, since it was
   * dropped: its standing tells), a leave or a removal when it is gone. Throws AnnulusError: ERR_CONFIG where
   * a joiner's settings are not the cluster's, ERR_REFUSED where the acceptors refuse otherwise; ERR_ABORTED,
   * and ERR_OUTCOME_UNKNOWN where this peer's own life ends, with which the change may yet happen.
   */
  async petition(wish: PetitionWish, options: PetitionOptions = {}): Promise<void> {
    const { clock, random, log } = this.#components
    const message = messageOf(wish)
    let wasSeen = false
    let told: string | undefined
    for (;;) {
      if (log.current === undefined) throw ended()
      const member = memberOf(message, log.current)
      wasSeen ||= member !== undefined
      if (isSettled(message, member, wasSeen)) return
      const news = this.#nextNews(options.signal)
      try {
        if (options.signal?.aborted === true) throw aborted()
        const answers = await this.#round(message, news.signal)
        const waiting = waitingOf(answers)
        if (waiting !== told && waiting !== '') options.onWaiting?.((told = waiting))
        await pause(clock, repeatEveryMs * (1 + random.float()), news.signal)
      } finally {
        news.release()
      }
    }
  }

  /** Passes a petition on to the acceptors for one who cannot reach them, and gives back what they say. */
  async relay(
    message: Petition,
    options: { timeoutMs: number; signal: CancelSignal }
  ): Promise<ResponseBody> {
    const acceptors = this.#components.log.current?.acceptors ?? []
    const answers = await this.#ask(acceptors, { ...message, relayed: true }, options)
    const answer = answers.find(({ refusalCode }) => refusalCode === petitionCodes.noted) ?? answers[0]
    const { refusal = '', refusalCode = petitionCodes.noted, waiting = waitingOf([]) } = answer ?? {}
    return { petition: { refusal, refusalCode, waiting } }
  }

  /** Asks all acceptors once; where none answers, some others to pass it on. Throws where they refuse. */
  async #round(message: Petition, signal: CancelSignal): Promise<Answer[]> {
    const { log } = this.#components
    const asked = log.current
    if (asked === undefined) return []
    const options = { timeoutMs: callTimeoutMs, signal }
    const answers = await this.#ask(asked.acceptors, message, options)
    if (answers.length === 0)
      answers.push(...(await this.#ask(this.#relays(asked, message), message, options)))
    // What the answers brought of the log may show the change, which an acceptor then refuses to make once more.
    if (log.current === asked) throwIfRefused(answers, asked.epoch)
    return answers
  }

  async #ask(
    members: readonly MemberId[],
    petition: Petition,
    options: { timeoutMs: number; signal: CancelSignal }
  ): Promise<Answer[]> {
    const { calls, logger } = this.#components
    const asking = members.map(async member => {
      try {
        const response = await calls.call(member, { petition }, options)
        return response.petition === undefined ? undefined : { ...response.petition, epoch: response.epoch }
      } catch (error) {
        logger.debug('a petition was not answered', { by: member.peerId, error: String(error) })
        return undefined
      }
    })
    return (await Promise.all(asking)).filter(answer => answer !== undefined)
  }

  #relays(topology: Topology, message: Petition): MemberId[] {
    const { random } = this.#components
    const isAcceptor = (id: MemberId): boolean =>
      topology.acceptors.some(acceptor => sameMember(acceptor, id))
    const others = topology.members.filter(
      member => isInRingAfter(member) && !isAcceptor(member) && member.peerId !== subjectOf(message).peerId
    )
    const chosen: MemberId[] = []
    while (chosen.length < relayCount && others.length > 0) {
      chosen.push(...others.splice(Math.floor(random.float() * others.length), 1))
    }
    return chosen
  }

  /** Aborts when the log moves or the caller gives up. */
  #nextNews(signal: CancelSignal | undefined): { signal: CancelSignal; release: () => void } {
    const news = linked(signal)
    const stopListening = this.#components.log.onChange(() => news.abort())
    const release = (): void => {
      stopListening()
      news.release()
    }
    return { signal: news.signal, release }
  }
}

function messageOf(wish: PetitionWish): Petition {
  return { joinReplicas: 0, acceptLoss: false, relayed: false, ...wish }
}

function subjectOf({ join, leave, remove }: Petition): MemberId {
  const subject = join?.id ?? leave ?? remove
  if (subject === undefined) throw new AnnulusError('ERR_INVALID', 'a petition names no member')
  return subject
}

function memberOf(message: Petition, topology: Topology) {
  return topology.member(subjectOf(message))
}

/** Whether the log shows it done. One that is not in the log is gone if it was there before, else unknown. */
function isSettled(message: Petition, member: ReturnType<typeof memberOf>, wasSeen: boolean): boolean {
  if (member === undefined) return wasSeen
  return isGone(member) || (message.join !== undefined && member.standing === 'up')
}

/**
 * A refusal counts where most of those who answered refuse, and at our epoch or a newer one: a single one may
 * be cut off from the others, and see a loss where there is none.
 */
function throwIfRefused(answers: readonly Answer[], epoch: number): void {
  const refusals = answers.filter(
    answer => answer.refusalCode !== petitionCodes.noted && answer.epoch >= epoch
  )
  const [first] = refusals
  if (first === undefined || refusals.length * 2 <= answers.length) return
  throw new AnnulusError(
    first.refusalCode === petitionCodes.settings ? 'ERR_CONFIG' : 'ERR_REFUSED',
    first.refusal
  )
}

function waitingOf(answers: readonly Answer[]): string {
  if (answers.length === 0) return 'none of the members that decide on the ring can be reached'
  return answers.map(({ waiting }) => waiting).find(waiting => waiting !== '') ?? ''
}

function ended(): AnnulusError {
  return new AnnulusError(
    'ERR_OUTCOME_UNKNOWN',
    'this peer is no member any more; the change that it asked for may yet be made',
    { indefinite: true }
  )
}

function aborted(): AnnulusError {
  return new AnnulusError('ERR_ABORTED', 'gave up waiting; the change may yet be made', { indefinite: true })
}
