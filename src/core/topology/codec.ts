/**
 * Entries and topologies as they go over the wire and to disk. What comes in is checked before anything is
 * made of it; whether an entry may follow a topology is for entry.ts to say.
 */
import { Entry as WireEntry, Standing as WireStanding } from '../../wire/generated/messages.ts'
import type { Topology as WireTopology, TopologyMember } from '../../wire/generated/messages.ts'
import { maxMembers, maxReplicas } from '../limits.ts'
import type { MemberId, RingMember } from '../member.ts'
import type { Entry } from './entry.ts'
import {
  ensure,
  ensureClusterId,
  ensureEpoch,
  ensureMemberId,
  ensureNetwork,
  ensureRingMember,
  ensureTime,
  ensureWhole,
  isCanonical,
  maxEpoch
} from './shapes.ts'
import {
  isInRingAfter,
  isInRingBefore,
  maxGoneMembers,
  Topology,
  type Member,
  type Standing
} from './topology.ts'

/** Members that a list of an entry may name: each ring may turn over as a whole. */
const maxNamed = 2 * maxMembers

const standingsToWire: Readonly<Record<Standing, WireStanding>> = {
  joining: WireStanding.STANDING_JOINING,
  up: WireStanding.STANDING_UP,
  leaving: WireStanding.STANDING_LEAVING,
  left: WireStanding.STANDING_LEFT,
  removing: WireStanding.STANDING_REMOVING,
  removed: WireStanding.STANDING_REMOVED
}

const standingsFromWire: Readonly<Partial<Record<WireStanding, Standing>>> = {
  [WireStanding.STANDING_JOINING]: 'joining',
  [WireStanding.STANDING_UP]: 'up',
  [WireStanding.STANDING_LEAVING]: 'leaving',
  [WireStanding.STANDING_LEFT]: 'left',
  [WireStanding.STANDING_REMOVING]: 'removing',
  [WireStanding.STANDING_REMOVED]: 'removed'
}

export function entryToWire(entry: Entry): WireEntry {
  const { epoch } = entry
  switch (entry.kind) {
    case 'found': {
      const { clusterId, network, replicas, founder } = entry
      return { epoch, found: { clusterId, network, replicas, founder: joinerToWire(founder) } }
    }
    case 'open': {
      const { joins, leaves, removals, lost } = entry
      return {
        epoch,
        open: {
          joins: joins.map(joinerToWire),
          leaves: ids(leaves),
          removals: ids(removals),
          lost: ids(lost)
        }
      }
    }
    case 'amend': {
      const { drops, removals, lost } = entry
      return { epoch, amend: { drops: ids(drops), removals: ids(removals), lost: ids(lost) } }
    }
    case 'close':
      return { epoch, close: {} }
    case 'purge':
      return { epoch, purge: { before: entry.before, fence: entry.fence } }
    case 'restore':
      return { epoch, restore: { generation: entry.generation, survivors: ids(entry.survivors) } }
  }
}

/** Throws MalformedError. */
export function entryFromWire(wire: WireEntry | undefined): Entry {
  ensure(wire !== undefined, 'an entry is missing')
  const { found, open, amend, close, purge, restore } = wire
  const epoch = ensureEpoch(wire.epoch, 'the epoch of an entry')
  const bodies = [found, open, amend, close, purge, restore].filter(body => body !== undefined)
  ensure(bodies.length === 1, 'an entry has not exactly one body')
  if (found !== undefined) {
    return {
      kind: 'found',
      epoch,
      clusterId: ensureClusterId(found.clusterId),
      network: ensureNetwork(found.network),
      replicas: ensureWhole(found.replicas, 1, maxReplicas, 'the number of copies'),
      founder: ensureRingMember(found.founder)
    }
  }
  if (open !== undefined) {
    ensure(open.joins.length <= maxNamed, 'an entry names too many members')
    const joins = open.joins.map(ensureRingMember)
    return {
      kind: 'open',
      epoch,
      joins,
      leaves: named(open.leaves),
      removals: named(open.removals),
      lost: named(open.lost)
    }
  }
  if (amend !== undefined) {
    return {
      kind: 'amend',
      epoch,
      drops: named(amend.drops),
      removals: named(amend.removals),
      lost: named(amend.lost)
    }
  }
  if (purge !== undefined) {
    return { kind: 'purge', epoch, before: ensureTime(purge.before), fence: ensureTime(purge.fence) }
  }
  if (restore !== undefined) {
    return {
      kind: 'restore',
      epoch,
      generation: ensureEpoch(restore.generation),
      survivors: named(restore.survivors)
    }
  }
  return { kind: 'close', epoch }
}

/** Whether two entries say the same: lists are in order, so their bytes tell. */
export function sameEntry(a: Entry, b: Entry): boolean {
  return Buffer.compare(WireEntry.encode(entryToWire(a)), WireEntry.encode(entryToWire(b))) === 0
}

export function topologyToWire(topology: Topology): WireTopology {
  const { epoch, generation, clusterId, network, replicas, members, transition, purgedBefore, fence } =
    topology
  return {
    epoch,
    generation,
    clusterId,
    network,
    replicas,
    members: members.map(memberToWire),
    openedAt: transition?.opened ?? 0,
    amendedAt: transition?.latest ?? 0,
    purgedBefore,
    fence
  }
}

/** Throws MalformedError. */
export function topologyFromWire(wire: WireTopology): Topology {
  const epoch = ensureEpoch(wire.epoch)
  ensure(wire.members.length <= maxNamed + maxGoneMembers, 'a topology has too many members')
  const members = wire.members.map(member => memberFromWire(member, epoch))
  ensure(isCanonical(members), 'the members of a topology are not in order')
  const topology = new Topology({
    epoch,
    generation: ensureWhole(wire.generation, 1, maxEpoch, 'a generation'),
    clusterId: ensureClusterId(wire.clusterId),
    network: ensureNetwork(wire.network),
    replicas: ensureWhole(wire.replicas, 1, maxReplicas, 'the number of copies'),
    members,
    transition: transitionFromWire(wire),
    purgedBefore: ensureTime(wire.purgedBefore),
    fence: ensureTime(wire.fence)
  })
  ensureConsistent(topology)
  return topology
}

function transitionFromWire({ epoch, openedAt, amendedAt }: WireTopology): Topology['transition'] {
  if (openedAt === 0 && amendedAt === 0) return undefined
  const latest = ensureWhole(amendedAt, 1, epoch, 'the epoch of an amendment')
  return { opened: ensureWhole(openedAt, 1, latest, 'the epoch of an open entry'), latest }
}

/** What rings are made of must hold before any is made. */
function ensureConsistent({ members, transition, acceptors }: Topology): void {
  const between: readonly Standing[] = ['joining', 'leaving', 'removing']
  ensure(
    transition !== undefined || members.every(({ standing }) => !between.includes(standing)),
    'a topology without a transition has members on their way'
  )
  for (const isIn of [isInRingBefore, isInRingAfter]) {
    const ring = members.filter(isIn)
    ensure(ring.length > 0, 'a ring is empty')
    ensure(
      new Set(ring.map(member => member.peerId)).size === ring.length,
      'two lives of a peer are on one ring'
    )
  }
  ensure(acceptors.length > 0, 'a topology has no acceptors')
}

function memberToWire({ peerId, life, vnodes, standing, since, standingAt, lost }: Member): TopologyMember {
  return { id: { peerId, life }, vnodes, standing: standingsToWire[standing], since, standingAt, lost }
}

function memberFromWire(wire: TopologyMember, epoch: number): Member {
  const standing = standingsFromWire[wire.standing]
  ensure(standing !== undefined, 'a standing is unknown')
  return {
    ...ensureRingMember(wire),
    standing,
    since: ensureWhole(wire.since, 1, epoch, 'the epoch of a member'),
    standingAt: ensureWhole(wire.standingAt, 1, epoch, 'the epoch of a standing'),
    lost: wire.lost
  }
}

function joinerToWire({ peerId, life, vnodes }: RingMember) {
  return { id: { peerId, life }, vnodes }
}

function ids(members: readonly MemberId[]): MemberId[] {
  return members.map(({ peerId, life }) => ({ peerId, life }))
}

function named(members: readonly MemberId[]): MemberId[] {
  ensure(members.length <= maxNamed, 'an entry names too many members')
  return members.map(ensureMemberId)
}
