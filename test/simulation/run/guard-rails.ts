/**
 * What the nemesis may do without asking more of a cluster than it promises: members enough are kept, and one
 * copy at a time is lost for good, the next only when all is replicated anew. But for one time in a run, when most
 * acceptors are lost at once and the others restored: then what may be lost is what had too few of its copies
 * elsewhere, and nothing else is lost until the survivors have copied the rest. It looks at all peers from outside,
 * as no peer can.
 */
import type { MemberInfo } from '../../../src/api.ts'
import { maxMembers } from '../../../src/core/limits.ts'
import { memberKey, sameMember } from '../../../src/core/member.ts'
import type { RecordHead } from '../../../src/core/record/record.ts'
import { compareVersions } from '../../../src/core/record/version.ts'
import { formatPosition, positionOf } from '../../../src/core/ring/position.ts'
import { Ring } from '../../../src/core/ring/ring.ts'
import type { SimulatedCluster, SimulatedPeer } from '../cluster.ts'
import type { SeededRandom } from '../random.ts'
import { GreatLoss } from './great-loss.ts'
import type { FaultStep } from './script.ts'
import type { FaultKind, SimulationSettings } from './settings.ts'
import { quietKeys } from './workload.ts'

/** Members that a cluster keeps: with fewer there is one acceptor only, and nothing stands in for its disk. */
const leastPeers = 3

/** Peers that a small cluster grows to at the most, and by how many a large one does. */
const smallPeers = 12
const growth = 4

/** Peers that one fault adds at the most. */
export const mostJoins = 3

/** Faults that bring peers that were not there. */
const joinKinds: ReadonlySet<FaultKind> = new Set(['join', 'join-many', 'kill-joining'])

/** With how many peers a run begins: up to the limit of members, less what room those need that join in it. */
export function peersAtStart(wanted: number, faults: readonly FaultStep[]): number {
  const room = faults.some(({ kind }) => joinKinds.has(kind)) ? growth + mostJoins : 0
  return Math.min(wanted, maxMembers - room)
}

/** How often damage hits a record that nobody asks for: only who reads everything finds it. */
const quietShare = 0.5

/** How often it hits one that some other replica lacks, where there is one: the copies that are left decide. */
const scarceShare = 0.5

/** How often it hits others on that disk as well, of those that are asked for, up to so many in all. */
const severalShare = 0.5
const mostDamages = 4

const quietPositions: ReadonlySet<string> = new Set(
  quietKeys.map(key => formatPosition(positionOf(new TextEncoder().encode(key))))
)

export class GuardRails {
  readonly #cluster: SimulatedCluster
  readonly #settings: SimulationSettings
  /** Those that are leaving or being removed, so far as is known. */
  readonly #going = new Set<SimulatedPeer>()
  /** Those whose disk was lost since all was last seen replicated. */
  readonly #bereft = new Set<SimulatedPeer>()
  #removals = 0
  #isBereft = false

  constructor(components: { cluster: SimulatedCluster }, init: { settings: SimulationSettings }) {
    this.#cluster = components.cluster
    this.#settings = init.settings
  }

  /** Peers to come and go also take time of the machine that simulates them: so there is a limit in all. */
  mayJoin(): boolean {
    const { running, peers } = this.#cluster
    const most = Math.max(smallPeers, this.#settings.peers + growth)
    const members = peers.filter(({ hasLeft }) => !hasLeft).length
    if (members + mostJoins > maxMembers) return false
    return running.length < most && peers.length < 2 * most
  }

  /** Whether one more may leave or be removed. */
  maySpareOne(): boolean {
    // What is damaged on the last disk, unbeknown to those that leave, nobody can repair.
    const least = this.#isAnyDamaged() ? Math.max(leastPeers, this.#settings.replicas) : leastPeers
    // Who waits to join, or joins, holds nothing yet that could stay.
    return !this.#isBereft && this.steady().filter(isUp).length > least
  }

  /** Those that run and stay. */
  steady(): SimulatedPeer[] {
    return this.#cluster.running.filter(peer => !this.#going.has(peer))
  }

  /**
   * A removal is the loss of a copy, until what the removed member held has been replicated anew; and so is damage,
   * until it is repaired.
   */
  async mayRemove(): Promise<boolean> {
    if (this.#removals > 0 || this.#isAnyDamaged()) return false
    return this.#bereft.size === 0 || (await this.#isReplicated())
  }

  async mayLoseDisk(): Promise<boolean> {
    if (this.#settings.replicas === 1 || this.#removals > 0) return false
    return this.#isReplicated()
  }

  /**
   * A record, or several on one disk, whose other replicas all run and are sound; undefined where there is none. They
   * need not have it: a write lies on a quorum, and the copy that is damaged may be one of just so many.
   */
  async mayDamage(
    random: SeededRandom
  ): Promise<{ peer: SimulatedPeer; positions: readonly Uint8Array[] } | undefined> {
    if (this.#removals > 0 || !(await this.#isReplicated())) return undefined
    const { running } = this.#cluster
    const peer = random.pick(running)
    const heads = await peer.disk.heads()
    const ring = this.#agreedRing()
    if (ring === undefined) return undefined
    const runs = new Set(running.map(({ peerId }) => peerId))
    const candidates = heads.filter(({ position }) => {
      const replicas = ring.replicas(position, this.#settings.replicas)
      return replicas.length > 1 && replicas.every(({ peerId }) => runs.has(peerId))
    })
    const quiet = candidates.filter(({ position }) => quietPositions.has(formatPosition(position)))
    const scarce = candidates.filter(head => this.#isScarce(head, ring))
    const usual = quiet.length > 0 && random.chance(quietShare) ? quiet : candidates
    const eligible = scarce.length > 0 && random.chance(scarceShare) ? scarce : usual
    if (eligible.length === 0) return undefined
    const first = random.pick(eligible)
    const asked = candidates.filter(head => !quiet.includes(head))
    const more = asked.length > 0 && random.chance(severalShare) ? random.integer(mostDamages) : 0
    const others = Array.from({ length: more }, () => random.pick(asked))
    return { peer, positions: [...new Set([first, ...others])].map(({ position }) => position) }
  }

  /** Whether some replica of it lacks this version and newer ones. */
  #isScarce({ position, version }: RecordHead, ring: Ring<MemberInfo>): boolean {
    const name = formatPosition(position)
    return ring.replicas(position, this.#settings.replicas).some(({ peerId }) => {
      const replica = this.#cluster.running.find(peer => peer.peerId === peerId)
      return compareVersions(replica?.disk.holdings.newest(name)?.version, version) < 0
    })
  }

  /**
   * The loss of most of those who decide on the ring, where all is replicated, nothing else is being lost, and somebody
   * survives; undefined where that may not be now.
   */
  async mayLoseMost(random: SeededRandom): Promise<GreatLoss | undefined> {
    if (this.#removals > 0 || this.#going.size > 0 || !(await this.#isReplicated())) return undefined
    const ring = this.#agreedRing()
    const { running } = this.#cluster
    const acceptors = running[0]?.core.topologyNow?.acceptors ?? []
    const present = running.filter(({ core }) => acceptors.some(each => sameMember(each, core.memberNow)))
    const least = Math.floor(acceptors.length / 2) + 1
    const most = Math.min(present.length, running.length - 1)
    if (ring === undefined || most < least) return undefined
    const count = least + random.integer(most - least + 1)
    const victims = new Set<SimulatedPeer>()
    while (victims.size < count) victims.add(random.pick(present))
    return GreatLoss.of(this.#cluster, { victims: [...victims], ring, replicas: this.#settings.replicas })
  }

  /** Keeps in mind that nobody is to leave, or to be removed, until the survivors have what was left. */
  async whileBereft(act: () => Promise<void>): Promise<void> {
    this.#isBereft = true
    try {
      await act()
    } finally {
      this.#isBereft = false
    }
  }

  /** Keeps in mind that a member goes while it does. */
  async whileGoing(peer: SimulatedPeer, act: () => Promise<void>): Promise<void> {
    this.#going.add(peer)
    try {
      await act()
    } finally {
      this.#going.delete(peer)
    }
  }

  async whileRemoving(peer: SimulatedPeer, act: () => Promise<void>): Promise<void> {
    this.#removals++
    try {
      await this.whileGoing(peer, act)
    } finally {
      this.#removals--
    }
  }

  /** Keeps in mind that a disk is lost, until all is replicated anew. */
  lost(peer: SimulatedPeer): void {
    this.#bereft.add(peer)
  }

  /**
   * Whether a copy more may be lost: all that run agree who is there, no transition is open, those who lost
   * their disk are members again, nothing is damaged, and nobody has records left to hand over.
   */
  async #isReplicated(): Promise<boolean> {
    for (const peer of this.#bereft) if (!peer.process.isAlive && !peer.hasLeft) return false
    const ring = this.#agreedRing()
    if (ring === undefined || ring.members.length < leastPeers) return false
    if (this.#isAnyDamaged()) return false
    const { running } = this.#cluster
    for (const { peerId, disk } of running) {
      for (const { position } of await disk.heads()) {
        const replicas = ring.replicas(position, this.#settings.replicas)
        if (!replicas.some(replica => replica.peerId === peerId)) return false
      }
    }
    this.#bereft.clear()
    return true
  }

  /** Also on a disk whose process is down: it comes back with it. */
  #isAnyDamaged(): boolean {
    return this.#cluster.peers.some(({ disk, hasLeft }) => !hasLeft && disk.damaged > 0)
  }

  /** The ring, where all that run see the same members, all of them up, and themselves among them. */
  #agreedRing(): Ring<MemberInfo> | undefined {
    const { running } = this.#cluster
    const views = running.map(({ core }) => membersSeenBy(core))
    const first = views[0]
    if (first === undefined || first.some(({ standing }) => standing !== 'up')) return undefined
    const names = first.map(memberKey).join()
    if (views.some(view => view.map(memberKey).join() !== names)) return undefined
    // By their lives: who lost its disk is in the ring with the life it lost, until another one has joined.
    const seen = new Set(first.map(memberKey))
    return running.every(({ core }) => seen.has(memberKey(core.memberNow))) ? Ring.of(first) : undefined
  }
}

function isUp({ core }: SimulatedPeer): boolean {
  return core.topologyNow?.member(core.memberNow)?.standing === 'up'
}

/** None between two lives. */
export function membersSeenBy(core: SimulatedPeer['core']): MemberInfo[] {
  try {
    return core.membersNow()
  } catch {
    return []
  }
}
