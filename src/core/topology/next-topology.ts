/**
 * What an entry makes of a topology, whether or not it may follow it. Only entry.ts, which checks that, uses
 * this.
 */
import type { RingMember } from '../member.ts'
import type { Amend, Entry, Found, Open, Restore } from './entry.ts'
import { includesMember } from './shapes.ts'
import { isInRingAfter, isInRingBefore, Topology, type Member, type Standing } from './topology.ts'

/** Takes for granted that the entry may follow, as checkEntry says. */
export function nextTopology(topology: Topology | undefined, entry: Entry): Topology {
  if (entry.kind === 'found') return founded(entry)
  if (topology === undefined) throw new Error('the log begins with a found entry')
  const { epoch } = entry
  switch (entry.kind) {
    case 'open':
      return next(topology, epoch, opened(topology, entry), { opened: epoch, latest: epoch })
    case 'amend':
      return next(topology, epoch, amended(topology, entry), {
        opened: topology.transition?.opened ?? epoch,
        latest: epoch
      })
    case 'close':
      return next(
        topology,
        epoch,
        topology.members.map(member => closed(member, epoch)),
        undefined
      )
    case 'purge': {
      const { before: purgedBefore, fence } = entry
      const { members } = topology
      const state = { ...stateOf(topology), epoch, members, transition: undefined }
      return new Topology({ ...state, purgedBefore, fence }, topology)
    }
    case 'restore': {
      const transition = { opened: epoch, latest: epoch }
      const state = { ...stateOf(topology), epoch, generation: entry.generation, transition }
      return new Topology({ ...state, members: restored(topology, entry) }, topology)
    }
  }
}

function founded({ epoch, clusterId, network, replicas, founder }: Found): Topology {
  const members = [newMember(founder, 'up', epoch)]
  const settings = { generation: 1, clusterId, network, replicas }
  return new Topology({ ...settings, epoch, members, transition: undefined, purgedBefore: 0, fence: 0 })
}

function opened(topology: Topology, { epoch, joins, leaves, removals, lost }: Open): Member[] {
  const members = topology.members.map(member => {
    const isReplaced = isInRingBefore(member) && joins.some(joiner => joiner.peerId === member.peerId)
    if (isReplaced || includesMember(removals, member)) {
      return { ...moved(member, 'removing', epoch), lost: includesMember(lost, member) }
    }
    return includesMember(leaves, member) ? moved(member, 'leaving', epoch) : member
  })
  return [...members, ...joins.map(joiner => newMember(joiner, 'joining', epoch))]
}

function amended(topology: Topology, { epoch, drops, removals, lost }: Amend): Member[] {
  return topology.members.map(member => {
    if (includesMember(drops, member)) return moved(member, 'removed', epoch)
    if (!includesMember(removals, member)) return member
    return { ...moved(member, 'removing', epoch), lost: includesMember(lost, member) }
  })
}

function closed(member: Member, epoch: number): Member {
  const becomes: Partial<Record<Standing, Standing>> = { joining: 'up', leaving: 'left', removing: 'removed' }
  const standing = becomes[member.standing]
  return standing === undefined ? member : moved(member, standing, epoch)
}

function restored(topology: Topology, { epoch, survivors }: Restore): Member[] {
  return topology.members.map(member => {
    // The one place where a standing goes back: a leaver that survives is needed after all.
    if (includesMember(survivors, member)) return moved(member, 'up', epoch)
    if (isInRingBefore(member)) return { ...moved(member, 'removing', epoch), lost: true }
    return isInRingAfter(member) ? moved(member, 'removed', epoch) : member
  })
}

function next(
  topology: Topology,
  epoch: number,
  members: readonly Member[],
  transition: Topology['transition']
): Topology {
  return new Topology({ ...stateOf(topology), epoch, members, transition }, topology)
}

function stateOf({ generation, clusterId, network, replicas, purgedBefore, fence }: Topology) {
  return { generation, clusterId, network, replicas, purgedBefore, fence }
}

function newMember({ peerId, life, vnodes }: RingMember, standing: Standing, epoch: number): Member {
  return { peerId, life, vnodes, standing, since: epoch, standingAt: epoch, lost: false }
}

/** The same object where nothing changes: rings tell by it which members are as they were. */
function moved(member: Member, standing: Standing, epoch: number): Member {
  return member.standing === standing ? member : { ...member, standing, standingAt: epoch }
}
