/**
 * Watches what sessions send (G2), by three rules:
 *
 *     place    nobody is sent a record of which it is a replica in no ring in force
 *     need     nobody is sent a record that its disk had already, in that version or a newer one, when the session
 *              began
 *     least    what a transition sends of the records that were settled when it opened is at most 1.05 x one copy
 *              of each for each of its takers
 *
 * The first two hold whatever faults there are: a session sends what differs, and what differs because a fault was
 * there may move. So all that replicas send each other by them is repair, or has to move. The third one also sees
 * what is sent twice, before the disk has it; a fault may cost that, as whoever got no answer asks again. So it is
 * for transitions that were not amended, in runs without loss and repeats, while nothing else was done to the
 * cluster. A record is settled where all its replicas that are to give it had one version on disk; what is written
 * meanwhile, or was on its way, has another version, and does not count.
 */
import { memberKey } from '../../../src/core/member.ts'
import { isPurged } from '../../../src/core/record/purged.ts'
import type { RecordHead } from '../../../src/core/record/record.ts'
import { formatVersion } from '../../../src/core/record/version.ts'
import { formatPosition } from '../../../src/core/ring/position.ts'
import type { Topology } from '../../../src/core/topology/topology.ts'
import { SessionDomain, type CompareNodes, type Request } from '../../../src/wire/generated/messages.ts'
import { sendingIn } from '../sessions-on-wire.ts'
import { dialTimeoutMs } from '../transport.ts'
import type { Message } from '../wiretap.ts'
import type { Violation } from './checker.ts'
import { TransitionTally, type TransitionTallyComponents } from './transition-tally.ts'

export interface MovementRulesComponents extends TransitionTallyComponents {
  /** Undefined where nobody told of it yet. */
  readonly topologyAt: (epoch: number) => Topology | undefined
}

export interface MovementRulesInit {
  /** Since when nothing was done to the cluster but changes of its members, in virtual ms; Infinity while something is. */
  readonly quietSinceMs: () => number
}

/** What was judged. */
export interface MovementCounts {
  /** Records that sessions sent. */
  readonly records: number
  /** Transitions that completed unamended, and those of them that were held against the least. */
  readonly transitions: number
  readonly judged: number
  /** Of the ones judged, in bytes. */
  readonly leastBytes: number
  readonly sentBytes: number
}

interface Session {
  readonly epoch: number
  readonly beganMs: number
  /** Whether the other one has begun to answer: who is overloaded is asked the same once more. */
  isAnswered: boolean
  /** Whether something that follows from the first answer was asked, so that this has come. */
  hasGoneOn: boolean
}

/** An answer that has left may be late, so that the same is asked once more, within so many virtual ms of the first time. */
const askedAgainMs = 10_000

/** Between the look at a disk and the first message of a session there may be a dial, in virtual ms. */
const lookMs = dialTimeoutMs

/** The root of the tree of slots: with it a session about all of a domain begins. */
const root = 0

export class MovementRules {
  readonly violations: Violation[] = []
  readonly #components: MovementRulesComponents
  readonly #tally: TransitionTally
  /** The latest one of each pair, by who began it and with whom. */
  readonly #sessions = new Map<string, Session>()
  /** By the request: that of an answer is that of the question, however late it comes. */
  readonly #sessionOf = new WeakMap<Request, Session>()
  /** Messages that a network repeats count once. */
  readonly #seen = new WeakSet<Request>()
  #records = 0

  constructor(components: MovementRulesComponents, { quietSinceMs }: MovementRulesInit) {
    this.#components = components
    const complain = (subject: string, what: string): void => this.#complain('G2', subject, what)
    this.#tally = new TransitionTally(components, { quietSinceMs, complain })
  }

  get counts(): MovementCounts {
    return { records: this.#records, ...this.#tally.counts }
  }

  /** The log has a new entry. */
  moved(topology: Topology): void {
    this.#tally.moved(topology)
  }

  /** Takes in a message that was sent. */
  saw(message: Message): void {
    const { from, to, request, answer } = message
    const pair = `${from} ${memberKey(to)}`
    if (answer === undefined) this.#ask(pair, request)
    else if (request.compareNodes !== undefined) this.#answered(pair)
    const sending = sendingIn(message)
    const session = this.#sessionOf.get(request)
    if (sending === undefined || session === undefined || this.#seen.has(request)) return
    this.#seen.add(request)
    for (const head of sending.heads) {
      this.#records++
      this.#judge(sending.to, head, session)
      this.#tally.sent(head, session.epoch)
    }
  }

  #ask(pair: string, request: Request): void {
    const { compareNodes, streamNodes, fetchRecords, pushRecords, epoch } = request
    if (compareNodes !== undefined) this.#compare(pair, epoch, compareNodes)
    if ((streamNodes ?? fetchRecords ?? pushRecords) === undefined || this.#sessionOf.has(request)) return
    const known = this.#sessions.get(pair)
    if (known !== undefined) known.hasGoneOn = true
    const unknown = { epoch, beganMs: -Infinity, isAnswered: true, hasGoneOn: true }
    this.#sessionOf.set(request, known ?? unknown)
  }

  /**
   * Whoever hands over goes window by window, each in a session of its own. These count as one, from the first of
   * an epoch on, which only makes the judge milder; and so does a session whose first question was not answered, or whose
   * answer may not have come, with the one that asks it again.
   */
  #compare(pair: string, epoch: number, { domain, parents }: CompareNodes): void {
    const known = this.#sessions.get(pair)
    const { nowMs } = this.#components.time
    const isFirst = parents.includes(root)
    const goesOn =
      domain === SessionDomain.DOMAIN_HANDED_OVER ||
      !isFirst ||
      (known !== undefined && isAgain(known, nowMs))
    if (goesOn && known?.epoch === epoch) known.hasGoneOn ||= !isFirst
    else this.#sessions.set(pair, { epoch, beganMs: nowMs, isAnswered: false, hasGoneOn: false })
  }

  #answered(pair: string): void {
    const session = this.#sessions.get(pair)
    if (session !== undefined) session.isAnswered = true
  }

  #judge(to: string, head: RecordHead, { epoch, beganMs }: Session): void {
    const { topologyAt, peers } = this.#components
    const { position, version } = head
    const what = `${to} is sent the record at ${formatPosition(position)} as ${formatVersion(version)} at epoch ${epoch}`
    const topology = topologyAt(epoch)
    if (topology !== undefined) {
      const isReplica = topology.rings.some(ring =>
        ring.replicas(position, topology.replicas).some(({ peerId }) => peerId === to)
      )
      if (!isReplica) this.#complain('G2', to, `${what}, and replicates it in no ring in force`)
      if (isPurged(head, topology.purgedBefore)) this.#complain('G6', to, `${what}, which was purged`)
    }
    const sinceMs = peers.find(({ peerId }) => peerId === to)?.disk.holdings.since(position, version)
    if (sinceMs !== undefined && sinceMs < beganMs - lookMs) {
      const times = `since ${sinceMs.toFixed(1)} ms; the session began at ${beganMs.toFixed(1)} ms`
      this.#complain('G2', to, `${what}, and has had that on its disk ${times}`)
    }
  }

  #complain(guarantee: 'G2' | 'G6', subject: string, what: string): void {
    this.violations.push({ guarantee, subject, what })
  }
}

/** Whether the first question of a session, asked once more, may be a repeat rather than that of the next one. */
function isAgain({ isAnswered, hasGoneOn, beganMs }: Session, nowMs: number): boolean {
  return !isAnswered || (!hasGoneOn && nowMs - beganMs < askedAgainMs)
}
