/**
 * Holds what a transition sends against the least that had to move (G2): for each one that opens it looks at all
 * disks, and when it closes it compares. Part of movement-rules.ts, which says what counts and when.
 */
import type { RecordHead } from '../../../src/core/record/record.ts'
import { compareVersions, type Version } from '../../../src/core/record/version.ts'
import { formatPosition } from '../../../src/core/ring/position.ts'
import type { Member, Topology } from '../../../src/core/topology/topology.ts'
import type { SimulatedPeer } from '../cluster.ts'
import type { VirtualTime } from '../clock.ts'
import type { Held, Holdings } from '../holdings.ts'
import type { MovementCounts } from './movement-rules.ts'

/** So much more than the least may be sent. */
const mostRatio = 1.05

/**
 * For how long nothing else must have been done to the cluster when a transition opens, in virtual ms: channels that
 * are dead unbeknown are noticed by then, and what a fault kept from a replica is repaired, or unsettled.
 */
const leadMs = 15_000

export interface TransitionTallyComponents {
  readonly time: VirtualTime
  readonly peers: readonly SimulatedPeer[]
}

export interface TransitionTallyInit {
  readonly quietSinceMs: () => number
  readonly complain: (subject: string, what: string) => void
}

interface Open {
  readonly epoch: number
  readonly openedMs: number
  /** By position in hex: the version that all replicas in the ring before had. */
  readonly settled: ReadonlyMap<string, Version>
  /** Of the settled records, what those get who are to replicate them. */
  readonly leastBytes: number
  /** Of the settled records, what was sent. */
  sentBytes: number
}

export class TransitionTally {
  readonly #components: TransitionTallyComponents
  readonly #init: TransitionTallyInit
  /** The transition that is open, unless it was amended. */
  #open: Open | undefined
  readonly #counts = { transitions: 0, judged: 0, leastBytes: 0, sentBytes: 0 }

  constructor(components: TransitionTallyComponents, init: TransitionTallyInit) {
    this.#components = components
    this.#init = init
  }

  get counts(): Omit<MovementCounts, 'records'> {
    return { ...this.#counts }
  }

  /** The log has a new entry. */
  moved(topology: Topology): void {
    const open = this.#open
    this.#open = undefined
    if (topology.transition?.opened === topology.epoch) this.#open = this.#look(topology)
    else if (topology.transition === undefined && open?.epoch === topology.epoch - 1) this.#close(open)
  }

  /** A session of this epoch sends a record. */
  sent({ position, version, size }: RecordHead, epoch: number): void {
    const open = this.#open
    if (open?.epoch !== epoch) return
    const settled = open.settled.get(formatPosition(position))
    if (settled !== undefined && compareVersions(settled, version) === 0) open.sentBytes += size
  }

  #close({ epoch, openedMs, leastBytes, sentBytes }: Open): void {
    this.#counts.transitions++
    if (leastBytes + sentBytes === 0 || this.#init.quietSinceMs() > openedMs - leadMs) return
    this.#counts.judged++
    this.#counts.leastBytes += leastBytes
    this.#counts.sentBytes += sentBytes
    if (sentBytes <= mostRatio * leastBytes) return
    const what = `of what was settled when it opened it sent ${sentBytes} bytes, where ${leastBytes} had to move`
    this.#init.complain(`the transition of epoch ${epoch}`, what)
  }

  #look(topology: Topology): Open {
    const settled = new Map<string, Version>()
    let leastBytes = 0
    for (const name of this.#positions()) {
      const position = Buffer.from(name, 'hex')
      const [before, after] = topology.rings.map(ring => ring.replicas(position, topology.replicas))
      const held = this.#settledOn(before!, name)
      if (held === undefined) continue
      settled.set(name, held.version)
      // One that still has it as foreign may be about to drop it, and learn of this epoch after that.
      const takers = after!.filter(member => !before!.includes(member))
      leastBytes += takers.length * held.size
    }
    const { time } = this.#components
    return { epoch: topology.epoch, openedMs: time.nowMs, settled, leastBytes, sentBytes: 0 }
  }

  #positions(): ReadonlySet<string> {
    return new Set(this.#components.peers.flatMap(({ disk }) => [...disk.holdings.positions]))
  }

  /** What all of them hold under a position, where that is the same. */
  #settledOn(replicas: readonly Member[], position: string): Held | undefined {
    const held = replicas.map(replica => this.#holdings(replica)?.newest(position))
    const [first] = held
    return held.every(each => each !== undefined && compareVersions(each.version, first?.version) === 0)
      ? first
      : undefined
  }

  /** Of a member in this very life; it need not run. */
  #holdings({ peerId, life }: Member): Holdings | undefined {
    const peer = this.#components.peers.find(each => each.peerId === peerId)
    return peer?.core.memberNow.life === life ? peer.disk.holdings : undefined
  }
}
