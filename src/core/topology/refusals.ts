/** Which petitions can never be granted as they stand, and why. Pure; used by the steward to answer at once. */
import { maxMembers } from '../limits.ts'
import type { MemberId, RingMember } from '../member.ts'
import { lossOf, type RemovalWish, type View } from './decide.ts'
import { describeRisk } from './guards.ts'
import { isGone, isInRingAfter, type Topology } from './topology.ts'

/** The numbers of the wire's PetitionRefusal. */
export const petitionCodes = { noted: 0, settings: 1, unknown: 2, loss: 3, full: 4 } as const

export interface PetitionRefusal {
  readonly code: number
  readonly reason: string
}

/** What a petition asks for, checked. */
export type Wish =
  | { readonly kind: 'join'; readonly member: RingMember; readonly replicas: number | undefined }
  | { readonly kind: 'leave'; readonly member: MemberId }
  | ({ readonly kind: 'remove' } & RemovalWish)

/** Undefined where the wish can be granted, now or later. */
export function refusalOf(topology: Topology, view: View, wish: Wish): PetitionRefusal | undefined {
  switch (wish.kind) {
    case 'join':
      return joinRefusal(topology, wish)
    case 'leave':
      return unknown(topology, wish.member) ?? leaveRefusal(topology, wish.member)
    case 'remove':
      return unknown(topology, wish.member) ?? removeRefusal(topology, view, wish)
  }
}

function joinRefusal(topology: Topology, wish: Wish & { kind: 'join' }): PetitionRefusal | undefined {
  const { replicas, member } = wish
  if (replicas !== undefined && replicas !== topology.replicas) {
    const reason = `the cluster keeps ${topology.replicas} copies, the peer was started for ${replicas}`
    return { code: petitionCodes.settings, reason }
  }
  const known = topology.member(member)
  if (known !== undefined) {
    if (!isGone(known)) return undefined
    return {
      code: petitionCodes.unknown,
      reason: `${member.peerId} ${known.standing} in this life: it needs a new one`
    }
  }
  const after = topology.members.filter(other => isInRingAfter(other) && other.peerId !== member.peerId)
  if (after.length < maxMembers) return undefined
  return { code: petitionCodes.full, reason: `the cluster has ${after.length} members, and no room for more` }
}

function unknown(topology: Topology, member: MemberId): PetitionRefusal | undefined {
  if (topology.member(member) !== undefined) return undefined
  return { code: petitionCodes.unknown, reason: `${member.peerId} is no member in the life ${member.life}` }
}

function leaveRefusal(topology: Topology, member: MemberId): PetitionRefusal | undefined {
  if (topology.member(member)?.standing !== 'up' || !isLast(topology)) return undefined
  return {
    code: petitionCodes.loss,
    reason: lastMember(member)
  }
}

function removeRefusal(topology: Topology, view: View, wish: RemovalWish): PetitionRefusal | undefined {
  const standing = topology.member(wish.member)?.standing
  if (standing !== 'up' && standing !== 'leaving') return undefined
  if (standing === 'up' && isLast(topology)) {
    return { code: petitionCodes.loss, reason: lastMember(wish.member) }
  }
  const risk = lossOf(topology, view, wish)
  if (risk === undefined) return undefined
  return {
    code: petitionCodes.loss,
    reason: `${describeRisk(risk)}: have them come back first, or accept the loss`
  }
}

function lastMember({ peerId }: MemberId): string {
  return `${peerId} is the last member, and what it holds would be lost: let another one join first, or just stop it`
}

/** Whether but one member stays: one that joins has nothing yet to take over with. */
function isLast({ members }: Topology): boolean {
  return members.filter(({ standing }) => standing === 'up').length === 1
}
