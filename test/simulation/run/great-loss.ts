/**
 * The loss of most acceptors for good, disks too, and the restore by those who are left, as docs/operations.md says an
 * operator does it: wait until they are held to be down, name all who survive, and then start the lost ones anew, empty. Tells what
 * may be lost with them, and from when to when, by which guarantees/survival.ts judges. Used by the nemesis.
 */
import type { MemberInfo } from '../../../src/api.ts'
import { memberKey } from '../../../src/core/member.ts'
import { formatVersion } from '../../../src/core/record/version.ts'
import { formatPosition, positionOf } from '../../../src/core/ring/position.ts'
import type { Ring } from '../../../src/core/ring/ring.ts'
import type { Topology } from '../../../src/core/topology/topology.ts'
import { pullCount } from '../../../src/core/topology/transition.ts'
import type { SimulatedCluster, SimulatedPeer } from '../cluster.ts'
import type { SeededRandom } from '../random.ts'

/** Before a restore that was refused is tried again, and between two looks at how far it is, in virtual ms. */
const retryMs = 2_000
const lookMs = 250

/** A peer that stands still answers no operator: then another one is asked. */
const patienceMs = 10_000

export class GreatLoss {
  readonly victims: readonly SimulatedPeer[]
  /** By position in hex: the newest version that survivors have of what lost too many of its copies. */
  readonly left: ReadonlyMap<string, string>
  /** Virtual time at which they were lost, and at which the survivors had copied what was left. */
  atMs = Infinity
  untilMs = Infinity
  /** By position in hex, of what was left: on how many disks it was then, of its replicas, where that was no quorum. */
  readonly scarce = new Map<string, number>()
  /** Epoch at which the transition of the restore was opened. */
  #opened: number | undefined
  readonly #lost: ReadonlySet<string>
  readonly #ring: Ring<MemberInfo>
  readonly #replicas: number
  readonly #cluster: SimulatedCluster

  private constructor(
    cluster: SimulatedCluster,
    init: {
      victims: readonly SimulatedPeer[]
      ring: Ring<MemberInfo>
      replicas: number
      left: ReadonlyMap<string, string>
    }
  ) {
    this.#cluster = cluster
    this.victims = init.victims
    this.left = init.left
    this.#ring = init.ring
    this.#replicas = init.replicas
    this.#lost = new Set(init.victims.map(({ core }) => memberKey(core.memberNow)))
  }

  /** Looks, before anything happens, at what will be left. No virtual time passes. */
  static async of(
    cluster: SimulatedCluster,
    init: { victims: readonly SimulatedPeer[]; ring: Ring<MemberInfo>; replicas: number }
  ): Promise<GreatLoss> {
    const left = new Map<string, string>()
    const loss = new GreatLoss(cluster, { ...init, left })
    for (const peer of cluster.peers.filter(peer => !init.victims.includes(peer) && !peer.hasLeft)) {
      for (const { position, version, kind, expiresAt } of await peer.disk.heads()) {
        // Others may be purged.
        if (kind !== 'value' || expiresAt !== 0 || !loss.#isAtRisk(position)) continue
        const name = formatPosition(position)
        const text = formatVersion(version)
        if (text > (left.get(name) ?? '')) left.set(name, text)
      }
    }
    return loss
  }

  /** Whether acknowledged writes of a key may be lost: fewer than n - q + 1 of its replicas are left. */
  mayLose(key: string): boolean {
    return this.#isAtRisk(positionOf(new TextEncoder().encode(key)))
  }

  async happen(random: SeededRandom, durationMs: number): Promise<void> {
    const { time } = this.#cluster
    this.atMs = time.nowMs
    for (const victim of this.victims) this.#cluster.kill(victim)
    const generation = this.#generation()
    await this.#cluster.pause(durationMs)
    // At each message, too: what is missing then may be there a few milliseconds later.
    const stopListening = this.#cluster.wiretap.listen(() => this.#look(generation))
    while (this.#generation() === generation) {
      await this.#restore(random)
      await this.#cluster.pause(retryMs)
    }
    const restarts = this.victims.map(victim => this.#cluster.restartEmpty(victim))
    while (this.untilMs === Infinity) {
      this.#look(generation)
      await this.#cluster.pause(lookMs)
    }
    stopListening()
    await Promise.all(restarts)
  }

  /** As an operator would, by what the peer that is asked says who there is. */
  async #restore(random: SeededRandom): Promise<void> {
    const survivors = this.#survivors()
    if (survivors.length === 0) return
    const asked = random.pick(survivors)
    const topology = asked.core.topologyNow
    if (topology === undefined) return
    const names = topology.members
      .filter(({ standing }) => standing === 'up' || standing === 'leaving')
      .filter(member => !this.#lost.has(memberKey(member)))
      .map(({ peerId }) => peerId)
    const giveUp = new AbortController()
    const timer = this.#cluster.time.after(patienceMs, () => giveUp.abort())
    const options = { acceptLoss: topology.clusterId, signal: giveUp.signal }
    try {
      await Promise.race([
        this.#cluster.ask(asked, core => core.restore(names, options)),
        new Promise<void>(resolve => giveUp.signal.addEventListener('abort', () => resolve()))
      ])
    } catch {
      // Somebody is away or not held to be down yet: once more, later.
    } finally {
      timer.cancel()
    }
  }

  #survivors(): SimulatedPeer[] {
    return this.#cluster.running.filter(({ core }) => {
      const standing = core.topologyNow?.member(core.memberNow)?.standing
      return standing === 'up' || standing === 'leaving'
    })
  }

  #generation(): number {
    return Math.max(...this.#cluster.peers.map(({ core }) => core.topologyNow?.generation ?? 0))
  }

  /** Whether the transition that a restore begins, in a higher generation than this one, is over. */
  #look(generation: number): void {
    const topology = this.#newest()
    if (topology === undefined || topology.generation === generation || this.untilMs < Infinity) return
    const opened = topology.transition?.opened
    this.#opened ??= opened
    if (opened !== undefined && opened === this.#opened) return
    this.untilMs = this.#cluster.time.nowMs
    this.#lookAtCopies(topology)
  }

  /** The newest topology that anybody has who runs. */
  #newest(): Topology | undefined {
    const topologies = this.#cluster.running.map(({ core }) => core.topologyNow)
    const known = topologies.filter(topology => topology !== undefined)
    return known.sort((a, b) => b.epoch - a.epoch)[0]
  }

  /** The survivors answer for what is left from now on. */
  #lookAtCopies(topology: Topology): void {
    for (const [name, version] of this.left) {
      // What is newer may have been deleted and purged.
      if (topology.purgedBefore > timeIn(version)) continue
      const replicas = topology.before.replicas(Buffer.from(name, 'hex'), topology.replicas)
      const holders = replicas.filter(({ peerId }) => {
        const held = this.#cluster.peers.find(peer => peer.peerId === peerId)?.disk.holdings.newest(name)
        return held !== undefined && formatVersion(held.version) >= version
      })
      if (holders.length <= replicas.length / 2) this.scarce.set(name, holders.length)
    }
  }

  #isAtRisk(position: Uint8Array): boolean {
    const replicas = this.#ring.replicas(position, this.#replicas)
    return replicas.filter(member => !this.#lost.has(memberKey(member))).length < pullCount(replicas.length)
  }
}

/** Of a version as text. */
function timeIn(version: string): number {
  return Number(version.split('.')[0])
}
