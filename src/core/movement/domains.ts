/**
 * The domains of the sessions between one member and the others, at one topology. Both ends of a session make
 * the same of the same topology.
 *
 *     shared        segments that both replicate in the ring in force, during a transition in the one before
 *     taken         segments that one takes in a transition, and the other replicates in the ring before
 *     handed over   segments that the receiver replicates in a ring in force, and the giver in none
 *
 * What is taken is in no shared domain, except where n shrinks: nobody else sends a taker what it is just
 * fetching. When the transition closes it is shared.
 */
import { SessionDomain } from '../../wire/generated/messages.ts'
import { lastingKey, memberKey, sameMember, type MemberId } from '../member.ts'
import type { Reassignment } from '../ring/difference.ts'
import { rangeBetween, type Range } from '../ring/range.ts'
import type { Ring } from '../ring/ring.ts'
import type { Member, Topology } from '../topology/topology.ts'
import { dutiesOf, type Duty } from '../topology/transition.ts'
import { Domain } from './domain.ts'
import { appendRange, replicasOf, segmentsOf } from './segments.ts'

export type DomainKind = 'shared' | 'taken' | 'handed-over'

export const domainOnWire: Readonly<Record<DomainKind, SessionDomain>> = {
  shared: SessionDomain.DOMAIN_SHARED,
  taken: SessionDomain.DOMAIN_TAKEN,
  'handed-over': SessionDomain.DOMAIN_HANDED_OVER
}

/** A domain with another member. */
export interface Dealing {
  readonly member: MemberId
  readonly domain: Domain
}

type Segment = Reassignment<Member>

/** The shared domains by member, and the ring that they follow from. */
interface Earlier {
  readonly ring: Ring<Member>
  readonly shared: ReadonlyMap<string, Dealing>
}

export class Domains {
  readonly topology: Topology
  readonly #self: MemberId
  /** Those of an earlier topology: what is the same is used again. */
  readonly #earlier: Earlier | undefined
  #shared: ReadonlyMap<string, Dealing> | undefined
  #handedOver: ReadonlyMap<string, Dealing> | undefined
  #duties: readonly Duty[] | undefined
  #foreign: { readonly domain: Domain | undefined } | undefined
  /** By who asks, under the kind. */
  readonly #asked = new Map<string, Domain | undefined>()

  /** `previous`: those of the topology before, where they are known. */
  constructor(topology: Topology, self: MemberId, previous?: Domains) {
    this.topology = topology
    this.#self = self
    this.#earlier = previous === undefined ? undefined : previous.#earlierOrOwn()
  }

  /** With whom this member shares ranges, and which, in a fixed order. */
  get shared(): readonly Dealing[] {
    return [...this.#sharedByMember().values()]
  }

  /** To whom this member hands foreign records over, in a fixed order. */
  get handedOver(): readonly Dealing[] {
    return [...this.#handedOverByMember().values()]
  }

  /** What this member has to take in the transition. */
  get duties(): readonly Duty[] {
    return (this.#duties ??= dutiesOf(this.topology, this.#self))
  }

  /** Where this member is a replica in no ring in force; undefined where there is no such place. */
  get foreign(): Domain | undefined {
    this.#foreign ??= { domain: domainOf(this.#foreignRanges()) }
    return this.#foreign.domain
  }

  sharedWith(member: MemberId): Domain | undefined {
    return this.#sharedByMember().get(memberKey(member))?.domain
  }

  handedOverTo(member: MemberId): Domain | undefined {
    return this.#handedOverByMember().get(memberKey(member))?.domain
  }

  handedOverBy(giver: MemberId): Domain | undefined {
    return this.#askedBy(`handed-over ${memberKey(giver)}`, () => {
      const ranges: Range[] = []
      for (const segment of this.#own())
        if (!includes(replicasOf(segment), giver)) appendRange(ranges, segment.range)
      return domainOf(ranges)
    })
  }

  takenFrom(source: MemberId): Domain | undefined {
    return this.#askedBy(`from ${memberKey(source)}`, () => takenDomain(this.duties, source))
  }

  takenBy(taker: MemberId): Domain | undefined {
    return this.#askedBy(`taken ${memberKey(taker)}`, () =>
      takenDomain(dutiesOf(this.topology, taker), this.#self)
    )
  }

  #askedBy(name: string, make: () => Domain | undefined): Domain | undefined {
    if (!this.#asked.has(name)) this.#asked.set(name, make())
    return this.#asked.get(name)
  }

  #sharedByMember(): ReadonlyMap<string, Dealing> {
    const earlier = this.#earlier
    // So most transitions begin: only the ring after is another one.
    const isSameRing = earlier?.ring === this.topology.before
    return (this.#shared ??= isSameRing ? earlier.shared : this.#gatherShared(earlier?.shared))
  }

  #gatherShared(earlier: ReadonlyMap<string, Dealing> | undefined): ReadonlyMap<string, Dealing> {
    const withSelf = ({ before }: Segment): readonly Member[] => (includes(before, this.#self) ? before : [])
    return this.#gather(this.#own(), withSelf, earlier)
  }

  #earlierOrOwn(): Earlier | undefined {
    return this.#shared === undefined ? this.#earlier : { ring: this.topology.before, shared: this.#shared }
  }

  #handedOverByMember(): ReadonlyMap<string, Dealing> {
    return (this.#handedOver ??= this.#gather(segmentsOf(this.topology), segment => {
      const replicas = replicasOf(segment)
      return includes(replicas, this.#self) ? [] : replicas
    }))
  }

  /** By each other member the segments in which it is one of these; a domain that is known is used again. */
  #gather(
    segments: Iterable<Segment>,
    membersOf: (segment: Segment) => readonly Member[],
    earlier?: ReadonlyMap<string, Dealing>
  ): ReadonlyMap<string, Dealing> {
    const gathered = new Map<string, { readonly member: MemberId; readonly ranges: Range[] }>()
    for (const segment of segments) {
      for (const member of membersOf(segment)) {
        if (sameMember(member, this.#self)) continue
        const key = lastingKey(member)
        const entry = gathered.get(key) ?? { member, ranges: [] }
        appendRange(entry.ranges, segment.range)
        gathered.set(key, entry)
      }
    }
    const dealings = new Map<string, Dealing>()
    for (const [key, { member, ranges }] of gathered) {
      const made = new Domain(ranges)
      const known = earlier?.get(key)?.domain
      dealings.set(key, { member, domain: known?.isSame(made) === true ? known : made })
    }
    return dealings
  }

  /** The segments that this member replicates in a ring in force, in ring order. */
  *#own(): Generator<Segment, void, undefined> {
    const segments = segmentsOf(this.topology)
    for (const number of segments.placesOf(this.#self)) yield segments.at(number)
  }

  /** What is between its own segments, before the first and behind the last. */
  #foreignRanges(): Range[] {
    const segments = segmentsOf(this.topology)
    const ranges: Range[] = []
    let next = 0
    for (const number of [...segments.placesOf(this.#self), segments.size]) {
      if (next < number)
        ranges.push(rangeBetween(segments.at(next).range.start, segments.at(number - 1).range.end))
      next = number + 1
    }
    return ranges
  }
}

/** Makes the domains of the topology in force, once. */
export function domainsFollowing(
  self: MemberId,
  topology: () => Topology | undefined
): () => Domains | undefined {
  let domains: Domains | undefined
  return () => {
    const current = topology()
    if (current !== domains?.topology) domains = current && new Domains(current, self, domains)
    return domains
  }
}

function includes(members: readonly Member[], wanted: MemberId): boolean {
  return members.some(member => sameMember(member, wanted))
}

function takenDomain(duties: readonly Duty[], source: MemberId): Domain | undefined {
  return domainOf(duties.filter(({ sources }) => includes(sources, source)).map(({ range }) => range))
}

function domainOf(ranges: readonly Range[]): Domain | undefined {
  return ranges.length === 0 ? undefined : new Domain(ranges)
}
