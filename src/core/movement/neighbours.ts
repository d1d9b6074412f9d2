/**
 * With whom this member is to reconcile what both replicate, and when: soon after the ring changed there, at once when
 * it came back, a little later when the other one did, who asks at once itself, and otherwise every half a minute, or a
 * little less often where they are many, be it that one asks or the other. Remembers how far all of them are reconciled
 * at the present epoch. Used by the mover; does no work itself.
 */
import { memberKey, type MemberId } from '../member.ts'
import type { Clock, Random } from '../ports.ts'
import type { Domain } from './domain.ts'
import type { Domains } from './domains.ts'

/** Two neighbours find out whether they are equal at least so often, in ms. */
const periodMs = 30_000

/**
 * With many neighbours less often: so many ms for each of them. Where all is equal a session is some 180 bytes of
 * messages, both ways, and well under a millisecond of processor time at either end.
 */
const msPerNeighbour = 400

/**
 * But at least so often, in ms, however many they are. Whoever was away asks at once when it is back; this is for losses
 * that nobody noticed, as where a connection broke under a put and was there again at once. Two neighbours are equal
 * within a minute also then, with time left for a session. Among 400 that is a dozen sessions a second.
 */
const maxPeriodMs = 50_000

/** Over how long the sessions after a change of the ring are spread, in ms. */
const spreadMs = 1_000

/**
 * How long one that came back is given to ask for what it missed, in ms; jittered down by half. If all the others asked
 * it at once too, it would be sent much of that twice.
 */
const returnMs = 10_000

/** Before one that failed is tried again, in ms; jittered by half. */
const retryMs = 2_000

export interface NeighboursComponents {
  readonly clock: Clock
  readonly random: Random
}

export interface NeighboursInit {
  /** True where this member may have missed something: it begins with all at once. */
  readonly isReturning: boolean
}

export interface Neighbour {
  readonly member: MemberId
  readonly domain: Domain
  /** Monotonic time in ms. */
  dueMs: number
  /** This member may have missed something that the other has, and has not asked it since. */
  isBehind: boolean
  /** The latest whole session that this member began, in which neither side had a damaged record. */
  reconciled: { readonly epoch: number; readonly beganMs: number } | undefined
}

export class Neighbours {
  readonly #clock: Clock
  readonly #random: Random
  #isReturning: boolean
  #domains: Domains | undefined
  /** In the order of the domains, which is fixed. */
  #neighbours: ReadonlyMap<string, Neighbour> = new Map()

  constructor({ clock, random }: NeighboursComponents, { isReturning }: NeighboursInit) {
    this.#clock = clock
    this.#random = random
    this.#isReturning = isReturning
  }

  /** Takes the domains of the topology in force. */
  follow(domains: Domains): void {
    if (domains === this.#domains) return
    const nowMs = this.#clock.monotonic()
    const known = this.#neighbours
    this.#neighbours = new Map(
      domains.shared.map(({ member, domain }) => {
        const key = memberKey(member)
        const before = known.get(key)
        const { dueMs = Infinity, reconciled, isBehind = true } = before ?? { reconciled: undefined }
        const soonMs = this.#isReturning ? nowMs : nowMs + spreadMs * this.#random.float()
        return [
          key,
          {
            member,
            domain,
            // Where the ring changed elsewhere only, two neighbours have nothing new in common.
            dueMs: before?.domain.isSame(domain) === true ? dueMs : Math.min(dueMs, soonMs),
            isBehind: isBehind || this.#isReturning,
            reconciled
          }
        ] as const
      })
    )
    this.#isReturning = false
    this.#domains = domains
  }

  /** This member may have missed something: it asks all of them at once. */
  allDue(): void {
    if (this.#domains === undefined) this.#isReturning = true
    const nowMs = this.#clock.monotonic()
    for (const neighbour of this.#neighbours.values()) {
      neighbour.dueMs = Math.min(neighbour.dueMs, nowMs)
      neighbour.isBehind = true
    }
  }

  /**
   * A member answers again. It asks for what it missed by itself; so it is asked a little later, though it may have
   * been due for long, unless this member was away too. One that comes and goes is not put off again and again. False
   * where it is no neighbour.
   */
  due(member: MemberId): boolean {
    const neighbour = this.#neighbours.get(memberKey(member))
    if (neighbour === undefined) return false
    const nowMs = this.#clock.monotonic()
    const laterMs = nowMs + returnMs * (0.5 + this.#random.float() / 2)
    if (neighbour.isBehind) neighbour.dueMs = Math.min(neighbour.dueMs, nowMs)
    else neighbour.dueMs = neighbour.dueMs > nowMs ? Math.min(neighbour.dueMs, laterMs) : laterMs
    return true
  }

  /**
   * A member asked, and was found equal: it need not be asked so soon, unless it is due already, or was not asked at
   * this epoch yet, for which only sessions count that this member began.
   */
  equal(member: MemberId): void {
    const neighbour = this.#neighbours.get(memberKey(member))
    if (neighbour === undefined || neighbour.dueMs <= this.#clock.monotonic()) return
    if (neighbour.reconciled?.epoch !== this.#domains?.topology.epoch) return
    neighbour.dueMs = Math.max(neighbour.dueMs, this.#nextMs())
  }

  /** Whose turn it is, of those that are alive, the one that has waited longest first. */
  next(isAlive: (member: MemberId) => boolean): Neighbour | undefined {
    const first = this.#earliest(() => true)
    // Nearly always it is: of several hundred only one is asked after.
    if (first === undefined || isAlive(first.member)) return first
    return this.#earliest(({ member }) => isAlive(member))
  }

  /** A session begins: what makes it due from now on, makes another one due. */
  begin(neighbour: Neighbour): void {
    neighbour.dueMs = this.#nextMs()
    neighbour.isBehind = false
  }

  failed(neighbour: Neighbour): void {
    const againMs = this.#clock.monotonic() + retryMs * (0.5 + this.#random.float())
    neighbour.dueMs = Math.min(neighbour.dueMs, againMs)
    neighbour.isBehind = true
  }

  /** The earliest monotonic time in ms from which on all were asked at this epoch; undefined where one was not. */
  reconciledSince(epoch: number): number | undefined {
    let sinceMs = Infinity
    for (const { reconciled } of this.#neighbours.values()) {
      if (reconciled?.epoch !== epoch) return undefined
      sinceMs = Math.min(sinceMs, reconciled.beganMs)
    }
    return sinceMs
  }

  #earliest(isEligible: (neighbour: Neighbour) => boolean): Neighbour | undefined {
    let first: Neighbour | undefined
    for (const neighbour of this.#neighbours.values()) {
      if (first !== undefined && first.dueMs <= neighbour.dueMs) continue
      if (isEligible(neighbour)) first = neighbour
    }
    return first
  }

  #nextMs(): number {
    const wholeMs = Math.min(Math.max(periodMs, this.#neighbours.size * msPerNeighbour), maxPeriodMs)
    return this.#clock.monotonic() + wholeMs * (0.5 + this.#random.float() / 2)
  }
}
