/**
 * Which entry the log needs next, as one acceptor sees it. A pure function of the topology and of what that
 * acceptor has heard; acceptors may see different things, and agreement settles it. Used by the steward.
 *
 * While no transition is open, all that is wished for goes into one. While one is open, it is closed when all
 * takers have reported, and amended where somebody it waits for is gone; the other wishes wait. Where nobody
 * wishes for anything that can be had, a purge may be due.
 */
import { sameMember, type MemberId, type RingMember } from '../member.ts'
import { amendEntry, checkEntry, openEntry, type Entry } from './entry.ts'
import { describeRisk, riskOf, seesMost, type Risk } from './guards.ts'
import { purgeDue, type PurgeView } from './purge.ts'
import { includesMember } from './shapes.ts'
import { isInRingAfter, isInRingBefore, type Member, type Topology } from './topology.ts'

export interface Health {
  readonly liveness: 'alive' | 'suspect' | 'down'
  /** For how long it has been down, in ms; 0 while it is not. */
  readonly downForMs: number
}

/** A removal asked for by hand. */
export interface RemovalWish {
  readonly member: MemberId
  /** Its copies may be given up, whether or not others have them. */
  readonly acceptLoss: boolean
}

export interface View extends PurgeView {
  /** Those who ask to join now and are there to do so; at most one life per peer id. */
  readonly joins: readonly RingMember[]
  readonly leaves: readonly MemberId[]
  readonly removals: readonly RemovalWish[]
  /** Whether a taker has reported at the epoch of the transition's latest entry. */
  readonly hasReported: (member: MemberId) => boolean
  readonly health: (member: MemberId) => Health
  /** After so many ms of being down a member is removed; 0: never. */
  readonly removeAfterMs: number
  /** After so many ms of being down a joiner is dropped. */
  readonly dropJoinerAfterMs: number
}

/** What to propose, or what is waited for, in words; undefined where nothing is wished for. */
export type Decision = { readonly entry: Entry } | { readonly waiting: readonly string[] } | undefined

/** Takers that are named to those who wait for them. */
const maxNamed = 8

export function nextEntry(topology: Topology, view: View): Decision {
  const decision =
    topology.transition === undefined ? decideBetween(topology, view) : decideOpened(topology, view)
  if (decision === undefined || 'waiting' in decision) return decision
  // What cannot follow is never proposed: a wish that asks too much waits for the topology to change.
  const reason = checkEntry(topology, decision.entry)
  return reason === undefined ? decision : { waiting: [reason] }
}

function decideBetween(topology: Topology, view: View): Decision {
  const decision = decideOpen(topology, view)
  if (decision !== undefined && 'entry' in decision) return decision
  const entry = purgeDue(topology, view)
  return entry === undefined ? decision : { entry }
}

function decideOpen(topology: Topology, view: View): Decision {
  const removing = grantRemovals(topology, view)
  const joins: RingMember[] = []
  const waiting = [...removing.waiting]
  for (const joiner of view.joins.filter(
    ({ peerId, life }) => topology.member({ peerId, life }) === undefined
  )) {
    const older = topology.currentLifeOf(joiner.peerId)
    const replaces = older !== undefined && isInRingBefore(older) && !includesMember(removing.lost, older)
    if (view.health(joiner).liveness === 'down') waiting.push(`${joiner.peerId} is down`)
    else if (replaces && removing.risk !== undefined) {
      waiting.push(`${joiner.peerId} joins with an empty store, and ${describeRisk(removing.risk)}`)
    } else joins.push(joiner)
  }
  const { leaves, obstacle } = grantLeaves(topology, view, [...removing.granted, ...joins])
  if (obstacle !== undefined) waiting.push(obstacle)
  const { granted: removals, lost } = removing
  if (joins.length + leaves.length + removals.length === 0)
    return waiting.length > 0 ? { waiting } : undefined
  return { entry: openEntry(topology.epoch + 1, { joins, leaves, removals, lost }) }
}

function decideOpened(topology: Topology, view: View): Decision {
  const epoch = topology.epoch + 1
  const missing = topology.takers.filter(taker => !view.hasReported(taker))
  if (missing.length === 0) return { entry: { kind: 'close', epoch } }
  const { granted: removals, lost, waiting } = grantRemovals(topology, view)
  const drops = topology.members.filter(
    member => member.standing === 'joining' && isToBeDropped(member, view)
  )
  if (drops.length + removals.length > 0) return { entry: amendEntry(epoch, { drops, removals, lost }) }
  return { waiting: [...describeTakers(missing, view), ...waiting] }
}

/** Its peer joins anew, it or an operator no longer wants it to join, or it has been down for too long. */
function isToBeDropped(joiner: Member, view: View): boolean {
  return (
    view.joins.some(other => other.peerId === joiner.peerId && !sameMember(other, joiner)) ||
    includesMember(view.leaves, joiner) ||
    view.removals.some(({ member }) => sameMember(member, joiner)) ||
    view.health(joiner).downForMs >= view.dropJoinerAfterMs
  )
}

/** Of many, some are named: all who wait are told, again and again. */
function describeTakers(takers: readonly Member[], view: View): string[] {
  const named = takers.slice(0, maxNamed).map(member => describeTaker(member, view))
  return takers.length <= maxNamed ? named : [...named, `${takers.length - maxNamed} more members`]
}

function describeTaker({ peerId, standing, life }: Member, view: View): string {
  const { liveness } = view.health({ peerId, life })
  const how = liveness === 'alive' ? '' : `, which is ${liveness},`
  return `${standing === 'joining' ? 'the joiner ' : ''}${peerId}${how} to take over its ranges`
}

/**
 * One `up` member has to stay that neither leaves nor is removed nor replaced: it holds what there is. And most of
 * those who stay have to be there: they are to take over, and decide on the ring from then on.
 */
function grantLeaves(
  topology: Topology,
  view: View,
  others: readonly MemberId[]
): { readonly leaves: readonly MemberId[]; readonly obstacle?: string } {
  const staying = topology.members.filter(
    ({ standing, peerId }) => standing === 'up' && !others.some(other => other.peerId === peerId)
  )
  const leaving = staying.filter(member => includesMember(view.leaves, member))
  const leaves = leaving.slice(0, Math.max(0, Math.min(leaving.length, staying.length - 1)))
  const rest = staying.filter(member => !leaves.includes(member))
  const isThere = (member: Member): boolean => view.health(member).liveness !== 'down'
  if (leaves.length === 0 || seesMost(rest, isThere)) return { leaves }
  const down = rest.filter(member => !isThere(member)).map(({ peerId }) => peerId)
  const names = leaves.map(({ peerId }) => peerId).join(', ')
  return {
    leaves: [],
    obstacle: `most of those who stay to be alive before ${names} can leave (down: ${down.join(', ')})`
  }
}

interface GrantedRemovals {
  readonly granted: readonly MemberId[]
  readonly lost: readonly MemberId[]
  readonly waiting: readonly string[]
  /** What is at risk without those who are down or join anew. */
  readonly risk: Risk | undefined
}

/** The removals that are wished for or due, and may be made as the others look from here. */
function grantRemovals(topology: Topology, view: View): GrantedRemovals {
  const isThere = counting(topology, view)
  const due = topology.members.filter(
    member => isDue(member, view) || isWaitedForInVain(topology, view, member)
  )
  const needsRisk = due.length > 0 || view.joins.some(({ peerId }) => isReplacing(topology, peerId))
  const risk = needsRisk ? riskOf(topology, isThere) : undefined
  const granted: MemberId[] = []
  const lost: MemberId[] = []
  const waiting: string[] = []
  const wishes = view.removals.filter(wish => isRemovable(topology.member(wish.member), wish))
  for (const { member, acceptLoss } of wishes) {
    const reason = removalObstacle(topology, view, { member, acceptLoss })
    if (reason !== undefined) waiting.push(reason)
    else granted.push(member)
    if (reason === undefined && acceptLoss) lost.push(member)
  }
  for (const member of due.filter(({ peerId, life }) => !includesMember(granted, { peerId, life }))) {
    if (!seesMost(topology.members.filter(isVoter), isThere)) waiting.push(notMost(member))
    else if (risk !== undefined) waiting.push(`${member.peerId} is gone, and ${describeRisk(risk)}`)
    else granted.push(member)
  }
  return { granted, lost, waiting, risk }
}

/** Why a removal asked for by hand cannot be made now, in words; undefined where it can. */
function removalObstacle(topology: Topology, view: View, wish: RemovalWish): string | undefined {
  const isThere = counting(topology, view)
  // Who asks by hand vouches for the ones named: only the others must be there, so that one of two can go.
  const others = topology.members.filter(member => isVoter(member) && !isNamed(view, wish, member))
  if (!seesMost(others, isThere)) return notMost(wish.member)
  const risk = lossOf(topology, view, wish)
  return risk === undefined ? undefined : `without ${wish.member.peerId} ${describeRisk(risk)}`
}

/** What a removal asked for by hand would lose; undefined for nothing, or where that is accepted. */
export function lossOf(topology: Topology, view: View, wish: RemovalWish): Risk | undefined {
  if (wish.acceptLoss) return undefined
  const isThere = counting(topology, view)
  return riskOf(topology, member => isThere(member) && !isNamed(view, wish, member))
}

function isNamed(view: View, wish: RemovalWish, member: Member): boolean {
  return sameMember(wish.member, member) || view.removals.some(other => sameMember(other.member, member))
}

/** Whether a member can be counted on: alive, not already on its way out by force, and in its newest life. */
function counting(topology: Topology, view: View): (member: Member) => boolean {
  const renewed = new Set(view.joins.map(({ peerId }) => peerId))
  return member =>
    isVoter(member) &&
    view.health(member).liveness === 'alive' &&
    (topology.currentLifeOf(member.peerId) ?? member) === member &&
    (!renewed.has(member.peerId) || includesMember(view.joins, member))
}

function isVoter({ standing }: Member): boolean {
  return standing === 'up' || standing === 'leaving'
}

function isDue(member: Member, view: View): boolean {
  const { liveness, downForMs } = view.health(member)
  const isAllowed = isVoter(member) && view.removeAfterMs > 0
  return isAllowed && liveness === 'down' && downForMs >= view.removeAfterMs
}

/**
 * A taker whose peer asks to join with another life has lost its store: it will never report, and that other
 * life cannot join before the transition closes.
 */
function isWaitedForInVain(topology: Topology, view: View, member: Member): boolean {
  const isRenewed = view.joins.some(({ peerId, life }) => peerId === member.peerId && life !== member.life)
  return isRenewed && isVoter(member) && includesMember(topology.takers, member) && !view.hasReported(member)
}

/** What waits for a copy that is already being replaced can be told that there is none. */
function isRemovable(member: Member | undefined, { acceptLoss }: RemovalWish): boolean {
  if (member === undefined) return false
  return isVoter(member) || (member.standing === 'removing' && acceptLoss && !member.lost)
}

function isReplacing(topology: Topology, peerId: string): boolean {
  const older = topology.currentLifeOf(peerId)
  return older !== undefined && (isInRingBefore(older) || isInRingAfter(older))
}

function notMost({ peerId }: MemberId): string {
  return `to remove ${peerId} most members must be alive as seen from here`
}
