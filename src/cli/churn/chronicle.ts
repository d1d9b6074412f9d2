/**
 * The run's own record: which processes were up, what the log said, and what the peers told of themselves, each with
 * its time. Whatever is to be excused or explained is judged by it, and not by what the cluster believes.
 */
import { sameMember, type MemberId } from '../../core/member.ts'
import { quorumOf } from '../../core/register/quorum.ts'
import { positionOf } from '../../core/ring/position.ts'
import { Topology } from '../../core/topology/topology.ts'
import type { PeerMessage } from './messages.ts'
import { noTraffic, trafficKinds, type Traffic } from './meter.ts'

/** While a process was up, in ms of the cluster's time. */
export interface Span {
  readonly peerId: string
  readonly fromMs: number
  /** Infinity while it is. */
  toMs: number
}

interface Reconciled {
  readonly epoch: number
  /** All sessions began then or later. */
  readonly sinceMs: number
}

/** Who was taken for down though it was up. */
export interface FalseSuspicions {
  /** Times that a peer began to suspect another. */
  suspected: number
  /** Times that a peer took another for down. */
  takenForDown: number
}

/** A process that has just begun may still be taken for what it was before, for so many ms of the cluster's time. */
const newsTravelMs = 5_000

export class Chronicle {
  /** In the order of their beginnings. */
  readonly spans: Span[] = []
  /** By epoch, each with when it was first on any peer's disk. */
  readonly topologies: Array<{ readonly atMs: number; readonly topology: Topology }> = []
  readonly falseSuspicions: FalseSuspicions = { suspected: 0, takenForDown: 0 }
  readonly #up = new Map<string, Span>()
  readonly #lives = new Map<string, Array<{ readonly atMs: number; readonly life: string }>>()
  readonly #reconciled = new Map<string, Reconciled>()
  readonly #sentBefore = noTraffic()
  readonly #sent = new Map<string, Traffic>()

  get topology(): Topology | undefined {
    return this.topologies.at(-1)?.topology
  }

  /** All that was sent by all peers. */
  get sent(): Traffic {
    const sum = { ...this.#sentBefore }
    for (const sent of this.#sent.values()) addTo(sum, sent)
    return sum
  }

  began(peerId: string, atMs: number): void {
    const span = { peerId, fromMs: atMs, toMs: Infinity }
    this.spans.push(span)
    this.#up.set(peerId, span)
  }

  ended(peerId: string, atMs: number): void {
    const span = this.#up.get(peerId)
    if (span === undefined) return
    span.toMs = atMs
    this.#up.delete(peerId)
    this.#reconciled.delete(peerId)
    // The next process counts from nothing.
    addTo(this.#sentBefore, this.#sent.get(peerId) ?? noTraffic())
    this.#sent.delete(peerId)
  }

  isUp(peerId: string): boolean {
    return this.#up.has(peerId)
  }

  /** `pace`: how many ms of the cluster's time a real one is. */
  heard(
    peerId: string,
    message: PeerMessage,
    { atMs, pace }: { readonly atMs: number; readonly pace: number }
  ): void {
    if (message.event === 'saw') this.#suspected(message.peerId, message.liveness, atMs)
    else if (message.event === 'topology') this.#heardTopology(peerId, message, atMs)
    else if (this.#up.has(peerId)) {
      const { sent, reconciled } = message
      this.#sent.set(peerId, sent)
      if (reconciled === null) this.#reconciled.delete(peerId)
      else this.#reconciled.set(peerId, { epoch: reconciled.epoch, sinceMs: atMs - reconciled.ageMs * pace })
    }
  }

  /** Whether each record is on all of its replicas, as all of them have found out in sessions since then. */
  isReplicatedSince(sinceMs: number): boolean {
    const { topology } = this
    if (topology === undefined || topology.transition !== undefined) return false
    return topology.current.every(({ peerId }) => {
      const reconciled = this.#reconciled.get(peerId)
      return this.isUp(peerId) && reconciled?.epoch === topology.epoch && reconciled.sinceMs >= sinceMs
    })
  }

  /** Whether at some moment of this time too few processes of a key's replicas were up, in a ring in force. */
  lackedQuorum(key: string, fromMs: number, toMs: number): boolean {
    const position = positionOf(new TextEncoder().encode(key))
    const changes = [
      ...this.topologies.map(({ atMs }) => atMs),
      ...this.spans.flatMap(span => [span.fromMs, span.toMs])
    ]
    const moments = [fromMs, ...changes.filter(atMs => atMs > fromMs && atMs <= toMs)]
    return moments.some(atMs => !this.#hasQuorum(position, atMs))
  }

  topologyAt(atMs: number): Topology | undefined {
    return this.topologies.findLast(known => known.atMs <= atMs)?.topology ?? this.topologies[0]?.topology
  }

  #hasQuorum(position: Uint8Array, atMs: number): boolean {
    const topology = this.topologyAt(atMs)
    if (topology === undefined) return false
    return topology.rings.every(ring => {
      const replicas = ring.replicas(position, topology.replicas)
      return replicas.filter(member => this.#wasUp(member, atMs)).length >= quorumOf(replicas.length)
    })
  }

  /** Whether the process of this member was up; what it is before it has told of its life, nobody knows. */
  #wasUp({ peerId, life }: MemberId, atMs: number): boolean {
    const isUp = this.spans.some(span => span.peerId === peerId && span.fromMs <= atMs && atMs < span.toMs)
    const known = this.#lives.get(peerId)?.findLast(told => told.atMs <= atMs)
    return isUp && (known === undefined || known.life === life)
  }

  #heardTopology(peerId: string, { state, life }: PeerMessage & { event: 'topology' }, atMs: number): void {
    const lives = this.#lives.get(peerId) ?? []
    if (lives.at(-1)?.life !== life) lives.push({ atMs, life })
    this.#lives.set(peerId, lives)
    if (state.epoch > (this.topology?.epoch ?? 0))
      this.topologies.push({ atMs, topology: new Topology(state, this.topology) })
  }

  #suspected(peerId: string, liveness: string, atMs: number): void {
    const span = this.#up.get(peerId)
    if (liveness === 'alive' || span === undefined || atMs - span.fromMs < newsTravelMs) return
    const member = this.topology?.currentLifeOf(peerId)
    // Whoever has left may stop answering.
    if (member === undefined || !this.topology?.current.some(current => sameMember(current, member))) return
    if (liveness === 'suspect') this.falseSuspicions.suspected++
    else this.falseSuspicions.takenForDown++
  }
}

function addTo(sum: ReturnType<typeof noTraffic>, sent: Traffic): void {
  for (const kind of trafficKinds) sum[kind] += sent[kind]
}
