/**
 * Looks at a cluster from outside while it runs: who is well and since when, who reaches whom, and what each
 * peer's log says. By this the run knows which operations had to succeed (G5), and that no two peers ever hold
 * different topologies of one epoch, on which all else is built.
 */
import { positionOf } from '../../../src/core/ring/position.ts'
import { quorumOf } from '../../../src/core/register/quorum.ts'
import type { Topology } from '../../../src/core/topology/topology.ts'
import type { Timer } from '../../../src/core/ports.ts'
import type { SimulatedCluster, SimulatedPeer } from '../cluster.ts'
import type { Violation } from './checker.ts'
import { describeOperation, type Operation } from './history.ts'
import type { SimulationSettings } from './settings.ts'

/** How often it looks, in virtual ms: shorter faults delay an operation, but never take its whole time. */
const lookEveryMs = 250

/**
 * How long peers and their links must have been well before an operation begins for it to have to succeed, in
 * virtual ms. Whatever a fault left behind (channels that are dead unbeknown, pauses before retries, entries of
 * the log to fetch) is over long before.
 */
const leadMs = 15_000

/**
 * A link whose last message is longer than this under way is none that answers can be expected over in time: as on
 * a stream, all that is sent after it waits for it.
 */
const mostBacklogMs = 250

/** Above so many peers it does not look: pairs of peers grow with the square, and nothing is expected. */
const maxPeers = 40

interface Sighting {
  readonly process: SimulatedPeer['process']
  readonly life: string
  readonly sinceMs: number
}

export interface Availability {
  /** Operations that had to succeed. */
  readonly expected: number
  /** Those of them that did. */
  readonly succeeded: number
}

export class Watch {
  readonly violations: Violation[] = []
  readonly #cluster: SimulatedCluster
  readonly #settings: SimulationSettings
  readonly #wellSince = new Map<string, Sighting>()
  readonly #linkedSince = new Map<string, number>()
  readonly #topologies = new Map<string, string>()
  readonly #lastSeen = new WeakSet<Topology>()
  readonly #calledAt = new Map<string, Topology | undefined>()
  #timer: Timer | undefined
  #expected = 0
  #succeeded = 0
  /** Operations that began while two rings were in force. */
  duringTransitions = 0

  constructor(components: { cluster: SimulatedCluster }, init: { settings: SimulationSettings }) {
    this.#cluster = components.cluster
    this.#settings = init.settings
  }

  get availability(): Availability {
    return { expected: this.#expected, succeeded: this.#succeeded }
  }

  start(): void {
    if (this.#cluster.peers.length > maxPeers) return
    this.#look()
    this.#timer = this.#cluster.time.after(lookEveryMs, () => this.start())
  }

  stop(): void {
    this.#timer?.cancel()
  }

  /** An operation begins; `client` has no other under way. */
  began(client: number): void {
    const topology = this.#newest()
    this.#calledAt.set(String(client), topology)
    if (topology !== undefined && topology.rings.length > 1) this.duringTransitions++
  }

  ended(client: number, operation: Operation): void {
    const topologies = [this.#calledAt.get(String(client)), this.#newest()]
    if (!topologies.every(topology => this.#hadToSucceed(operation, topology))) return
    this.#expected++
    if (operation.outcome === 'ok') this.#succeeded++
    else {
      this.violations.push({
        guarantee: 'G5',
        subject: operation.key,
        what: `it had a quorum of replicas that were well for ${leadMs} ms before and all the while: ${describeOperation(operation)}`
      })
    }
  }

  /** Whether who was asked is a peer that was well and reached a quorum of the key's replicas in each ring. */
  #hadToSucceed({ key, asked, calledAt }: Operation, topology: Topology | undefined): boolean {
    const coordinator = this.#cluster.peers.find(({ index }) => asked === `peer ${index}`)
    if (topology === undefined || coordinator === undefined || !this.#mayJudge) return false
    const sinceMs = calledAt - leadMs
    if (!this.#isWell(coordinator, sinceMs)) return false
    const position = positionOf(new TextEncoder().encode(key))
    return topology.rings.every(ring => {
      const replicas = ring.replicas(position, topology.replicas)
      const well = replicas.filter(({ peerId, life }) => {
        const replica = this.#cluster.peers.find(peer => peer.peerId === peerId)
        if (replica === undefined || replica.core.memberNow.life !== life) return false
        return this.#isWell(replica, sinceMs) && this.#areLinked(coordinator, replica, sinceMs)
      })
      return well.length >= quorumOf(replicas.length)
    })
  }

  /** Where any message or write may fail by itself, nothing is certain of a single operation. */
  get #mayJudge(): boolean {
    const { network, disk } = this.#settings
    return network.loss === 0 && disk.failRate === 0 && this.#timer !== undefined
  }

  #isWell(peer: SimulatedPeer, sinceMs: number): boolean {
    const sighting = this.#wellSince.get(peer.peerId)
    return sighting !== undefined && sighting.sinceMs <= sinceMs && this.#isSame(peer, sighting)
  }

  /** Still the process and life that were seen, and still well. */
  #isSame(peer: SimulatedPeer, { process, life }: Sighting): boolean {
    return peer.process === process && lifeOf(peer) === life && this.#looksWell(peer)
  }

  #looksWell({ process, disk, peerId, hasLeft }: SimulatedPeer): boolean {
    const isRunning = process.isAlive && !process.isFrozen && !hasLeft
    // Until a damaged record is repaired, it has no vote for its key.
    const worksWell = !disk.isFull && disk.failRate === 0 && disk.damaged === 0
    const { network } = this.#cluster
    return isRunning && worksWell && network.clogMs(peerId) === 0 && !network.isOverloaded(peerId)
  }

  #areLinked(a: SimulatedPeer, b: SimulatedPeer, sinceMs: number): boolean {
    if (a === b) return true
    return [linkOf(a, b), linkOf(b, a)].every(link => (this.#linkedSince.get(link) ?? Infinity) <= sinceMs)
  }

  #look(): void {
    const { peers, running, network, time } = this.#cluster
    for (const peer of peers) {
      const sighting = this.#wellSince.get(peer.peerId)
      if (sighting !== undefined && this.#isSame(peer, sighting)) continue
      this.#wellSince.delete(peer.peerId)
      const life = lifeOf(peer)
      if (life === undefined || !this.#looksWell(peer)) continue
      this.#wellSince.set(peer.peerId, { process: peer.process, life, sinceMs: time.nowMs })
    }
    for (const a of running) {
      for (const b of running) {
        const link = linkOf(a, b)
        if (a !== b && isBad(network, a.peerId, b.peerId)) this.#linkedSince.delete(link)
        else if (!this.#linkedSince.has(link)) this.#linkedSince.set(link, time.nowMs)
      }
    }
    for (const peer of running) this.#compareLog(peer)
  }

  /** Two topologies of one epoch must be the same: the log's agreement, which G1 rests on. */
  #compareLog({ core, peerId, index }: SimulatedPeer): void {
    const topology = core.topologyNow
    if (topology === undefined || this.#lastSeen.has(topology)) return
    this.#lastSeen.add(topology)
    const { clusterId, generation, epoch } = topology
    const name = `${generation}/${epoch}`
    const text = JSON.stringify(topology)
    const other = this.#topologies.get(name)
    if (other === undefined) this.#topologies.set(name, text)
    else if (other !== text) {
      const what = `peer ${index} of cluster ${clusterId} has another topology of epoch ${epoch} than others: ${text} and ${other}`
      this.violations.push({ guarantee: 'log', subject: peerId, what })
    }
  }

  /** The newest topology that anybody has who runs. */
  #newest(): Topology | undefined {
    let newest: Topology | undefined
    for (const { core } of this.#cluster.running) {
      const topology = core.topologyNow
      if (topology !== undefined && topology.epoch > (newest?.epoch ?? 0)) newest = topology
    }
    return newest
  }
}

function isBad(network: SimulatedCluster['network'], from: string, to: string): boolean {
  return network.isCut(from, to) || network.delayMs(from, to) > mostBacklogMs
}

/** The life in which a peer is a member that answers; undefined where it is none. */
function lifeOf({ core }: SimulatedPeer): string | undefined {
  const { memberNow, topologyNow } = core
  const standing = topologyNow?.member(memberNow)?.standing
  const isMember = standing === 'up' || standing === 'joining' || standing === 'leaving'
  return isMember ? memberNow.life : undefined
}

function linkOf(from: SimulatedPeer, to: SimulatedPeer): string {
  return `${from.peerId}>${to.peerId}`
}
