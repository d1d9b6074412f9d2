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
import { memberKey, sameMember, type MemberId } from '../member.ts'
import type { Reassignment } from '../ring/difference.ts'
import type { Range } from '../ring/range.ts'
import type { Member, Topology } from '../topology/topology.ts'
import { dutiesOf, type Duty } from '../topology/transition.ts'
import { Domain } from './domain.ts'
import { appendRange, segmentsOf } from './segments.ts'

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

export class Domains {
  readonly topology: Topology
  readonly #self: MemberId
  #shared: ReadonlyMap<string, Dealing> | undefined
  #handedOver: ReadonlyMap<string, Dealing> | undefined
  #duties: readonly Duty[] | undefined
  #foreign: { readonly domain: Domain | undefined } | undefined
  /** By who asks, under the kind. */
  readonly #asked = new Map<string, Domain | undefined>()

  constructor(topology: Topology, self: MemberId) {
    this.topology = topology
    this.#self = self
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
    this.#foreign ??= {
      domain: this.#domainOf(segment => !includes(replicasOf(segment), this.#self))
    }
    return this.#foreign.domain
  }

  sharedWith(member: MemberId): Domain | undefined {
    return this.#sharedByMember().get(memberKey(member))?.domain
  }

  handedOverTo(member: MemberId): Domain | undefined {
    return this.#handedOverByMember().get(memberKey(member))?.domain
  }

  handedOverBy(giver: MemberId): Domain | undefined {
    return this.#askedBy(`handed-over ${memberKey(giver)}`, () =>
      this.#domainOf(segment => {
        const replicas = replicasOf(segment)
        return includes(replicas, this.#self) && !includes(replicas, giver)
      })
    )
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
    return (this.#shared ??= this.#gather(({ before }) => (includes(before, this.#self) ? before : [])))
  }

  #handedOverByMember(): ReadonlyMap<string, Dealing> {
    return (this.#handedOver ??= this.#gather(segment => {
      const replicas = replicasOf(segment)
      return includes(replicas, this.#self) ? [] : replicas
    }))
  }

  /** By each other member the segments in which it is one of these. */
  #gather(membersOf: (segment: Segment) => readonly Member[]): ReadonlyMap<string, Dealing> {
    const gathered = new Map<string, { readonly member: MemberId; readonly ranges: Range[] }>()
    for (const segment of segmentsOf(this.topology)) {
      for (const member of membersOf(segment)) {
        if (sameMember(member, this.#self)) continue
        const key = memberKey(member)
        const entry = gathered.get(key) ?? { member, ranges: [] }
        appendRange(entry.ranges, segment.range)
        gathered.set(key, entry)
      }
    }
    const dealings = new Map<string, Dealing>()
    for (const [key, { member, ranges }] of gathered)
      dealings.set(key, { member, domain: new Domain(ranges) })
    return dealings
  }

  #domainOf(isIn: (segment: Segment) => boolean): Domain | undefined {
    const ranges: Range[] = []
    for (const segment of segmentsOf(this.topology)) if (isIn(segment)) appendRange(ranges, segment.range)
    return ranges.length === 0 ? undefined : new Domain(ranges)
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
    if (current !== domains?.topology) domains = current && new Domains(current, self)
    return domains
  }
}

/** In the rings in force, each once. */
function replicasOf({ before, after }: Segment): readonly Member[] {
  return before === after ? before : [...new Set([...before, ...after])]
}

function includes(members: readonly Member[], wanted: MemberId): boolean {
  return members.some(member => sameMember(member, wanted))
}

function takenDomain(duties: readonly Duty[], source: MemberId): Domain | undefined {
  const ranges = duties.filter(({ sources }) => includes(sources, source)).map(({ range }) => range)
  return ranges.length === 0 ? undefined : new Domain(ranges)
}
