/**
 * Watches who has members removed (`log`): nobody takes out of the ring those that it merely cannot reach, and no copies
 * go that nobody gave up. Judged is who asks first for an entry, by what it saw when it made up its mind.
 *
 *     most      of the members that are not to be removed, it saw more than half alive; those that are gone by the word of
 *               who asked for their removal do not count
 *     copies    n - q + 1 replicas of every range were alive and stay, unless the copies are given up
 */
import { memberKey, type MemberId } from '../../../src/core/member.ts'
import { segmentsOf } from '../../../src/core/movement/segments.ts'
import { formatPosition } from '../../../src/core/ring/position.ts'
import { entryFromWire } from '../../../src/core/topology/codec.ts'
import type { Amend, Open } from '../../../src/core/topology/entry.ts'
import { includesMember } from '../../../src/core/topology/shapes.ts'
import type { Member, Topology } from '../../../src/core/topology/topology.ts'
import { Entry } from '../../../src/wire/generated/messages.ts'
import type { SimulatedPeer } from '../cluster.ts'
import type { Message } from '../wiretap.ts'
import type { Violation } from './checker.ts'
import { membersSeenBy } from './guard-rails.ts'

/** What a member saw when it made up its mind on the entry after a topology. */
interface View {
  readonly topology: Topology
  /** Keys of those that were alive. */
  readonly alive: ReadonlySet<string>
}

type Removing = Open | Amend

export class RemovalRules {
  readonly violations: Violation[] = []
  /** By peer id, the latest. */
  readonly #views = new Map<string, View>()
  /** Keys of those whose removal was ever asked for by hand. */
  readonly #named = new Set<string>()
  /** Entries that somebody has asked for, or says to have accepted: whoever asks for one later need not want it. */
  readonly #asked = new Set<string>()

  /** A peer is about to propose an entry. */
  proposes({ peerId, core }: Pick<SimulatedPeer, 'peerId' | 'core'>): void {
    const topology = core.topologyNow
    const members = membersSeenBy(core)
    if (topology === undefined || members.length === 0) return
    const alive = members.filter(({ liveness }) => liveness === 'alive')
    this.#views.set(peerId, { topology, alive: new Set(alive.map(memberKey)) })
  }

  /** Takes in a message that was sent. */
  saw({ from, request, answer }: Message): void {
    const { petition, accept } = request
    if (petition?.remove !== undefined) this.#named.add(memberKey(petition.remove))
    if (answer?.vote?.acceptedEntry !== undefined) this.#isNew(answer.vote.acceptedEntry)
    if (answer !== undefined || accept?.entry === undefined || !this.#isNew(accept.entry)) return
    const entry = entryFromWire(accept.entry)
    if ((entry.kind !== 'open' && entry.kind !== 'amend') || entry.removals.length === 0) return
    const view = this.#views.get(from)
    if (view?.topology.epoch === entry.epoch - 1) this.#judge(from, entry, view)
  }

  #isNew(entry: Entry): boolean {
    const text = Buffer.from(Entry.encode(entry)).toString('base64')
    const isNew = !this.#asked.has(text)
    this.#asked.add(text)
    return isNew
  }

  #judge(by: string, entry: Removing, { topology, alive }: View): void {
    const { removals } = entry
    const whom = removals.map(({ peerId }) => peerId).join(', ')
    const staying = topology.members.filter(member => isVoter(member) && !includesMember(removals, member))
    const seen = staying.filter(member => alive.has(memberKey(member)))
    const missed = staying.filter(
      member => !alive.has(memberKey(member)) && !this.#named.has(memberKey(member))
    )
    if (seen.length <= missed.length) {
      const most = seen.length + missed.length
      this.#complain(by, `would remove ${whom}, and sees ${seen.length} alive of ${most} that stay`)
    }
    const scarce = scarceRange(entry, { topology, alive })
    if (scarce !== undefined) this.#complain(by, `would remove ${whom}, and ${scarce}`)
  }

  #complain(subject: string, what: string): void {
    this.violations.push({ guarantee: 'log', subject, what: `${subject} ${what}` })
  }
}

/** A range of which too few replicas are left, in words; undefined for none. */
function scarceRange({ removals, lost }: Removing, { topology, alive }: View): string | undefined {
  const going = removals.filter(member => !includesMember(lost, member))
  if (going.length === 0) return undefined
  const isLost = (member: Member): boolean => member.lost || includesMember(lost, member)
  const isLeft = (member: Member): boolean =>
    isVoter(member) && alive.has(memberKey(member)) && !includesMember(going, member)
  for (const { range, before } of segmentsOf(topology)) {
    const left = before.filter(isLeft).length
    const notLost = before.filter(member => !isLost(member)).length
    const needed = Math.min(before.length - Math.floor(before.length / 2), notLost)
    if (left < needed)
      return `of the range up to ${formatPosition(range.end)} sees ${left} of ${before.length} replicas left`
  }
  return undefined
}

function isVoter({ standing }: Pick<Member, 'standing'> & MemberId): boolean {
  return standing === 'up' || standing === 'leaving'
}
