/**
 * The entries of the log, and what each makes of a topology. Both functions are pure and every peer runs
 * them on the same entries, so all come to the same topologies. Used by the log, which applies what was
 * decided, and by acceptors, which accept nothing that may not follow.
 *
 *     found    the first epoch: one member, up
 *     open     starts a transition: joins, leaves, removals, any number at once
 *     amend    drops joiners of the open transition, or removes members of the ring before; never adds
 *     close    ends it: joining becomes up, leaving left, removing removed
 *     purge    tombstones and expired records of before a time do not exist any more; see purge.ts
 *     restore  the last resort, declared by an operator and not agreed on: begins a transition in which all but
 *              the survivors are removed and given up, in place of one that is open
 */
import { maxMembers, maxReplicas, maxTime, maxVnodes } from '../limits.ts'
import type { MemberId, RingMember } from '../member.ts'
import { compareMembers, includesMember, isCanonical } from './shapes.ts'
import { nextTopology } from './next-topology.ts'
import { isInRingAfter, type Member, type Standing, type Topology } from './topology.ts'

export interface Found {
  readonly kind: 'found'
  readonly epoch: number
  readonly clusterId: string
  readonly network: string
  readonly replicas: number
  readonly founder: RingMember
}

/** Lists of members are in the order of peer id and life, so that equal wishes are equal bytes. */
export interface Open {
  readonly kind: 'open'
  readonly epoch: number
  /** A peer id that has an older life on the ring replaces it: that life becomes `removing` by the same entry. */
  readonly joins: readonly RingMember[]
  readonly leaves: readonly MemberId[]
  readonly removals: readonly MemberId[]
  /** Those of the removals whose copies are given up. */
  readonly lost: readonly MemberId[]
}

export interface Amend {
  readonly kind: 'amend'
  readonly epoch: number
  /** Joiners. Where one would have replaced an older life, that life stays `removing`: its store is no more. */
  readonly drops: readonly MemberId[]
  /** Up or leaving members; also ones already `removing`, where their copies are now given up. */
  readonly removals: readonly MemberId[]
  readonly lost: readonly MemberId[]
}

export interface Close {
  readonly kind: 'close'
  readonly epoch: number
}

export interface Purge {
  readonly kind: 'purge'
  readonly epoch: number
  /** Microseconds of the hybrid clock; at most the fence of the topology before. */
  readonly before: number
  /** The fence from now on, in the same unit. */
  readonly fence: number
}

export interface Restore {
  readonly kind: 'restore'
  /** `restoreLeap` or more after the epoch it is declared at, and less than twice that. */
  readonly epoch: number
  readonly generation: number
  readonly survivors: readonly MemberId[]
}

export type Entry = Found | Open | Amend | Close | Purge | Restore

/**
 * How far the epoch leaps at a restore, at least. Those left behind may have gone on for some epochs that the
 * operator never saw; with the leap no epoch of theirs is ever taken for one of the new generation. As much again
 * is drawn, so that two restores that were declared apart never have one epoch: where they meet, the later counts.
 */
export const restoreLeap = 1_000_000

/** Why an entry may not follow a topology (undefined: none yet), in words; undefined where it may. */
export function checkEntry(topology: Topology | undefined, entry: Entry): string | undefined {
  if (entry.kind === 'found') return checkFound(topology, entry)
  if (topology === undefined) return 'the log begins with a found entry'
  if (!follows(topology.epoch, entry)) return `epoch ${entry.epoch} does not follow ${topology.epoch}`
  const reason = checkBody(topology, entry)
  return reason ?? checkOutcome(nextTopology(topology, entry))
}

function follows(epoch: number, { kind, epoch: next }: Entry): boolean {
  if (kind !== 'restore') return next === epoch + 1
  return isWhole(next, epoch + restoreLeap, epoch + 2 * restoreLeap - 1)
}

/** The topology that an entry makes of the one before it. Throws where checkEntry has something against it. */
export function applyEntry(topology: Topology | undefined, entry: Entry): Topology {
  const reason = checkEntry(topology, entry)
  if (reason !== undefined) throw new Error(`the log entry of epoch ${entry.epoch} may not follow: ${reason}`)
  return nextTopology(topology, entry)
}

/** An open entry with its lists in order. */
export function openEntry(epoch: number, body: Partial<Omit<Open, 'kind' | 'epoch'>>): Open {
  const { joins = [], leaves = [], removals = [], lost = [] } = body
  return {
    kind: 'open',
    epoch,
    joins: inOrder(joins, ({ peerId, life, vnodes }) => ({ peerId, life, vnodes })),
    leaves: inOrder(leaves, idOf),
    removals: inOrder(removals, idOf),
    lost: inOrder(lost, idOf)
  }
}

/** An amendment with its lists in order. */
export function amendEntry(epoch: number, body: Partial<Omit<Amend, 'kind' | 'epoch'>>): Amend {
  const { drops = [], removals = [], lost = [] } = body
  return {
    kind: 'amend',
    epoch,
    drops: inOrder(drops, idOf),
    removals: inOrder(removals, idOf),
    lost: inOrder(lost, idOf)
  }
}

/** A restore with its list in order; `draw` in [0, 1) says how much farther than the least it leaps. */
export function restoreEntry(topology: Topology, survivors: readonly MemberId[], draw = 0): Restore {
  return {
    kind: 'restore',
    epoch: topology.epoch + restoreLeap + Math.floor(draw * restoreLeap),
    generation: topology.generation + 1,
    survivors: inOrder(survivors, idOf)
  }
}

function inOrder<T extends MemberId, U>(members: readonly T[], only: (member: T) => U): U[] {
  return [...members].sort(compareMembers).map(only)
}

function idOf({ peerId, life }: MemberId): MemberId {
  return { peerId, life }
}

function checkFound(topology: Topology | undefined, entry: Found): string | undefined {
  if (topology !== undefined) return 'the cluster is founded already'
  if (entry.epoch !== 1) return 'a found entry has epoch 1'
  if (!isWhole(entry.replicas, 1, maxReplicas))
    return `${entry.replicas} copies: 1 to ${maxReplicas} are allowed`
  return checkVnodes(entry.founder)
}

function checkBody(topology: Topology, entry: Exclude<Entry, Found>): string | undefined {
  switch (entry.kind) {
    case 'open':
      return checkOpen(topology, entry)
    case 'amend':
      return checkAmend(topology, entry)
    case 'close':
      return topology.transition === undefined ? 'no transition is open' : undefined
    case 'purge':
      return checkPurge(topology, entry)
    case 'restore':
      return checkRestore(topology, entry)
  }
}

function checkOpen(topology: Topology, entry: Open): string | undefined {
  const { joins, leaves, removals, lost } = entry
  if (topology.transition !== undefined) return 'a transition is open'
  if (![joins, leaves, removals, lost].every(isCanonical)) return 'a list is not in order'
  if (joins.length + leaves.length + removals.length === 0) return 'it changes nothing'
  for (const [i, joiner] of joins.entries()) {
    const reason = checkVnodes(joiner) ?? checkJoin(topology, joiner)
    if (reason !== undefined) return reason
    if (joins[i - 1]?.peerId === joiner.peerId) return `${joiner.peerId} joins with two lives`
  }
  for (const id of leaves) {
    if (topology.member(id)?.standing !== 'up') return `${id.peerId} leaves, but is not up`
    if (joins.some(joiner => joiner.peerId === id.peerId)) return `${id.peerId} leaves and is replaced`
    if (includesMember(removals, id)) return `${id.peerId} leaves and is removed`
  }
  for (const id of removals) {
    if (!isOneOf(topology.member(id), ['up', 'leaving'])) return `${id.peerId} is removed, but is not up`
  }
  return checkLost(removals, lost)
}

function checkJoin(topology: Topology, joiner: RingMember): string | undefined {
  return topology.member(joiner) === undefined
    ? undefined
    : `${joiner.peerId} joins with a life it had before`
}

function checkAmend(topology: Topology, entry: Amend): string | undefined {
  const { drops, removals, lost } = entry
  if (topology.transition === undefined) return 'no transition is open'
  if (![drops, removals, lost].every(isCanonical)) return 'a list is not in order'
  if (drops.length + removals.length === 0) return 'it changes nothing'
  for (const id of drops) {
    if (topology.member(id)?.standing !== 'joining') return `${id.peerId} is dropped, but is not joining`
  }
  for (const id of removals) {
    const member = topology.member(id)
    const isGivenUp = member?.standing === 'removing' && !member.lost && includesMember(lost, id)
    if (!isOneOf(member, ['up', 'leaving']) && !isGivenUp) {
      return `${id.peerId} is removed, but is not a member of the ring before that could be`
    }
  }
  return checkLost(removals, lost)
}

function checkPurge(topology: Topology, { before, fence }: Purge): string | undefined {
  if (topology.transition !== undefined) return 'a transition is open'
  if (![before, fence].every(time => isWhole(time, 0, maxTime))) return 'a time is out of bounds'
  if (before < topology.purgedBefore || fence < topology.fence) return 'a purge never goes back'
  if (before > topology.fence) return 'writes may be under way that are older than what it would purge'
  const isNews = before > topology.purgedBefore || fence > topology.fence
  return isNews ? undefined : 'it changes nothing'
}

function checkRestore(topology: Topology, entry: Restore): string | undefined {
  if (entry.generation !== topology.generation + 1) return 'a restore raises the generation by one'
  if (!isCanonical(entry.survivors)) return 'a list is not in order'
  for (const id of entry.survivors) {
    if (!isOneOf(topology.member(id), ['up', 'leaving']))
      return `${id.peerId} holds no part of the ring in force`
  }
  return undefined
}

/** What must hold of any topology: it can place keys, and somebody can decide what comes next. */
function checkOutcome(next: Topology): string | undefined {
  if (next.acceptors.length === 0) return 'nobody would be left to decide the next entry'
  const after = next.members.filter(isInRingAfter).length
  if (after === 0) return 'the ring would be empty'
  return after > maxMembers ? `the ring would have ${after} members: ${maxMembers} are allowed` : undefined
}

function checkVnodes({ peerId, vnodes }: RingMember): string | undefined {
  return isWhole(vnodes, 1, maxVnodes)
    ? undefined
    : `${peerId} has ${vnodes} vnodes: 1 to ${maxVnodes} are allowed`
}

function checkLost(removals: readonly MemberId[], lost: readonly MemberId[]): string | undefined {
  const stray = lost.find(id => !includesMember(removals, id))
  return stray === undefined ? undefined : `${stray.peerId} is given up, but not removed`
}

function isOneOf(member: Member | undefined, standings: readonly Standing[]): boolean {
  return member !== undefined && standings.includes(member.standing)
}

function isWhole(value: number, least: number, most: number): boolean {
  return Number.isSafeInteger(value) && value >= least && value <= most
}
