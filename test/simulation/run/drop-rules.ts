/**
 * Watches what members drop of their records (G3): what is foreign, and what each of its replicas has been given. A
 * run must be very lucky to show a drop that came too early by a get: others have the record most often. What was
 * purged is dropped wherever it lies.
 */
import { sameMember } from '../../../src/core/member.ts'
import { isPurged } from '../../../src/core/record/purged.ts'
import { compareVersions, formatVersion } from '../../../src/core/record/version.ts'
import { formatPosition } from '../../../src/core/ring/position.ts'
import type { SimulatedPeer } from '../cluster.ts'
import type { Dropped } from '../disk.ts'
import type { Violation } from './checker.ts'

export class DropRules {
  readonly violations: Violation[] = []
  readonly #peers: readonly SimulatedPeer[]

  constructor({ peers }: { peers: readonly SimulatedPeer[] }) {
    this.#peers = peers
  }

  /** A peer is about to drop a record. */
  drops(peerId: string, { position, version }: Dropped): void {
    const peer = this.#peers.find(candidate => candidate.peerId === peerId)
    const topology = peer?.core.topologyNow
    const name = formatPosition(position)
    const held = peer?.disk.holdings.newest(name)
    // What it holds no more in this version stays.
    if (peer === undefined || topology === undefined || held === undefined) return
    if (
      compareVersions(held.version, version) !== 0 ||
      isPurged({ ...held, position }, topology.purgedBefore)
    )
      return
    const what = `drops the record at ${name} as ${formatVersion(version)} at epoch ${topology.epoch}`
    const replicas = topology.rings.flatMap(ring => ring.replicas(position, topology.replicas))
    if (replicas.some(replica => sameMember(replica, peer.core.memberNow))) {
      this.#complain(peerId, `${what}, and replicates it`)
      return
    }
    for (const replica of replicas) {
      const other = this.#peers.find(candidate => candidate.peerId === replica.peerId)
      // Of one that has another life since, or lost its disk, it is not known what it had.
      if (other === undefined || !sameMember(other.core.memberNow, replica)) continue
      if (!other.disk.holdings.hasHad(name, version))
        this.#complain(peerId, `${what}, which ${replica.peerId} has not been given`)
    }
  }

  #complain(subject: string, what: string): void {
    this.violations.push({ guarantee: 'G3', subject, what })
  }
}
