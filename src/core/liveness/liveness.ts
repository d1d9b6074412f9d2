/**
 * Who answers: SWIM (Das, Gupta and Motivala 2002) with Lifeguard (Dadgar, Phillips and Currey 2017) over the
 * members of the topology. The peer starts it, tells it who counts, hands it the pings that arrive, and asks it whom
 * to expect an answer of. It decides nothing about the ring: a member that is down keeps its place.
 */
import type { MemberLiveness } from '../../api.ts'
import type { Ping, PingRequest, Rumour } from '../../wire/generated/messages.ts'
import { sameMember, type MemberId } from '../member.ts'
import { ServeError, type AddressBook, type Clock, type Logger, type Random, type Timer } from '../ports.ts'
import type { Refusals } from '../requests/refusals.ts'
import type { Calls, ResponseBody } from '../rpc-types.ts'
import { Awareness } from './awareness.ts'
import { lan, maxRedialsPerInterval, maxRelayedProbes, relayShare, type LivenessConfig } from './defaults.ts'
import { Exchange } from './exchange.ts'
import { MemberTable, type Entry } from './member-table.ts'
import { ProbeOrder } from './probe-order.ts'
import { Prober } from './prober.ts'
import { Redials } from './redials.ts'

export interface LivenessComponents {
  readonly clock: Clock
  readonly random: Random
  readonly calls: Calls
  readonly addresses: AddressBook
  readonly logger: Logger
  /** Told of rumours and address records that cannot be. */
  readonly refusals?: Pick<Refusals, 'note'>
}

export interface LivenessInit {
  readonly self: MemberId
  /** This peer's boot counter, at least 1: the high part of its incarnation. */
  readonly boot: number
  /** Default `lan`. */
  readonly config?: Partial<LivenessConfig>
  /** Told when this peer stood still, or learns that others held it down: what they did meanwhile, it missed. */
  readonly onReturn?: () => void
}

export type LivenessListener = (member: MemberId, liveness: MemberLiveness) => void

/** Who sent a message: a member, or some other peer or client (which gets an answer and no entry). */
export interface Sender extends MemberId {
  readonly boot: number
}

export class Liveness {
  readonly #clock: Clock
  readonly #random: Random
  readonly #logger: Logger
  readonly #self: MemberId
  readonly #config: LivenessConfig
  readonly #onReturn: () => void
  readonly #awareness: Awareness
  readonly #table: MemberTable
  readonly #exchange: Exchange
  readonly #prober: Prober
  readonly #probeOrder: ProbeOrder
  readonly #gossipOrder: ProbeOrder
  readonly #redials: Redials
  /** Keys of members to be probed out of turn: to find out whether they answer, or since they did answer. */
  readonly #soon = new Map<string, 'doubted' | 'answered'>()
  readonly #listeners = new Set<LivenessListener>()
  readonly #stopping = new AbortController()
  #isStarted = false
  #relayed = 0
  #tickTimer: Timer | undefined
  #gossipTimer: Timer | undefined

  constructor(components: LivenessComponents, init: LivenessInit) {
    const { clock, random, logger } = components
    const { signal } = this.#stopping
    const config = { ...lan, ...init.config }
    this.#clock = clock
    this.#random = random
    this.#logger = logger
    this.#self = init.self
    this.#config = config
    this.#onReturn = init.onReturn ?? (() => undefined)
    const awareness = new Awareness({ max: config.maxAwareness })
    const events = {
      onChange: (entry: Entry) => this.#changed(entry),
      onNews: () => this.#armGossip(),
      onAccused: (entry: Entry) => this.#doubt(entry.key),
      onReturn: this.#onReturn
    }
    const table = new MemberTable({ clock, awareness, logger }, { ...init, config, ...events })
    this.#awareness = awareness
    this.#table = table
    this.#exchange = new Exchange({ ...components, table }, { signal })
    this.#prober = new Prober(
      { clock, random, awareness, table, exchange: this.#exchange },
      { config, signal }
    )
    this.#probeOrder = new ProbeOrder({ random })
    this.#gossipOrder = new ProbeOrder({ random })
    this.#redials = new Redials({ random }, config)
  }

  /** Begins to probe, and tells all that this peer is there. */
  start(): void {
    if (this.#isStarted || this.#stopping.signal.aborted) return
    this.#isStarted = true
    this.announce()
    // Peers that start at once would else probe at once for ever.
    this.#armTick(this.#random.float() * this.#config.probeIntervalMs)
  }

  /** Ends for good: no timer is left, calls under way are aborted. */
  stop(): void {
    this.#isStarted = false
    this.#stopping.abort()
    this.#tickTimer?.cancel()
    this.#gossipTimer?.cancel()
    this.#table.stop()
    this.#listeners.clear()
  }

  /** Spreads this peer's incarnation and its address record; to be called anew when its addresses change. */
  announce(): void {
    this.#table.announce()
    this.#exchange.announceAddress().then(
      () => this.#armGossip(),
      (error: unknown) => this.#logger.warn('no own address to announce', { error: String(error) })
    )
  }

  /** Takes in who counts: all members that are joining, up, leaving or removing; this one may be among them. */
  setMembers(members: readonly MemberId[]): void {
    const change = this.#table.set(members)
    for (const key of change.removed) {
      this.#redials.delete(key)
      this.#soon.delete(key)
    }
    this.#probeOrder.change(change)
    this.#gossipOrder.change(change)
    if (this.#hasNews()) this.#armGossip()
  }

  /** `alive` for this peer, for members not yet heard of and for those unknown here. */
  livenessOf(member: MemberId): MemberLiveness {
    return this.#table.livenessOf(member)
  }

  isAlive(member: MemberId): boolean {
    return this.livenessOf(member) === 'alive'
  }

  /** For how long a member has been down as seen from here, in ms; 0 when it is not. */
  downForMs(member: MemberId): number {
    const sinceMs = this.#table.get(member)?.downSinceMs
    return sinceMs === undefined ? 0 : this.#clock.monotonic() - sinceMs
  }

  /** Calls `listener` at each change of a member's liveness, until the function given back is called. */
  onChange(listener: LivenessListener): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  /** All that is thought here of the members, as rumours. */
  view(): Rumour[] {
    return this.#table.view()
  }

  /** Takes in another's view: what a peer that just joined need not find out by itself. */
  hear(rumours: readonly Rumour[]): void {
    if (this.#stopping.signal.aborted) return
    for (const rumour of rumours) this.#table.hear(rumour)
  }

  /** A channel to this member closed or a request to it went unanswered: it is probed next. */
  probeSoon(member: MemberId): void {
    const entry = this.#table.get(member)
    if (entry !== undefined && entry.claim.liveness !== 'down') this.#doubt(entry.key)
  }

  /**
   * A member answered some request. That does not overrule a rumour, which may be newer than the answer; but a member
   * thought suspect or down is asked at once, told of what it is accused, and refutes it.
   */
  heardFrom(member: MemberId): void {
    const entry = this.#table.get(member)
    if (entry !== undefined && entry.claim.liveness !== 'alive') this.#soon.set(entry.key, 'answered')
  }

  /** Answers a ping. Throws ServeError `not-ready` after `stop`. */
  handlePing(from: Sender, ping: Ping): Promise<ResponseBody> {
    return this.#serve(() => {
      this.#table.hearBoot(from, from.boot)
      const reached = ping.target === undefined || sameMember(ping.target, this.#self)
      return Promise.resolve(this.#exchange.answer(from, { ...ping, reached }))
    })
  }

  /** Pings a member for another, and says whether it acked. Throws ServeError like `handlePing`. */
  handlePingRequest(from: Sender, message: PingRequest): Promise<ResponseBody> {
    return this.#serve(async () => {
      const { target, rumours } = message
      if (target === undefined) throw new ServeError('bad-request', 'a ping request names its target')
      this.#table.hearBoot(from, from.boot)
      const reached = await this.#relay(target, message.timeoutMs)
      return this.#exchange.answerAbout(target, from, { reached, rumours })
    })
  }

  async #serve(act: () => Promise<ResponseBody>): Promise<ResponseBody> {
    if (this.#stopping.signal.aborted) throw new ServeError('not-ready', 'this peer is stopping')
    return act()
  }

  async #relay(target: MemberId, timeoutMs: number): Promise<boolean> {
    if (sameMember(target, this.#self)) return true
    const entry = this.#table.get(target)
    if (entry === undefined || this.#relayed >= maxRelayedProbes) return false
    // No relay waits longer than a requester in the worst of health would.
    const longestMs = this.#config.probeIntervalMs * (1 + this.#config.maxAwareness)
    this.#relayed++
    const reached = await this.#exchange.ping(entry.member, Math.min(timeoutMs, longestMs) * relayShare)
    this.#relayed--
    // What was missed on behalf of another is reason enough to look for oneself.
    if (!reached) this.probeSoon(target)
    return reached
  }

  #armTick(delayMs: number): void {
    const dueMs = this.#clock.monotonic() + delayMs
    this.#tickTimer = this.#clock.after(delayMs, () => this.#tick(dueMs))
  }

  /** One protocol period: the next member in turn, one out of turn, and those that are down and due. */
  #tick(dueMs: number): void {
    const nowMs = this.#clock.monotonic()
    if (nowMs - dueMs > this.#config.lateTimerMs) this.#awareness.apply(1)
    if (nowMs - dueMs > this.#config.standstillMs) this.#onReturn()
    this.#armTick(this.#awareness.stretch(this.#config.probeIntervalMs))
    const { entries } = this.#table
    for (const { key } of this.#table.lonelySuspects()) this.#doubt(key)
    const inTurn = this.#probeOrder.next(key => entries.get(key)!.claim.liveness !== 'down')
    const dueAgain = this.#redials.takeDue(nowMs, maxRedialsPerInterval)
    for (const key of new Set([inTurn, this.#takeSoon(), ...dueAgain])) {
      const entry = key === undefined ? undefined : entries.get(key)
      if (entry !== undefined) void this.#check(entry)
    }
  }

  /** Probes a member; one that is down needs no verdict, only to be told so. */
  async #check(entry: Entry): Promise<void> {
    if (entry.claim.liveness !== 'down') return this.#prober.probe(entry)
    await this.#exchange.ping(entry.member, this.#config.probeIntervalMs)
  }

  /** One of those to be probed out of turn, at random: others have been told to probe the same ones. */
  #takeSoon(): string | undefined {
    const { entries } = this.#table
    for (const [key, reason] of this.#soon) {
      if (reason === 'doubted' && !this.#table.isDoubtful(entries.get(key)!)) this.#soon.delete(key)
    }
    const key = [...this.#soon.keys()][Math.floor(this.#random.float() * this.#soon.size)]
    if (key !== undefined) this.#soon.delete(key)
    return key
  }

  #doubt(key: string): void {
    if (!this.#soon.has(key)) this.#soon.set(key, 'doubted')
  }

  #armGossip(): void {
    if (this.#gossipTimer !== undefined || !this.#isStarted) return
    this.#gossipTimer = this.#clock.after(this.#config.gossipIntervalMs, () => this.#gossip())
  }

  /** Sends the rumours to some members at once, rather than with the next probes. */
  #gossip(): void {
    this.#gossipTimer = undefined
    const { entries } = this.#table
    const told = new Set<string>()
    while (told.size < this.#config.gossipFanout && this.#hasNews()) {
      const key = this.#gossipOrder.next(each => !told.has(each) && this.#isTold(entries.get(each)!))
      if (key === undefined) break
      told.add(key)
      void this.#exchange.ping(entries.get(key)!.member, this.#config.probeTimeoutMs)
    }
    // With nobody to tell, the news waits for a member or for one that comes back.
    if (told.size > 0 && this.#hasNews()) this.#armGossip()
  }

  /** Whether news goes to a member: not to those that are probably gone, unless a suspect hears of it only so. */
  #isTold({ claim }: Entry): boolean {
    return claim.liveness === 'alive' || (claim.liveness === 'suspect' && !this.#config.tellAccused)
  }

  #hasNews(): boolean {
    return this.#table.hasNews || this.#exchange.hasAddresses
  }

  #changed(entry: Entry): void {
    const { liveness } = entry.claim
    if (liveness === 'down') this.#redials.add(entry.key, this.#clock.monotonic())
    else this.#redials.delete(entry.key)
    for (const listener of [...this.#listeners]) listener(entry.member, liveness)
  }
}
