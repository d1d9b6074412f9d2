/**
 * Looks after the log on an acceptor: hears what joiners, leavers, operators and takers have to say, and has
 * the entry decided that decide.ts finds next. All acceptors do so, the oldest first; should two get in each
 * other's way, agreement settles it. On other peers it rests.
 */
import type { Petition, Reconciled, Report } from '../../wire/generated/messages.ts'
import { memberKey, sameMember, type MemberId } from '../member.ts'
import { ServeError, type Clock, type Logger, type Random, type Remote, type Timer } from '../ports.ts'
import type { ResponseBody } from '../rpc-types.ts'
import { nextEntry, type Decision, type Health, type View } from './decide.ts'
import type { Entry } from './entry.ts'
import type { TopologyLog } from './log.ts'
import { PetitionBook } from './petition-book.ts'
import type { Proposer } from './proposer.ts'
import { defaultTombstoneGraceMs, PurgeReports, type PurgeReport } from './purge.ts'
import { refusalOf, type Wish } from './refusals.ts'
import { ensureMemberId, ensureRingMember, ensureTime, includesMember, MalformedError } from './shapes.ts'
import { isGone, type Topology } from './topology.ts'

/** How often liveness and petitions are looked at though nothing came in, in ms. */
const lookEveryMs = 1_000

/** How long to wait for more wishes before proposing, in ms, and as much again at random. */
const batchDelayMs = 50

/** What comes in within so many ms is looked at together: a thousand peers may ask at once. */
const gatherMs = 10

/** How old, in ms, what a petitioner is told that it waits for may be: the same is told to all that ask. */
const toldMs = 100

/** How much later each acceptor proposes than the one before it, in ms, should that one not do so. */
const staggerMs = 1_000

/** The pause after a proposal found no majority, in ms, and as much again at random. */
const retryDelayMs = 1_000

/** How long a joiner may be down before it is dropped from its transition, in ms. */
const defaultDropJoinerAfterMs = 30_000

/** Who answers, as seen from here. */
export interface StewardLiveness {
  livenessOf(member: MemberId): Health['liveness']
  downForMs(member: MemberId): number
}

export interface StewardComponents {
  readonly clock: Clock
  readonly random: Random
  readonly log: TopologyLog
  readonly proposer: Pick<Proposer, 'propose'>
  readonly liveness: StewardLiveness
  readonly logger: Logger
}

export interface StewardInit {
  readonly self: MemberId
  /** After so many ms of being down a member is removed; 0: never. */
  readonly removeAfterMs: number
  /** Default 30,000. */
  readonly dropJoinerAfterMs?: number
  /** How old tombstones are before a purge is tried, in ms. Default 24 h. */
  readonly tombstoneGraceMs?: number
}

/** Of whom a petition comes. */
export type Petitioning = Pick<Remote, 'peerId' | 'life' | 'role'>

export class Steward {
  readonly #components: StewardComponents
  readonly #init: StewardInit
  readonly #book: PetitionBook
  /** Takers that have reported, by member, at the epoch the log is at. */
  readonly #reported = new Set<string>()
  readonly #purgeReports = new PurgeReports()
  /** The epoch that these reports are of. */
  #reportsAt = 0
  /** When the entry to propose was first wanted at this epoch, with its share of chance, in ms. */
  #wantedAtMs: number | undefined
  #notBeforeMs = 0
  #isProposing = false
  /** What the latest proposal came up against, in words. */
  #obstacle: string | undefined
  #timer: Timer | undefined
  #lookAtMs = Infinity
  #told: { readonly topology: Topology; readonly atMs: number; readonly waiting: string } | undefined
  #stopListening: (() => void) | undefined

  constructor(components: StewardComponents, init: StewardInit) {
    this.#components = components
    this.#init = init
    this.#book = new PetitionBook(components)
  }

  start(): void {
    this.#stopListening ??= this.#components.log.onChange(() => this.#logMoved())
    this.#look()
  }

  /** What is being proposed ends with the proposer. */
  stop(): void {
    this.#stopListening?.()
    this.#stopListening = undefined
    this.#timer?.cancel()
    this.#timer = undefined
    this.#book.clear()
  }

  /** Notes a wish, or says why it can never be granted. Throws ServeError where it is not the sender's to have. */
  async handlePetition(from: Petitioning, message: Petition): Promise<ResponseBody> {
    await Promise.resolve()
    const wish = wishOf(message)
    const topology = this.#components.log.current
    if (topology === undefined || !this.#isAcceptor(topology))
      return noted('the peer asked is no acceptor (any more)')
    ensureMayAsk(topology, from, wish, message.relayed)
    const refusal = refusalOf(topology, this.#view(topology), wish)
    if (refusal !== undefined) {
      return { petition: { refusal: refusal.reason, refusalCode: refusal.code, waiting: '' } }
    }
    if (!isDone(topology, wish) && !this.#book.note(wish))
      throw new ServeError('overloaded', 'too many petitions')
    this.#lookSoon()
    return noted(this.#waiting(topology))
  }

  /**
   * Notes that a taker is done, or that a member is ready for a purge. What is said of another epoch is passed
   * over. Throws ServeError.
   */
  async handleReport(from: MemberId, message: Report): Promise<ResponseBody> {
    await Promise.resolve()
    const topology = this.#components.log.current
    if (topology !== undefined) this.#voidOlder(topology)
    const { member, epoch, reconciled } = message
    if (member === undefined || !sameMember(member, from)) {
      throw new ServeError('bad-request', "a report is not its sender's own", 'forged')
    }
    if (reconciled !== undefined) {
      const report = purgeReportOf(reconciled)
      if (topology?.epoch !== epoch || !includesMember(topology.current, member)) return { done: {} }
      this.#purgeReports.note(member, report)
      this.#lookSoon()
    } else if (topology?.transition?.latest === epoch && includesMember(topology.takers, member)) {
      this.#reported.add(memberKey(member))
      this.#lookSoon()
    }
    return { done: {} }
  }

  /** What the next entry waits for, as seen from here, in words; empty for nothing. */
  get waiting(): readonly string[] {
    const topology = this.#components.log.current
    return topology === undefined ? [] : this.#reasons(topology)
  }

  #logMoved(): void {
    this.#wantedAtMs = undefined
    this.#notBeforeMs = 0
    this.#obstacle = undefined
    this.#look()
  }

  /**
   * An amendment voids all reports, and a close has no more use for them. Looked at whenever they are, as the log may move
   * before the steward listens to it: reports come from the moment at which the life answers.
   */
  #voidOlder({ epoch }: Topology): void {
    if (this.#reportsAt === epoch) return
    this.#reportsAt = epoch
    this.#reported.clear()
    this.#purgeReports.clear()
  }

  /** Looks at what there is, and proposes or sets the next time to look. */
  #look(): void {
    if (this.#stopListening === undefined) return
    const { clock, random, log } = this.#components
    const topology = log.current
    const entry = topology === undefined ? undefined : entryOf(this.#decision(topology))
    const now = clock.monotonic()
    if (topology === undefined || entry === undefined || this.#isProposing) {
      this.#wantedAtMs = undefined
      this.#lookAgain(lookEveryMs)
      return
    }
    this.#wantedAtMs ??= now + batchDelayMs * (1 + random.float())
    const dueMs = Math.max(this.#wantedAtMs + this.#rank(topology) * staggerMs, this.#notBeforeMs)
    if (dueMs > now) this.#lookAgain(Math.min(dueMs - now, lookEveryMs))
    else void this.#propose(topology, entry)
  }

  #lookSoon(): void {
    if (this.#stopListening === undefined) return
    if (this.#lookAtMs - this.#components.clock.monotonic() > gatherMs) this.#lookAgain(gatherMs)
  }

  #lookAgain(delayMs: number): void {
    const { clock } = this.#components
    this.#timer?.cancel()
    this.#lookAtMs = clock.monotonic() + delayMs
    this.#timer = clock.after(delayMs, () => this.#look())
  }

  async #propose(topology: Topology, entry: Entry): Promise<void> {
    const { clock, random, proposer, logger } = this.#components
    this.#isProposing = true
    this.#lookAgain(lookEveryMs)
    try {
      logger.debug('proposes a log entry', {
        epoch: entry.epoch,
        kind: entry.kind,
        changes: changesOf(entry)
      })
      const outcome = await proposer.propose(entry)
      if (outcome === 'no-majority') {
        const names = topology.acceptors.map(({ peerId }) => peerId).join(', ')
        this.#obstacle = `a majority of the members that decide (${names}) does not answer`
      }
    } catch (error) {
      this.#obstacle = `the proposal failed: ${String(error)}`
      logger.warn('could not propose a log entry', { epoch: entry.epoch, error: String(error) })
    } finally {
      this.#isProposing = false
      const hasMoved = this.#components.log.epoch >= entry.epoch
      this.#notBeforeMs = hasMoved ? 0 : clock.monotonic() + retryDelayMs * (1 + random.float())
      if (hasMoved) this.#obstacle = undefined
      this.#look()
    }
  }

  /** How many acceptors go first: those that are older and not known to be down. */
  #rank({ acceptors }: Topology): number {
    const { self } = this.#init
    const before = acceptors.slice(
      0,
      Math.max(
        0,
        acceptors.findIndex(acceptor => sameMember(acceptor, self))
      )
    )
    return before.filter(acceptor => this.#health(acceptor).liveness !== 'down').length
  }

  #decision(topology: Topology): Decision {
    return this.#isAcceptor(topology) ? nextEntry(topology, this.#view(topology)) : undefined
  }

  #isAcceptor(topology: Topology): boolean {
    return includesMember(topology.acceptors, this.#init.self)
  }

  #view(topology: Topology): View {
    this.#voidOlder(topology)
    this.#book.forget(wish => isDone(topology, wish))
    const wishes = this.#book.wishes()
    return {
      joins: wishes.filter(wish => wish.kind === 'join').map(({ member }) => member),
      leaves: wishes.filter(wish => wish.kind === 'leave').map(({ member }) => member),
      removals: wishes.filter(wish => wish.kind === 'remove'),
      hasReported: member => this.#reported.has(memberKey(member)),
      health: member => this.#health(member),
      removeAfterMs: this.#init.removeAfterMs,
      dropJoinerAfterMs: this.#init.dropJoinerAfterMs ?? defaultDropJoinerAfterMs,
      reportOf: member => this.#purgeReports.of(member),
      tombstoneGraceMs: this.#init.tombstoneGraceMs ?? defaultTombstoneGraceMs
    }
  }

  #health(member: MemberId): Health {
    if (sameMember(member, this.#init.self)) return { liveness: 'alive', downForMs: 0 }
    const { liveness } = this.#components
    return { liveness: liveness.livenessOf(member), downForMs: liveness.downForMs(member) }
  }

  #reasons(topology: Topology): readonly string[] {
    if (this.#obstacle !== undefined) return [this.#obstacle]
    const decision = this.#decision(topology)
    return decision !== undefined && 'waiting' in decision ? decision.waiting : []
  }

  #waiting(topology: Topology): string {
    const nowMs = this.#components.clock.monotonic()
    if (this.#told?.topology !== topology || nowMs - this.#told.atMs > toldMs) {
      this.#told = { topology, atMs: nowMs, waiting: this.#reasons(topology).join('; ') }
    }
    return this.#told.waiting
  }
}

function noted(waiting: string): ResponseBody {
  return { petition: { refusal: '', refusalCode: 0, waiting } }
}

/** How many members an entry changes the standing of. */
function changesOf(entry: Entry): number {
  if (entry.kind === 'open') return entry.joins.length + entry.leaves.length + entry.removals.length
  return entry.kind === 'amend' ? entry.drops.length + entry.removals.length : 0
}

function entryOf(decision: Decision): Entry | undefined {
  return decision !== undefined && 'entry' in decision ? decision.entry : undefined
}

/** Throws ServeError. */
function wishOf(message: Petition): Wish {
  const { join, joinReplicas, leave, remove, acceptLoss } = message
  if ([join, leave, remove].filter(part => part !== undefined).length !== 1) {
    throw new ServeError('bad-request', 'a petition asks for exactly one thing')
  }
  try {
    if (join !== undefined) {
      const replicas = joinReplicas === 0 ? undefined : joinReplicas
      return { kind: 'join', member: ensureRingMember(join), replicas }
    }
    if (leave !== undefined) return { kind: 'leave', member: ensureMemberId(leave) }
    return { kind: 'remove', member: ensureMemberId(remove), acceptLoss }
  } catch (error) {
    if (error instanceof MalformedError) throw new ServeError('bad-request', error.message)
    throw error
  }
}

/** Throws ServeError. */
function purgeReportOf({ since, oldest }: Reconciled): PurgeReport {
  try {
    return { since: ensureTime(since), oldest: ensureTime(oldest) }
  } catch (error) {
    if (error instanceof MalformedError) throw new ServeError('bad-request', error.message)
    throw error
  }
}

/** A peer joins for itself; members and clients may ask for others to go. What a member relays it answers for. */
function ensureMayAsk(topology: Topology, from: Petitioning, wish: Wish, isRelayed: boolean): void {
  const standing = from.role === 'peer' ? topology.member(from) : undefined
  const isMember = standing !== undefined && !isGone(standing)
  if (sameMember(from, wish.member) || (isRelayed && isMember)) return
  if (wish.kind !== 'join' && (isMember || from.role === 'client')) return
  // A member that goes, or that this one has not heard of yet, may pass on what it was asked in good faith.
  const blame = isRelayed ? 'nobody' : 'forged'
  throw new ServeError('bad-request', `${from.peerId} may not ask this for ${wish.member.peerId}`, blame)
}

/** Whether the log shows already what is wished for, or that it is on its way. */
function isDone(topology: Topology, wish: Wish): boolean {
  const member = topology.member(wish.member)
  if (wish.kind === 'join') return member !== undefined
  if (member === undefined || isGone(member)) return true
  if (wish.kind === 'leave') return member.standing === 'leaving' || member.standing === 'removing'
  return member.standing === 'removing' && (member.lost || !wish.acceptLoss)
}
