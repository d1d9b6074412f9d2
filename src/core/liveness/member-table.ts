/**
 * What this peer thinks of each other member, and of what it is accused itself: the state machine of SWIM without
 * its messages. Rumours and own verdicts go in; changes and new rumours come out.
 */
import type { MemberLiveness } from '../../api.ts'
import type { Rumour } from '../../wire/generated/messages.ts'
import { lastingKey, memberKey, sameMember, type MemberId } from '../member.ts'
import type { Clock, Logger } from '../ports.ts'
import type { Awareness } from './awareness.ts'
import { claimOf, compareClaims, toRumour, unheard, type Claim } from './claim.ts'
import type { LivenessConfig } from './defaults.ts'
import { RumourQueue } from './rumours.ts'
import { retransmits } from './piggyback.ts'
import { Suspicion, suspicionBounds } from './suspicion.ts'

export interface Entry {
  readonly member: MemberId
  readonly key: string
  readonly claim: Claim
  /** By the monotonic clock; undefined while the member is not down. */
  readonly downSinceMs: number | undefined
}

interface State extends Entry {
  claim: Claim
  /** Who suspects, where the claim is a suspicion. */
  from: MemberId | undefined
  suspicion: Suspicion | undefined
  downSinceMs: number | undefined
}

/** Keys of members that are new, and of those that are gone. */
export interface MembersChange {
  readonly added: readonly string[]
  readonly removed: readonly string[]
}

interface TableComponents {
  readonly clock: Clock
  readonly awareness: Awareness
  readonly logger: Logger
}

interface TableInit {
  readonly self: MemberId
  readonly boot: number
  readonly config: LivenessConfig
  /** A member's liveness changed. */
  readonly onChange: (entry: Entry) => void
  /** There is a rumour to spread. */
  readonly onNews: () => void
  /** Another peer suspects a member: it should be looked into. */
  readonly onAccused: (entry: Entry) => void
  /** Others held this peer to be down: it was out of their reach for a while. Once for each incarnation. */
  readonly onReturn: () => void
}

export class MemberTable {
  readonly #clock: Clock
  readonly #awareness: Awareness
  readonly #logger: Logger
  readonly #init: TableInit
  readonly #states = new Map<string, State>()
  /** Of these, so that nobody has to look for the few among all. */
  readonly #suspects = new Set<State>()
  readonly #downs = new Set<State>()
  /** Who counts, as it was said last. */
  #members: readonly MemberId[] = []
  readonly #rumours = new RumourQueue()
  #own: Claim
  /** The lowest of this peer's incarnations for which it has not yet noted that it was held down. */
  #unnotedFrom = 0

  constructor(components: TableComponents, init: TableInit) {
    this.#clock = components.clock
    this.#awareness = components.awareness
    this.#logger = components.logger
    this.#init = init
    this.#own = { liveness: 'alive', boot: init.boot, incarnation: 0 }
  }

  get entries(): ReadonlyMap<string, Entry> {
    return this.#states
  }

  /** Members that count, this one among them. */
  get count(): number {
    return this.#states.size + 1
  }

  get hasNews(): boolean {
    return this.#rumours.size > 0
  }

  /** How often this peer passes an item on. */
  get retransmits(): number {
    return retransmits(this.#init.config.retransmitFactor, this.count)
  }

  get(member: MemberId): Entry | undefined {
    return this.#states.get(memberKey(member))
  }

  livenessOf(member: MemberId): MemberLiveness {
    if (sameMember(member, this.#init.self)) return 'alive'
    // An older life of this very peer: nobody can answer for it any more.
    if (member.peerId === this.#init.self.peerId) return 'down'
    return this.get(member)?.claim.liveness ?? 'alive'
  }

  /**
   * Takes in who counts from now on, and gives the keys of those that are new or gone. New ones are thought alive; of
   * those that went nothing is kept.
   */
  set(members: readonly MemberId[]): MembersChange {
    // By identity first: a change of the ring leaves nearly all of a thousand members the objects that they are.
    const [before, wanted] = [new Set(this.#members), new Set(members)]
    const going = new Set(this.#members.filter(member => !wanted.has(member)).map(lastingKey))
    const added: string[] = []
    for (const member of members) {
      if (before.has(member)) continue
      const key = lastingKey(member)
      if (going.delete(key) || member.peerId === this.#init.self.peerId || this.#states.has(key)) continue
      const nobody = { from: undefined, suspicion: undefined, downSinceMs: undefined }
      this.#states.set(key, { member, key, claim: unheard, ...nobody })
      added.push(key)
    }
    this.#members = members
    const removed = [...going].filter(key => this.#forget(key))
    return { added, removed }
  }

  /** Has all know that this peer is there, in this boot. */
  announce(): void {
    this.#spread(this.#init.self, this.#own)
  }

  /**
   * Takes in a rumour. Gives back what is known better here, where its teller is behind. One that cannot be true,
   * whoever tells it, goes no further than to who is to be told why it is refused.
   */
  hear(rumour: Rumour, refuse?: (why: string) => void): Rumour | undefined {
    const { member } = rumour
    const claim = claimOf(rumour)
    if (claim === undefined) refuse?.('a rumour out of bounds')
    else if (member === undefined) refuse?.('a rumour about nobody')
    else if (sameMember(member, this.#init.self)) return this.#hearOfSelf(claim, refuse)
    else return this.#hearOf(member, claim, rumour.from)
    return undefined
  }

  /** A member said itself, when its channel opened, in which boot it is. */
  hearBoot(member: MemberId, boot: number): void {
    const state = this.#states.get(memberKey(member))
    if (state === undefined || !Number.isSafeInteger(boot) || boot <= state.claim.boot) return
    this.#accept(state, { liveness: 'alive', boot, incarnation: 0 }, undefined)
  }

  /** This peer's own verdict: the member did not answer. */
  suspect(member: MemberId): void {
    const state = this.#states.get(memberKey(member))
    if (state === undefined) return
    const { self } = this.#init
    if (state.claim.liveness === 'suspect') this.#confirm(state, self)
    else if (state.claim.liveness === 'alive')
      this.#accept(state, { ...state.claim, liveness: 'suspect' }, self)
  }

  /** Whether there is something to find out by probing a member: not where enough others suspect it already. */
  isDoubtful({ member, claim }: Entry): boolean {
    if (claim.liveness !== 'suspect') return true
    return this.#states.get(memberKey(member))?.suspicion?.lacksConfirmation ?? false
  }

  /** Suspects whom others have had the time to accuse too, and did not: what is thought here may be outdated. */
  lonelySuspects(): Entry[] {
    return [...this.#suspects].filter(({ suspicion }) => suspicion?.isLonely === true)
  }

  /** What is held against a member, for one who asks after it. */
  accusationOf(member: MemberId): Rumour | undefined {
    const state = this.#states.get(memberKey(member))
    return state === undefined || state.claim.liveness === 'alive' ? undefined : this.#rumourOf(state)
  }

  /** What to tell a member: who tells, what is held against that member so that it can refute, and the news. */
  rumoursFor(to: MemberId): Rumour[] {
    const own = toRumour(this.#init.self, this.#own)
    const state = this.#states.get(memberKey(to))
    const isAccused = state !== undefined && state.claim.liveness !== 'alive'
    if (!isAccused || !this.#init.config.tellAccused) {
      return [own, ...this.#rumours.take(this.retransmits)]
    }
    // News told to one who is probably gone would be spent: in a small cluster nobody else might hear it.
    return [own, this.#rumourOf(state), ...this.#rumours.peek()]
  }

  /** All that is thought here, this peer first, then by member. */
  view(): Rumour[] {
    const states = [...this.#states.values()].toSorted((a, b) => (a.key < b.key ? -1 : 1))
    return [toRumour(this.#init.self, this.#own), ...states.map(state => this.#rumourOf(state))]
  }

  /** Ends all suspicions; nothing is left in the clock. */
  stop(): void {
    for (const state of this.#suspects) state.suspicion?.cancel()
  }

  /** Only those accusers count that are members themselves, so that suspicions are independent. */
  #isAccuser(from: MemberId | undefined, state: State): boolean {
    if (from === undefined || sameMember(from, state.member)) return false
    return sameMember(from, this.#init.self) || this.#states.has(memberKey(from))
  }

  #accept(state: State, claim: Claim, from: MemberId | undefined): void {
    const before = state.claim
    state.claim = claim
    state.from = claim.liveness === 'suspect' ? from : undefined
    this.#sort(state)
    state.suspicion?.cancel()
    state.suspicion = claim.liveness === 'suspect' ? this.#startSuspicion(state) : undefined
    if (claim.liveness !== 'down') state.downSinceMs = undefined
    else state.downSinceMs ??= this.#clock.monotonic()
    // That a member first heard of is alive is what all think anyway.
    if (claim.liveness !== 'alive' || before.liveness !== 'alive' || before.boot > 0) {
      this.#spread(state.member, claim, state.from)
    }
    if (before.liveness !== claim.liveness) this.#changed(state)
    if (claim.liveness === 'suspect' && !this.#isSelf(from)) this.#init.onAccused(state)
  }

  #confirm(state: State, from: MemberId | undefined): void {
    if (from === undefined || state.suspicion?.confirm(memberKey(from)) !== true) return
    this.#spread(state.member, state.claim, from)
  }

  #startSuspicion(state: State): Suspicion {
    const { config, self } = this.#init
    const others = this.#states.size - this.#downs.size - 1
    return new Suspicion(
      { clock: this.#clock },
      {
        ...suspicionBounds(config, this.count, others),
        from: memberKey(state.from ?? self),
        lateTimerMs: config.lateTimerMs,
        expire: () => this.#accept(state, { ...state.claim, liveness: 'down' }, undefined)
      }
    )
  }

  #hearOf(member: MemberId, claim: Claim, from: MemberId | undefined): Rumour | undefined {
    const state = this.#states.get(memberKey(member))
    if (state === undefined) return undefined
    if (claim.liveness === 'suspect' && !this.#isAccuser(from, state)) return undefined
    const order = compareClaims(claim, state.claim)
    if (order > 0) this.#accept(state, claim, from)
    else if (order === 0) this.#confirm(state, from)
    else if (claim.liveness !== 'alive') return this.#rumourOf(state)
    return undefined
  }

  /** What is said of this peer: an accusation is refuted by a higher incarnation. */
  #hearOfSelf(claim: Claim, refuse?: (why: string) => void): Rumour | undefined {
    const { boot } = this.#own
    // Boots are counted on disk before a peer speaks, so this cannot be true of a sound data folder.
    if (claim.liveness !== 'alive' && claim.boot > boot) {
      refuse?.(`a rumour of boot ${claim.boot} of this peer, which is in boot ${boot}`)
      return undefined
    }
    this.#noteReturn(claim)
    if (claim.liveness === 'alive' || compareClaims(claim, this.#own) < 0) return undefined
    this.#own = { ...this.#own, incarnation: claim.incarnation + 1 }
    this.#awareness.apply(1)
    this.#logger.debug('refuted', { accusation: claim.liveness, incarnation: this.#own.incarnation })
    this.announce()
    return toRumour(this.#init.self, this.#own)
  }

  /** Being held down tells of a time away, also where a suspicion that came first has been refuted already. */
  #noteReturn({ liveness, boot, incarnation }: Claim): void {
    if (liveness !== 'down' || boot !== this.#own.boot || incarnation < this.#unnotedFrom) return
    this.#unnotedFrom = incarnation + 1
    this.#init.onReturn()
  }

  #rumourOf(state: State): Rumour {
    return toRumour(state.member, state.claim, state.from)
  }

  #spread(member: MemberId, claim: Claim, from?: MemberId): void {
    this.#rumours.add(member, claim, from)
    this.#init.onNews()
  }

  #changed(state: State): void {
    const { peerId } = state.member
    this.#logger.info('liveness changed', { peerId, liveness: state.claim.liveness })
    this.#init.onChange(state)
  }

  /** Puts a member where those of its liveness are. */
  #sort(state: State): void {
    const { liveness } = state.claim
    if (liveness === 'suspect') this.#suspects.add(state)
    else this.#suspects.delete(state)
    if (liveness === 'down') this.#downs.add(state)
    else this.#downs.delete(state)
  }

  /** False where there is no such member. */
  #forget(key: string): boolean {
    const state = this.#states.get(key)
    if (state === undefined) return false
    state.suspicion?.cancel()
    this.#suspects.delete(state)
    this.#downs.delete(state)
    this.#rumours.forget(state.member)
    return this.#states.delete(key)
  }

  #isSelf(member: MemberId | undefined): boolean {
    return member !== undefined && sameMember(member, this.#init.self)
  }
}
