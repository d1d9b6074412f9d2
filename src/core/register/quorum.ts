/**
 * The arithmetic of quorums over one ring or, during a transition, two: who has voted, whether that is enough
 * in each ring, and whom to ask so that it will be. A member of both rings votes in both with one answer, as
 * in a joint configuration of Raft (Ongaro 2014, section 4.3). Pure: used by every round of a put or a get.
 *
 *     ring before   A B C      votes of B and D: one of two in the first ring, two of two in the second;
 *     ring after      B C D    a vote of C would do, one of E (in neither) never
 */
import type { Consistency } from '../../api.ts'

/** How many of `replicas` are a quorum: any two quorums have a member in common. */
export function quorumOf(replicas: number): number {
  return Math.floor(replicas / 2) + 1
}

/** What one ring asks for. */
export interface Need {
  /** Votes needed. */
  readonly needed: number
  /** Replicas that may vote. */
  readonly of: number
}

interface RingVotes {
  readonly members: ReadonlySet<string>
  readonly needed: number
  votes: number
  lost: number
}

/** Counts the votes of one round. Members go by their `memberKey`. */
export class Tally {
  readonly #rings: readonly RingVotes[]
  readonly #voted = new Set<string>()
  readonly #lost = new Set<string>()

  /** `rings`: the replicas of the key in each ring in force. A ring without members asks for nothing. */
  constructor(rings: ReadonlyArray<readonly string[]>, consistency: Consistency) {
    // One replica is enough for `one`, whichever ring it is in: then both rings count as a single one.
    const electorates = consistency === 'one' ? [rings.flat()] : rings
    this.#rings = electorates.map(ring => {
      const members = new Set(ring)
      return { members, needed: neededOf(members.size, consistency), votes: 0, lost: 0 }
    })
  }

  /** Enough have voted in each ring. */
  get isMet(): boolean {
    return this.#rings.every(ring => ring.votes >= ring.needed)
  }

  /** So many are lost that it cannot be met without one of them. */
  get isHopeless(): boolean {
    return this.#rings.some(ring => ring.members.size - ring.lost < ring.needed)
  }

  get needs(): Need[] {
    return this.#rings.map(({ needed, members }) => ({ needed, of: members.size }))
  }

  /** Those who have voted, in the order of their votes. */
  get voted(): string[] {
    return [...this.#voted]
  }

  /** Those who have not, in the order of the rings, each once. */
  get missing(): string[] {
    return [...new Set(this.#rings.flatMap(ring => [...ring.members]))].filter(key => !this.#voted.has(key))
  }

  hasVoted(key: string): boolean {
    return this.#voted.has(key)
  }

  /** Counts a vote, once; one of a member that is in no ring changes nothing. */
  vote(key: string): void {
    if (this.#voted.has(key) || !this.#rings.some(ring => ring.members.has(key))) return
    this.#voted.add(key)
    const wasLost = this.#lost.delete(key)
    for (const ring of this.#rings) {
      if (!ring.members.has(key)) continue
      ring.votes++
      if (wasLost) ring.lost--
    }
  }

  /** Takes a vote back: the member has to vote anew. */
  retract(key: string): void {
    if (!this.#voted.delete(key)) return
    for (const ring of this.#rings) if (ring.members.has(key)) ring.votes--
  }

  /** Counts a member that has not voted as one that will not. A vote that comes all the same counts. */
  lose(key: string): void {
    if (this.#voted.has(key) || this.#lost.has(key)) return
    this.#lost.add(key)
    for (const ring of this.#rings) if (ring.members.has(key)) ring.lost++
  }

  /**
   * Whom to ask: the first of `order` that would meet it together with those who voted and those `hoped` for
   * (asked already), leaving out who adds to no ring that is still short.
   */
  choose(order: readonly string[], hoped: readonly string[]): string[] {
    const short = this.#rings.map(ring => ring.needed - ring.votes - countIn(ring.members, hoped))
    const chosen: string[] = []
    for (const key of order) {
      const adds = this.#rings.some((ring, i) => short[i]! > 0 && ring.members.has(key))
      if (!adds || this.#voted.has(key) || hoped.includes(key)) continue
      chosen.push(key)
      for (const [i, ring] of this.#rings.entries()) if (ring.members.has(key)) short[i]!--
    }
    return chosen
  }
}

function neededOf(members: number, consistency: Consistency): number {
  if (members === 0) return 0
  if (consistency === 'one') return 1
  return consistency === 'all' ? members : quorumOf(members)
}

function countIn(members: ReadonlySet<string>, keys: readonly string[]): number {
  let count = 0
  for (const key of keys) if (members.has(key)) count++
  return count
}
