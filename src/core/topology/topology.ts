/**
 * A topology is what the log has decided up to one epoch: the cluster's settings, its members with their
 * standing, and the rings in force. It never changes; the next entry makes the next one (entry.ts). Everything
 * that places a key or asks who counts reads it.
 *
 *     standing    ring before   ring after
 *     joining                   x
 *     up          x             x
 *     leaving     x
 *     removing    x
 *     left, removed             (kept for a while, so that who returns learns its fate)
 */
import { sameMember, type MemberId, type RingMember } from '../member.ts'
import { Ring } from '../ring/ring.ts'
import { compareMembers } from './shapes.ts'
import { takersOf } from './transition.ts'

export type Standing = 'joining' | 'up' | 'leaving' | 'left' | 'removing' | 'removed'

export interface Member extends RingMember {
  readonly standing: Standing
  /** Epoch at which the log first named this member. */
  readonly since: number
  /** Epoch at which it got its standing. */
  readonly standingAt: number
  /** Its copies were given up at its removal: nobody waits for them. */
  readonly lost: boolean
}

export interface Transition {
  /** Epoch of the open entry. */
  readonly opened: number
  /** Epoch of the latest entry of the transition: the open itself, or an amendment. Reports count at this one. */
  readonly latest: number
}

/** What a topology is made of; all else follows from it. */
export interface TopologyState {
  readonly epoch: number
  /** 1, and one more for each restore. */
  readonly generation: number
  /** 32 hex digits. */
  readonly clusterId: string
  readonly network: string
  /** The replication factor, N. */
  readonly replicas: number
  readonly members: readonly Member[]
  readonly transition: Transition | undefined
  /**
   * Tombstones and expired records of before this time do not exist (record/purged.ts); never goes back. In
   * microseconds of the hybrid clock, as versions have it; 0 where nothing was ever purged.
   */
  readonly purgedBefore: number
  /** No write of this epoch or a later one has a stamp below this time; see purge.ts. Same unit; never goes back. */
  readonly fence: number
}

/** How many members that left or were removed a topology remembers; the oldest go first. */
export const maxGoneMembers = 256

/** Acceptors where there are enough members for them: five survive the loss of two, and more only cost. */
const acceptorCounts = [5, 3, 1] as const

export class Topology implements TopologyState {
  readonly epoch: number
  readonly generation: number
  readonly clusterId: string
  readonly network: string
  readonly replicas: number
  /** In the order of peer id and life. */
  readonly members: readonly Member[]
  readonly transition: Transition | undefined
  readonly purgedBefore: number
  readonly fence: number
  /** Who decides the next epoch: five, three or one, by how many members there are. */
  readonly acceptors: readonly Member[]
  readonly #byPeerId: ReadonlyMap<string, readonly Member[]>
  /** Rings made earlier, from which this topology's are made with little work. */
  readonly #nearby: ReadonlyArray<Ring<Member>>
  #before: Ring<Member> | undefined
  #after: Ring<Member> | undefined
  #takers: readonly Member[] | undefined
  #newestLives: readonly Member[] | undefined

  constructor(state: TopologyState, previous?: Topology) {
    this.epoch = state.epoch
    this.generation = state.generation
    this.clusterId = state.clusterId
    this.network = state.network
    this.replicas = state.replicas
    this.members = keptMembers(state.members)
    this.transition = state.transition
    this.purgedBefore = state.purgedBefore
    this.fence = state.fence
    this.acceptors = acceptorsOf(this.members)
    this.#byPeerId = Map.groupBy(this.members, member => member.peerId)
    this.#nearby = previous?.ringsMade() ?? []
  }

  /** The ring in force; during a transition the one before it. */
  get before(): Ring<Member> {
    return (this.#before ??= this.#ring(isInRingBefore))
  }

  /** During a transition the ring after it, which is in force too; undefined otherwise. */
  get after(): Ring<Member> | undefined {
    if (this.transition === undefined) return undefined
    return (this.#after ??= this.#ring(isInRingAfter))
  }

  /** The rings in force, one or two: a request needs a quorum of each. */
  get rings(): ReadonlyArray<Ring<Member>> {
    const { before, after } = this
    return after === undefined ? [before] : [before, after]
  }

  /** Who must report before the transition can close, in the order of peer id; none while none is open. */
  get takers(): readonly Member[] {
    return (this.#takers ??= takersOf(this))
  }

  member(id: MemberId): Member | undefined {
    return this.#byPeerId.get(id.peerId)?.find(member => sameMember(member, id))
  }

  /** The member that a peer id stands for now: its newest life that counts for a ring, else the newest gone. */
  currentLifeOf(peerId: string): Member | undefined {
    const lives = this.#byPeerId.get(peerId) ?? []
    const rank = (member: Member): number => (isInRingAfter(member) ? 2 : isInRingBefore(member) ? 1 : 0)
    return [...lives].sort((a, b) => rank(b) - rank(a) || b.since - a.since || b.standingAt - a.standingAt)[0]
  }

  /** Of each peer that counts for a ring in force the newest life, in the order of peer id. */
  get newestLives(): readonly Member[] {
    return (this.#newestLives ??= [...new Set(this.current.map(({ peerId }) => peerId))]
      .map(peerId => this.currentLifeOf(peerId))
      .filter(member => member !== undefined))
  }

  /** Whether a life of this peer counts for a ring in force. */
  hasPeer(peerId: string): boolean {
    return (
      this.#byPeerId.get(peerId)?.some(member => isInRingBefore(member) || isInRingAfter(member)) ?? false
    )
  }

  /** Members that count for a ring in force. */
  get current(): readonly Member[] {
    return this.members.filter(member => isInRingBefore(member) || isInRingAfter(member))
  }

  /** The rings this topology has made, or failing that those it could have made its own from. */
  ringsMade(): ReadonlyArray<Ring<Member>> {
    const made = [this.#before, this.#after].filter(ring => ring !== undefined)
    return made.length > 0 ? made : this.#nearby
  }

  #ring(isIn: (member: Member) => boolean): Ring<Member> {
    const wanted = this.members.filter(isIn)
    let best: { ring: Ring<Member>; add: Member[]; remove: Member[] } | undefined
    for (const ring of [...this.ringsMade(), ...this.#nearby]) {
      // By identity: a member whose standing changed is another object, and rings hold members as they now are.
      const held = new Set<Member>(ring.members)
      const add = wanted.filter(member => !held.delete(member))
      const remove = [...held]
      if (best === undefined || add.length + remove.length < best.add.length + best.remove.length) {
        best = { ring, add, remove }
      }
    }
    if (best === undefined || best.add.length + best.remove.length >= wanted.length) return Ring.of(wanted)
    if (best.add.length + best.remove.length === 0) return best.ring
    return best.ring.with(best)
  }
}

/** Whether members of this standing replicate in the ring in force, during a transition the one before it. */
export function isInRingBefore(member: Member): boolean {
  return member.standing === 'up' || member.standing === 'leaving' || member.standing === 'removing'
}

/** Whether members of this standing are in the ring that comes of the transition. */
export function isInRingAfter(member: Member): boolean {
  return member.standing === 'up' || member.standing === 'joining'
}

export function isGone(member: Member): boolean {
  return member.standing === 'left' || member.standing === 'removed'
}

/**
 * Five, three or one of those who hold the cluster's state for sure: `up` first, then `leaving`, and the ones
 * that have stood longest, so that acceptors change as seldom as can be.
 */
function acceptorsOf(members: readonly Member[]): readonly Member[] {
  const able = members.filter(({ standing }) => standing === 'up' || standing === 'leaving')
  const count = acceptorCounts.find(n => n <= able.length) ?? 0
  const isLeaving = (member: Member): number => (member.standing === 'leaving' ? 1 : 0)
  able.sort((a, b) => isLeaving(a) - isLeaving(b) || a.since - b.since || compareMembers(a, b))
  return able.slice(0, count)
}

/** In order, without the oldest of the gone where there are too many. */
function keptMembers(members: readonly Member[]): readonly Member[] {
  const gone = members.filter(isGone)
  gone.sort((a, b) => b.standingAt - a.standingAt || compareMembers(a, b))
  const forgotten = new Set(gone.slice(maxGoneMembers))
  return members.filter(member => !forgotten.has(member)).sort(compareMembers)
}
