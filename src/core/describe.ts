/** What a peer says of itself and of the cluster: for `status` and `members`, and for clients that ask. */
import type {
  LimitUse,
  MemberInfo,
  MemberStatus,
  Refused,
  Restoration,
  Status,
  TransferStatus,
  TransitionStatus
} from '../api.ts'
import type { CancelSignal } from './canceller.ts'
import { memberKey, sameMember, type MemberId } from './member.ts'
import type { AddressBook } from './ports.ts'
import type { FingerprintIndex } from './record/fingerprints.ts'
import { purgeTimeMs } from './record/purged.ts'
import type { Calls } from './rpc-types.ts'
import type { Topology } from './topology/topology.ts'

/** How long the others may take to describe themselves, in ms. */
const describeTimeoutMs = 1_500

/** What one peer says of itself; travels as JSON. */
export interface SelfDescription {
  readonly records: number
  readonly bytes: number
  readonly damaged: number
  readonly trouble: string | null
  readonly sentRecords: number
  readonly sentBytes: number
  readonly refused: Refused
  readonly limits: Readonly<Record<string, LimitUse>>
  readonly version: string
  readonly transfers: TransferStatus[]
  /** What the next entry of the log waits for, where this peer is an acceptor; else empty. */
  readonly waitingFor: readonly string[]
}

export interface MembersView {
  readonly topology: Topology
  readonly addresses: AddressBook
  readonly livenessOf: (member: MemberId) => MemberInfo['liveness']
}

/** The members that count for a ring in force, by peer id. */
export function membersOf(view: MembersView): MemberInfo[] {
  const { topology, addresses } = view
  const ring = topology.after ?? topology.before
  const onRing = new Set(ring.members.map(memberKey))
  return topology.current.map(member => ({
    peerId: member.peerId,
    life: member.life,
    addresses: addresses.multiaddrs(member.peerId),
    standing: member.standing,
    liveness: view.livenessOf(member),
    vnodes: member.vnodes,
    share: onRing.has(memberKey(member)) ? ring.share(member, topology.replicas) : 0
  }))
}

export function transitionOf(topology: Topology, waitingFor: readonly string[]): TransitionStatus | null {
  if (topology.transition === undefined) return null
  const named = (standing: string): string[] =>
    topology.members.filter(member => member.standing === standing).map(({ peerId }) => peerId)
  return {
    opened: topology.transition.opened,
    latest: topology.transition.latest,
    joining: named('joining'),
    leaving: named('leaving'),
    removing: named('removing'),
    waitingFor: [...waitingFor]
  }
}

/** Asks every member to describe itself and puts the answers together; who does not answer shows nulls. */
export async function describeCluster(
  view: MembersView,
  calls: Calls,
  signal?: CancelSignal
): Promise<Status> {
  const { topology } = view
  const members = membersOf(view)
  const descriptions = await Promise.all(members.map(member => describe(view, calls, member, signal)))
  const status: MemberStatus[] = members.map((member, i) => ({
    ...member,
    records: descriptions[i]?.records ?? null,
    bytes: descriptions[i]?.bytes ?? null,
    damaged: descriptions[i]?.damaged ?? null,
    trouble: descriptions[i]?.trouble ?? null,
    sentRecords: descriptions[i]?.sentRecords ?? null,
    sentBytes: descriptions[i]?.sentBytes ?? null,
    refused: descriptions[i]?.refused ?? null,
    limits: descriptions[i]?.limits ?? null,
    version: descriptions[i]?.version ?? null
  }))
  const waitingFor = descriptions.find(description => (description?.waitingFor ?? []).length > 0)?.waitingFor
  const answering = members.filter((_, i) => descriptions[i] !== undefined)
  return {
    network: topology.network,
    clusterId: topology.clusterId,
    epoch: topology.epoch,
    replicas: topology.replicas,
    purgedBefore: topology.purgedBefore === 0 ? null : purgeTimeMs(topology.purgedBefore),
    members: status,
    transition: transitionOf(topology, waitingFor ?? undecided(topology, answering)),
    transfers: descriptions.flatMap(description => description?.transfers ?? [])
  }
}

/** What nobody can tell of: that those who decide on the next entry are away. */
function undecided({ acceptors }: Topology, answering: readonly MemberId[]): readonly string[] {
  const away = acceptors.filter(acceptor => !answering.some(member => sameMember(member, acceptor)))
  if (away.length * 2 < acceptors.length) return []
  const names = away
    .map(({ peerId }) => peerId)
    .sort()
    .join(', ')
  return [
    `a majority of the members that decide on the ring; ${names} ${away.length === 1 ? 'does' : 'do'} not answer`
  ]
}

async function describe(
  view: MembersView,
  calls: Calls,
  member: MemberId,
  signal?: CancelSignal
): Promise<SelfDescription | undefined> {
  if (view.livenessOf(member) === 'down') return undefined
  try {
    const options = signal === undefined ? {} : { signal }
    const { description } = await calls.call(
      member,
      { describe: { cluster: false } },
      { timeoutMs: describeTimeoutMs, ...options }
    )
    return description === undefined ? undefined : (fromJson(description.json) as SelfDescription)
  } catch {
    // No answer is an answer here: its columns stay empty.
    return undefined
  }
}

/** See MemberStatus. */
export function troubleOf({ trouble }: Pick<FingerprintIndex, 'trouble'>): string | null {
  if (trouble === undefined) return null
  return `its records cannot be counted (${trouble}), so they are not compared with those of others until they can`
}

export function toJson(value: SelfDescription | Status | Restoration): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(value))
}

/** Throws SyntaxError where the bytes are no JSON object. What is in it is only ever shown, never acted on. */
export function fromJson(bytes: Uint8Array): unknown {
  const value: unknown = JSON.parse(new TextDecoder().decode(bytes))
  if (typeof value !== 'object' || value === null) throw new SyntaxError('a description is no JSON object')
  return value
}
