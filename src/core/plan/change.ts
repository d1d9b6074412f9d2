/**
 * The ring that a change of the members would make, and what to expect of it before anything is counted. Used by
 * plan.ts.
 */
import { hash } from 'node:crypto'
import { concat } from 'uint8arrays/concat'
import { toString } from 'uint8arrays/to-string'
import type { Change } from '../../api.ts'
import { AnnulusError } from '../errors.ts'
import { maxMembers, maxVnodes } from '../limits.ts'
import type { RingMember } from '../member.ts'
import { peerDefaults } from '../membership.ts'
import type { Ring } from '../ring/ring.ts'
import { isMemberId } from '../topology/shapes.ts'
import type { Topology } from '../topology/topology.ts'

/** A change, and the rings before and after it. */
export interface Prospect {
  readonly before: Ring<RingMember>
  readonly after: Ring<RingMember>
  /** Who joins or leaves. */
  readonly member: RingMember
  /** False where the joiner's peer id is made up. */
  readonly isNamed: boolean
}

/** The life of one that has not joined: no life that is drawn matters to where its tokens lie. */
const noLife = '0'.repeat(16)

/** Made-up joiners of whose shares the middle one is taken: one alone may be far off where vnodes are few. */
const madeUpJoiners = 5

/** Multihash (identity, 36 bytes) and protobuf (Ed25519, 32 bytes) around a public key, as peer ids have it. */
const ed25519Prefix = Uint8Array.of(0x00, 0x24, 0x08, 0x01, 0x12, 0x20)

/**
 * What a change would make of the ring that is in force when the change under way, if there is one, is through.
 * Throws ERR_INVALID, and ERR_REFUSED where there is no room for another member.
 */
export function prospectOf(topology: Topology, change: Change): Prospect {
  const before: Ring<RingMember> = topology.after ?? topology.before
  return change.kind === 'join' ? joining(before, topology.replicas, change) : leaving(before, change.peerId)
}

/**
 * The share of all copies that would move if vnodes told it exactly: the member's part of all vnodes, 1/(n + 1) for
 * a joiner with as many as the n others have. Nothing moves where each record loses a copy.
 */
export function expectedShare({ before, after, member }: Prospect, replicas: number): number {
  const joins = after.members.length > before.members.length
  const larger = joins ? after : before
  const copies = Math.min(replicas, larger.members.length)
  if (!joins && after.members.length < copies) return 0
  const vnodes = larger.members.reduce((sum, other) => sum + other.vnodes, 0)
  // Nobody holds more than one copy of anything.
  return Math.min(member.vnodes / vnodes, 1 / copies)
}

function joining(before: Ring<RingMember>, replicas: number, change: Change & { kind: 'join' }): Prospect {
  const { peerId, vnodes = peerDefaults.vnodes } = change
  if (!Number.isSafeInteger(vnodes) || vnodes < 1 || vnodes > maxVnodes) {
    throw invalid(`the joiner has ${vnodes} vnodes; it takes a whole number from 1 to ${maxVnodes}`)
  }
  if (before.members.length >= maxMembers) {
    const message = `the cluster has ${before.members.length} members, and no room for more`
    throw new AnnulusError('ERR_REFUSED', message)
  }
  if (peerId === undefined) return typicalJoin(before, replicas, vnodes)
  const member = { peerId, vnodes, life: noLife }
  if (!isMemberId(member)) throw invalid(`"${peerId}" is no peer id`)
  if (before.members.some(other => other.peerId === peerId)) throw invalid(`${peerId} is a member already`)
  return { before, after: before.with({ add: [member] }), member, isNamed: true }
}

/** The same made-up joiners each time: whoever plans twice is told the same. */
function typicalJoin(before: Ring<RingMember>, replicas: number, vnodes: number): Prospect {
  const joins = Array.from({ length: madeUpJoiners }, (_, index) => {
    const member = { peerId: madeUpPeerId(index), vnodes, life: noLife }
    const after = before.with({ add: [member] })
    return { before, after, member, isNamed: false, share: after.share(member, replicas) }
  })
  joins.sort((a, b) => a.share - b.share)
  return joins[Math.floor(joins.length / 2)]!
}

function madeUpPeerId(index: number): string {
  const publicKey = hash('sha256', `a peer that may join, number ${index}`, 'buffer')
  return toString(concat([ed25519Prefix, publicKey]), 'base58btc')
}

function leaving(before: Ring<RingMember>, peerId: string): Prospect {
  const member = before.members.find(other => other.peerId === peerId)
  if (member === undefined) {
    throw invalid(`${peerId} is no member of this cluster, or on its way out; the status lists them`)
  }
  return { before, after: before.with({ remove: [member] }), member, isNamed: true }
}

function invalid(message: string): AnnulusError {
  return new AnnulusError('ERR_INVALID', message)
}
