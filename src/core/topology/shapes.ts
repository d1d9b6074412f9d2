/**
 * What texts and numbers of the log must look like before anything here uses them: they come in from other
 * peers and from disk. Used by whatever turns wire messages into entries, topologies and ballots.
 */
import { sameMember, type MemberId, type RingMember } from '../member.ts'
import { maxTime, maxVnodes } from '../limits.ts'

/** Characters of a peer id: those of today have 46 to 52; a bound for what nobody has seen yet. */
const maxPeerIdLength = 128

/** Characters of a network name: it is a label for people, and travels in every greeting. */
export const maxNetworkLength = 128

/** Epochs and generations stay far below the integers that a number holds exactly. */
export const maxEpoch = 2 ** 48

/** Thrown where a message of the log, from the wire or the disk, is malformed. */
export class MalformedError extends Error {
  override readonly name = 'MalformedError'
}

const peerIdPattern = /^[1-9A-HJ-NP-Za-km-z]+$/
const lifePattern = /^[0-9a-f]{16}$/
const clusterIdPattern = /^[0-9a-f]{32}$/

/** Throws MalformedError unless `holds`; `what` says what is wrong. */
export function ensure(holds: boolean, what: string): asserts holds {
  if (!holds) throw new MalformedError(what)
}

export function ensureWhole(value: number, least: number, most: number, what: string): number {
  ensure(Number.isSafeInteger(value) && value >= least && value <= most, `${what} is out of bounds`)
  return value
}

export function ensureEpoch(value: number, what = 'an epoch'): number {
  return ensureWhole(value, 1, maxEpoch, what)
}

/** A time as versions have it, in microseconds since 1970. */
export function ensureTime(value: number): number {
  return ensureWhole(value, 0, maxTime, 'a time')
}

export function ensureClusterId(text: string): string {
  ensure(clusterIdPattern.test(text), 'a cluster id is not 32 hex digits')
  return text
}

export function ensureNetwork(text: string): string {
  ensure(text.length > 0 && text.length <= maxNetworkLength, 'a network name is empty or too long')
  return text
}

export function isMemberId(id: MemberId): boolean {
  return id.peerId.length <= maxPeerIdLength && peerIdPattern.test(id.peerId) && lifePattern.test(id.life)
}

export function ensureMemberId(id: MemberId | undefined): MemberId {
  ensure(id !== undefined && isMemberId(id), 'a member id is malformed')
  return { peerId: id.peerId, life: id.life }
}

export function ensureRingMember(joiner: { id?: MemberId; vnodes: number } | undefined): RingMember {
  ensure(joiner !== undefined, 'a joiner is missing')
  const vnodes = ensureWhole(joiner.vnodes, 1, maxVnodes, 'the number of vnodes')
  return { ...ensureMemberId(joiner.id), vnodes }
}

/** The order of members in entries and topologies: by peer id, then life, both by their code units. */
export function compareMembers(a: MemberId, b: MemberId): number {
  if (a.peerId !== b.peerId) return a.peerId < b.peerId ? -1 : 1
  if (a.life !== b.life) return a.life < b.life ? -1 : 1
  return 0
}

/** In order and each once: the one spelling of a set of members. */
export function isCanonical(members: readonly MemberId[]): boolean {
  return members.every((member, i) => i === 0 || compareMembers(members[i - 1]!, member) < 0)
}

export function includesMember(members: readonly MemberId[], member: MemberId): boolean {
  return members.some(other => sameMember(other, member))
}
