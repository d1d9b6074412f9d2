/**
 * What the inside of a cluster must look like when the faults have stopped: everyone agrees on who is there and
 * where keys lie (G1, G7), what was acknowledged is on a quorum of disks (G3), and, where that is claimed, each
 * record is on its replicas and nowhere else (G7).
 */
import type { Member } from '../../../../src/core/topology/topology.ts'
import { quorumOf } from '../../../../src/core/register/quorum.ts'
import { formatPosition, positionOf } from '../../../../src/core/ring/position.ts'
import { tokensOf } from '../../../../src/core/ring/tokens.ts'
import type { SimulatedCluster, SimulatedPeer } from '../../cluster.ts'
import type { Violation } from '../checker.ts'
import type { Operation } from '../history.ts'

/** What one peer does not see as it is: who is there, all of them up and alive, in one topology. */
export function disagreement({ running }: SimulatedCluster): Violation | undefined {
  const newest = Math.max(...running.map(({ core }) => core.topologyNow?.epoch ?? 0))
  for (const { core, peerId, index } of running) {
    const amiss = (what: string): Violation => ({
      guarantee: 'G7',
      subject: peerId,
      what: `peer ${index} ${what}`
    })
    const topology = core.topologyNow
    if (topology === undefined) return amiss('knows of no topology')
    if (topology.epoch !== newest) return amiss(`is at epoch ${topology.epoch}, and others are at ${newest}`)
    if (topology.transition !== undefined) return amiss(`sees a transition that does not close`)
    const members = membersSeenBy(core)
    const unwell = members.find(({ standing, liveness }) => standing !== 'up' || liveness !== 'alive')
    if (unwell !== undefined)
      return amiss(`still sees ${unwell.peerId} ${unwell.standing} and ${unwell.liveness}`)
    if (members.length !== running.length)
      return amiss(`sees ${members.length} members where ${running.length} run`)
  }
  return undefined
}

/** None where the peer is between two lives. */
function membersSeenBy(core: SimulatedPeer['core']): ReturnType<SimulatedPeer['core']['membersNow']> {
  try {
    return core.membersNow()
  } catch {
    return []
  }
}

/**
 * G1: every peer places every key where a ring does that is worked out here, the long way, from nothing but the
 * members' peer ids and vnode counts.
 */
export async function checkPlacement(
  cluster: SimulatedCluster,
  keys: readonly string[]
): Promise<Violation[]> {
  const violations: Violation[] = []
  const [first] = cluster.running
  if (first === undefined) return violations
  const { replicas: copies, members } = first.core.topologyNow!
  const ring = sortedTokens(members.filter(({ standing }) => standing === 'up'))
  for (const key of keys) {
    const expected = walk(ring, positionOf(new TextEncoder().encode(key)), copies).join()
    for (const peer of cluster.running) {
      const { replicas } = await cluster.time.settle(peer.core.locate(key))
      if (replicas.length === 1 && replicas[0]!.join() === expected) continue
      const found = replicas.map(ring => ring.join()).join(' and ')
      const what = `peer ${peer.index} places it on ${found}; by the members alone it is on ${expected}`
      violations.push({ guarantee: 'G1', subject: key, what })
    }
  }
  return violations
}

type Token = readonly [position: string, peerId: string]

function sortedTokens(members: readonly Member[]): Token[] {
  const tokens = members.flatMap(({ peerId, vnodes }) => {
    const packed = tokensOf(peerId, vnodes)
    return Array.from({ length: vnodes }, (_, i): Token => {
      return [formatPosition(packed.subarray(i * 32, (i + 1) * 32)), peerId]
    })
  })
  return tokens.sort(([a], [b]) => (a < b ? -1 : 1))
}

/** The first `copies` distinct peers at or after a position, clockwise. */
function walk(ring: readonly Token[], position: Uint8Array, copies: number): string[] {
  const at = formatPosition(position)
  const clockwise = [...ring.filter(([token]) => token >= at), ...ring.filter(([token]) => token < at)]
  return [...new Set(clockwise.map(([, peerId]) => peerId))].slice(0, copies)
}

/** What is on the disks of those that run: by peer, the version under each position, as text. */
export type Disks = ReadonlyMap<SimulatedPeer, ReadonlyMap<string, string>>

export async function readDisks({ running }: SimulatedCluster): Promise<Disks> {
  const disks = new Map<SimulatedPeer, ReadonlyMap<string, string>>()
  for (const peer of running) {
    const lines = await peer.disk.contents()
    disks.set(peer, new Map(lines.map(line => line.split(' ', 2) as [string, string])))
  }
  return disks
}

/**
 * G3: the newest version that was ever acknowledged of each key, or a newer one, is on a quorum of its replicas'
 * disks. Versions of deletes and of what expires are left out, as they may be purged.
 */
export function checkDurability(disks: Disks, operations: readonly Operation[]): Violation[] {
  const violations: Violation[] = []
  for (const [key, write] of newestWrites(operations)) {
    if (write.kind === 'delete' || write.expiresAt !== undefined) continue
    const position = positionOf(new TextEncoder().encode(key))
    const { replicas, holders, needed } = holdersAt(disks, position, write.version!)
    if (holders.length >= needed) continue
    const names = (peers: readonly SimulatedPeer[]): string => peers.map(({ index }) => index).join()
    violations.push({
      guarantee: 'G3',
      subject: key,
      what: `the put of ${write.value} was acknowledged as ${write.version}, and is on the disks of the peers ${names(holders) || 'nobody'} of ${names(replicas)} only`
    })
  }
  return violations
}

/** The replicas of a position, which of them have at least this version there, and how many of them must. */
export function holdersAt(
  disks: Disks,
  position: Uint8Array,
  version: string
): Readonly<Record<'replicas' | 'holders', SimulatedPeer[]>> & { readonly needed: number } {
  const replicas = replicasOf(disks, position)
  const name = formatPosition(position)
  const holders = replicas.filter(peer => (disks.get(peer)!.get(name) ?? '') >= version)
  return { replicas, holders, needed: quorumOf(replicas.length) }
}

function newestWrites(operations: readonly Operation[]): Map<string, Operation> {
  const newest = new Map<string, Operation>()
  for (const write of operations) {
    if (write.kind === 'get' || write.outcome !== 'ok' || write.version === undefined) continue
    const other = newest.get(write.key)
    if (other === undefined || other.version! < write.version) newest.set(write.key, write)
  }
  return newest
}

/**
 * G7: each record is on exactly its replicas, everywhere in the newest version, and on no other disk. One that
 * is nowhere (purged) is all right.
 */
export function checkCopies(disks: Disks): Violation[] {
  const newest = new Map<string, string>()
  for (const contents of disks.values()) {
    for (const [position, version] of contents)
      if (version > (newest.get(position) ?? '')) newest.set(position, version)
  }
  const violations: Violation[] = []
  for (const [position, version] of newest) {
    const replicas = replicasOf(disks, Buffer.from(position, 'hex'))
    for (const [peer, contents] of disks) {
      const held = contents.get(position)
      const amiss = whatIsWrong(held, version, replicas.includes(peer))
      if (amiss === undefined) continue
      violations.push({
        guarantee: 'G7',
        subject: position,
        what: `peer ${peer.index} ${amiss} the record at ${position}, whose newest version is ${version}`
      })
    }
  }
  return violations
}

/** G7: what has one version has the same bytes on all disks. */
export async function checkBytes({ running }: Pick<SimulatedCluster, 'running'>): Promise<Violation[]> {
  const first = new Map<string, { readonly index: number; readonly encoded: Uint8Array }>()
  const violations: Violation[] = []
  for (const { index, disk } of running) {
    for (const { position, version, encoded } of await disk.copies()) {
      const other = first.get(`${position} ${version}`)
      if (other === undefined) first.set(`${position} ${version}`, { index, encoded })
      else if (Buffer.compare(other.encoded, encoded) !== 0) {
        const what = `peers ${other.index} and ${index} hold other bytes as its version ${version}`
        violations.push({ guarantee: 'G7', subject: position, what })
      }
    }
  }
  return violations
}

/** G7: no record is left damaged. */
export function checkRepairs({ running }: Pick<SimulatedCluster, 'running'>): Violation[] {
  return running
    .filter(({ disk }) => disk.damaged > 0)
    .map(({ index, disk }) => ({
      guarantee: 'G7',
      subject: `peer ${index}`,
      what: `peer ${index} has ${disk.damaged} damaged records on its disk, which nobody repaired`
    }))
}

function whatIsWrong(held: string | undefined, newest: string, isReplica: boolean): string | undefined {
  if (!isReplica) return held === undefined ? undefined : 'is no replica of, and holds,'
  if (held === undefined) return 'is a replica of, and lacks,'
  return held === newest ? undefined : `holds the old version ${held} of`
}

/** The replicas of a position by the topology, which all agree on. */
function replicasOf(disks: Disks, position: Uint8Array): SimulatedPeer[] {
  const peers = [...disks.keys()]
  const topology = peers[0]!.core.topologyNow!
  const ids = topology.before.replicas(position, topology.replicas).map(({ peerId }) => peerId)
  return peers.filter(({ peerId }) => ids.includes(peerId))
}
