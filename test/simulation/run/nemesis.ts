/**
 * Does to a cluster what its settings say, fault after fault, each kind at its rate. It keeps to what the
 * guarantees allow: a majority of the replicas is never lost for good, and one disk is lost at a time, the next
 * one only when the records of this one have been replicated anew.
 */
import type { SimulatedCluster, SimulatedPeer } from '../cluster.ts'
import type { SeededRandom } from '../random.ts'
import { faultKinds, type FaultKind, type SimulationSettings } from './settings.ts'
import { pause } from './workload.ts'

/** Peers that a run has at the most, and must keep. */
const maxPeers = 12
const leastPeers = 3

/** The longest that a fault lasts, in ms. */
const maxFaultMs = 20_000

/** How long the nemesis waits for a change of the members before it goes on, in ms. */
const changeMs = 60_000

export class Nemesis {
  readonly counts: Record<FaultKind, number>
  readonly #cluster: SimulatedCluster
  readonly #random: SeededRandom
  readonly #settings: SimulationSettings
  readonly #onFault: (kind: FaultKind, peer: SimulatedPeer) => void

  constructor(
    components: { cluster: SimulatedCluster; random: SeededRandom },
    init: { settings: SimulationSettings; onFault: (kind: FaultKind, peer: SimulatedPeer) => void }
  ) {
    this.#cluster = components.cluster
    this.#random = components.random
    this.#settings = init.settings
    this.#onFault = init.onFault
    this.counts = Object.fromEntries(faultKinds.map(kind => [kind, 0])) as Record<FaultKind, number>
  }

  /** One fault at a time until `untilMs`, each healed before the next. */
  async run(untilMs: number): Promise<void> {
    const rates = this.#settings.faultsPerMinute
    const total = faultKinds.reduce((sum, kind) => sum + rates[kind], 0)
    if (total === 0) return
    for (;;) {
      await pause(this.#cluster, (-60_000 / total) * Math.log(1 - this.#random.float()))
      if (this.#cluster.time.nowMs >= untilMs) return
      let draw = this.#random.float() * total
      const kind = faultKinds.find(candidate => (draw -= rates[candidate]) < 0) ?? 'kill'
      const victim = this.#random.pick(this.#cluster.running)
      if (!this.#mayHappen(kind)) continue
      this.counts[kind]++
      this.#onFault(kind, victim)
      await this.#faults[kind](victim)
    }
  }

  /** Ends what may still be going on. */
  heal(): void {
    const { network } = this.#cluster
    network.heal()
    network.loss = 0
    for (const peer of this.#cluster.running) {
      this.#cluster.thaw(peer)
      peer.disk.isFull = false
      peer.disk.failRate = 0
    }
  }

  #mayHappen(kind: FaultKind): boolean {
    const { running, peers } = this.#cluster
    if (kind === 'join') return running.length < maxPeers && peers.length < 2 * maxPeers
    if (kind === 'leave' || kind === 'remove') return running.length > leastPeers
    // What only one disk had is lost with it, and that is all right with one replica only.
    return kind !== 'lose-disk' || this.#settings.replicas > 1
  }

  readonly #faults: Readonly<Record<FaultKind, (victim: SimulatedPeer) => Promise<void>>> = {
    kill: async victim => {
      this.#cluster.kill(victim)
      await this.#wait()
      await this.#cluster.restart(victim)
    },
    'kill-all': async () => {
      const all = this.#cluster.running
      for (const peer of all) this.#cluster.kill(peer)
      for (const peer of all) await this.#cluster.restart(peer)
    },
    'lose-disk': async victim => {
      this.#cluster.kill(victim)
      await this.#cluster.restartEmpty(victim)
      await this.#cluster.ask(victim, core => core.ready())
    },
    freeze: async victim => {
      this.#cluster.freeze(victim)
      await this.#wait()
      this.#cluster.thaw(victim)
    },
    join: async () => {
      const skewMs = Math.round((2 * this.#random.float() - 1) * this.#settings.maxSkewMs)
      await this.#cluster.add({ skewMs })
    },
    leave: async victim => {
      await this.#patiently(signal => this.#cluster.ask(victim, core => core.leave(undefined, { signal })))
    },
    remove: async victim => {
      this.#cluster.kill(victim)
      const other = this.#random.pick(this.#cluster.running)
      await this.#patiently(signal =>
        this.#cluster.ask(other, core => core.remove(victim.peerId, { signal }))
      )
      await this.#wait()
      await this.#cluster.restart(victim)
    },
    isolate: victim => this.#cutOff([victim], {}),
    halve: () => {
      const { running } = this.#cluster
      return this.#cutOff(
        running.filter(() => this.#random.chance(0.5)),
        {}
      )
    },
    'one-way': victim => this.#cutOff([victim], { oneWay: true }),
    clog: async victim => {
      this.#cluster.network.clog(victim.peerId, 500 + this.#random.float() * 3_000)
      await this.#wait()
      this.#cluster.network.clog(victim.peerId, 0)
    },
    'step-clock': victim => {
      victim.clock.skewMs = Math.round((2 * this.#random.float() - 1) * this.#settings.maxSkewMs)
      return Promise.resolve()
    },
    'full-disk': async victim => {
      victim.disk.isFull = true
      await this.#wait()
      victim.disk.isFull = false
    }
  }

  async #cutOff(some: readonly SimulatedPeer[], options: { oneWay?: boolean }): Promise<void> {
    const { network, peers } = this.#cluster
    const others = peers.filter(peer => !some.includes(peer))
    const idsOf = (list: readonly SimulatedPeer[]): string[] => list.map(({ peerId }) => peerId)
    network.cut(idsOf(some), idsOf(others), options)
    await this.#wait()
    network.heal()
  }

  #wait(): Promise<void> {
    return pause(this.#cluster, this.#random.float() * maxFaultMs)
  }

  /** Gives up waiting for a change after a while: what holds must hold while it is under way, too. */
  async #patiently(change: (signal: AbortSignal) => Promise<void>): Promise<void> {
    const giveUp = new AbortController()
    const timer = this.#cluster.time.after(changeMs, () => giveUp.abort())
    try {
      await change(giveUp.signal)
    } catch {
      // Refused, or under way still.
    } finally {
      timer.cancel()
    }
  }
}
