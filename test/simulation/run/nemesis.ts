/**
 * Does to a cluster what a script's faults say. They overlap as they come; each undoes only what it did itself.
 * What may not happen at its moment, because the guarantees do not reach so far (guard-rails.ts) or because
 * there is nobody whom it could hit, is skipped and counted so.
 */
import type { SimulatedCluster, SimulatedPeer } from '../cluster.ts'
import type { Cut } from '../network.ts'
import { SeededRandom } from '../random.ts'
import { ambush } from './ambush.ts'
import { heldDown, leastForMinority, sidesOf } from './cut-off-removal.ts'
import type { GreatLoss } from './great-loss.ts'
import { GuardRails, mostJoins } from './guard-rails.ts'
import type { FaultStep } from './script.ts'
import { faultKinds, type FaultKind, type SimulationSettings } from './settings.ts'

/** How long the nemesis waits for a change of the members until it goes on, in ms. */
const changeMs = 60_000

/** How long the nemesis waits for a write that it strikes into, in ms. */
const writeMs = 2_000

/** How often one of those who could tell what a damaged record was is cut off from it then, when, and how long, in ms. */
const strandedShare = 0.5
const beforeRepairMs = 55_000
const strandedMs = 25_000

/** A joiner that is to end in the middle does so within so many ms: later it is most often through. */
const joiningMs = 2_000

/** Those who join have most often done so after so many ms. */
const joinedMs = 5_000

/** The most that a clogged peer's messages are delayed, and the least, in ms: some in time, most too late. */
const clogMs = [500, 3_500] as const

export type FaultPhase = 'begins' | 'ends' | 'is skipped'

export interface NemesisInit {
  readonly settings: SimulationSettings
  /** Told of each fault when it begins and when it is over; with whom it hits. */
  readonly onFault?: (kind: FaultKind, phase: FaultPhase, victims: readonly SimulatedPeer[]) => void
}

/** One fault under way. */
interface Fault {
  readonly step: FaultStep
  /** Draws of its own. */
  readonly random: SeededRandom
}

/** Whom a fault hits and what it does until it is over; undefined where it may not happen now. */
interface Attack {
  readonly victims: readonly SimulatedPeer[]
  readonly run: () => Promise<void> | void
}

export class Nemesis {
  /** Faults that happened, and those that were skipped. */
  readonly counts: Record<FaultKind, number>
  readonly skipped: Record<FaultKind, number>
  /** Undefined where there was none. */
  greatLoss: GreatLoss | undefined
  readonly #cluster: SimulatedCluster
  readonly #settings: SimulationSettings
  readonly #guards: GuardRails
  readonly #onFault: NonNullable<NemesisInit['onFault']>

  constructor(components: { cluster: SimulatedCluster }, init: NemesisInit) {
    this.#cluster = components.cluster
    this.#settings = init.settings
    this.#guards = new GuardRails(components, init)
    this.#onFault = init.onFault ?? (() => undefined)
    this.counts = zeroes()
    this.skipped = zeroes()
  }

  /** Executes the steps, whose times count from `startMs`; resolves when the last of them is over. */
  async run(steps: readonly FaultStep[], startMs: number): Promise<void> {
    const { time } = this.#cluster
    const over = steps.map(
      step =>
        new Promise<void>((resolve, reject) => {
          time.at(startMs + step.atMs, () => void this.#execute(step).then(resolve, reject))
        })
    )
    await Promise.all(over)
  }

  /** Ends what steps do not end by themselves: the network is as good as new, the disks work. */
  heal(): void {
    const { network } = this.#cluster
    network.heal()
    network.loss = 0
    network.reorder = 0
    for (const peer of this.#cluster.running) {
      this.#cluster.thaw(peer)
      peer.disk.isFull = false
      peer.disk.failRate = 0
    }
  }

  async #execute(step: FaultStep): Promise<void> {
    const random = new SeededRandom(step.draw * 2 ** 32)
    const attack = await this.#attacks[step.kind]({ step, random })
    if (attack === undefined) {
      this.skipped[step.kind]++
      this.#onFault(step.kind, 'is skipped', [])
      return
    }
    this.counts[step.kind]++
    this.#onFault(step.kind, 'begins', attack.victims)
    await attack.run()
    this.#onFault(step.kind, 'ends', attack.victims)
  }

  readonly #attacks: Readonly<
    Record<FaultKind, (fault: Fault) => Attack | undefined | Promise<Attack | undefined>>
  > = {
    kill: fault =>
      this.#on(this.#cluster.running, fault, async victim => {
        const { process } = victim
        if (fault.random.chance(0.5)) await this.#untilItWrites(victim)
        // Someone else may have killed it first, who will start it again.
        if (victim.process !== process || !process.isAlive) return
        this.#cluster.kill(victim)
        await this.#last(fault)
        await this.#cluster.restart(victim)
      }),
    'kill-starting': fault =>
      this.#on(this.#cluster.running, fault, async victim => {
        this.#cluster.kill(victim)
        const starting = this.#cluster.restart(victim)
        const { process } = victim
        await this.#last(fault)
        await starting
        // Someone else may have killed it meanwhile, who will start it again.
        if (!process.isAlive || victim.hasLeft) return
        this.#cluster.kill(victim)
        await this.#cluster.restart(victim)
      }),
    'kill-all': () => {
      const victims = this.#cluster.running
      return {
        victims,
        run: async () => {
          for (const victim of victims) this.#cluster.kill(victim)
          await Promise.all(victims.map(victim => this.#cluster.restart(victim)))
        }
      }
    },
    'lose-disk': fault => this.#loseDisk(fault),
    freeze: fault => this.#freeze(fault),
    'freeze-long': fault => this.#freeze(fault),
    join: fault => this.#join(1, fault),
    'join-many': fault => this.#join(2 + fault.random.integer(2), fault),
    'kill-joining': fault => this.#killJoining(fault),
    leave: fault => {
      if (!this.#guards.maySpareOne()) return undefined
      return this.#on(this.#guards.steady(), fault, victim =>
        this.#guards.whileGoing(victim, () =>
          this.#patiently(victim, (core, signal) => core.leave(undefined, { signal }))
        )
      )
    },
    remove: fault => this.#remove(fault),
    isolate: fault =>
      this.#on(this.#cluster.running, fault, victim =>
        this.#during(fault, this.#cluster.network.cut([victim.peerId], this.#othersThan([victim])))
      ),
    'one-way': fault =>
      this.#on(this.#cluster.running, fault, victim => {
        const others = this.#othersThan([victim])
        const cut = fault.random.chance(0.5)
          ? this.#cluster.network.cut([victim.peerId], others, { oneWay: true })
          : this.#cluster.network.cut(others, [victim.peerId], { oneWay: true })
        return this.#during(fault, cut)
      }),
    halve: fault => {
      const half = this.#cluster.running.filter(() => fault.random.chance(0.5))
      const cut = (): Cut =>
        this.#cluster.network.cut(
          half.map(({ peerId }) => peerId),
          this.#othersThan(half)
        )
      return { victims: half, run: () => this.#during(fault, cut()) }
    },
    scatter: fault => {
      const share = 0.1 + 0.5 * fault.random.float()
      const cut = (): Cut => this.#cluster.network.cutSome(share, fault.random.integer(2 ** 32))
      return { victims: [], run: () => this.#during(fault, cut()) }
    },
    bridge: fault =>
      this.#on(this.#cluster.running, fault, victim => {
        const others = this.#cluster.running.filter(peer => peer !== victim)
        const half = others.filter(() => fault.random.chance(0.5))
        const rest = this.#othersThan([victim, ...half])
        return this.#during(
          fault,
          this.#cluster.network.cut(
            half.map(({ peerId }) => peerId),
            rest
          )
        )
      }),
    clog: fault =>
      this.#on(this.#cluster.running, fault, victim => {
        const [least, most] = clogMs
        const delayMs = least + fault.random.float() * (most - least)
        return this.#during(fault, this.#cluster.network.clog(victim.peerId, delayMs))
      }),
    overload: fault => {
      const victims = this.#cluster.running.filter(() => fault.random.chance(0.5))
      const run = async (): Promise<void> => {
        const share = Math.max(0.2, fault.random.float())
        const overloads = victims.map(({ peerId }) => this.#cluster.network.overload(peerId, share))
        await this.#last(fault)
        for (const overload of overloads) overload.heal()
      }
      return { victims, run }
    },
    'step-clock': fault =>
      this.#on(this.#cluster.running, fault, ({ clock }) => {
        clock.skewMs = this.#skewMs(fault.random)
      }),
    'stop-clock': fault =>
      this.#on(this.#cluster.running, fault, async ({ clock }) => {
        clock.stand()
        await this.#last(fault)
        // Half of them jump to where they would be, as when somebody sets it right.
        clock.goOn({ jumps: fault.random.chance(0.5) })
      }),
    'full-disk': fault =>
      this.#on(
        this.#cluster.running.filter(({ disk }) => !disk.isFull),
        fault,
        async ({ disk }) => {
          disk.isFull = true
          await this.#last(fault)
          disk.isFull = false
        }
      ),
    ambush: ({ step, random }) => {
      return { victims: [], run: () => ambush(this.#cluster, random, step.durationMs) }
    },
    'lose-most': async ({ random, step }) => {
      const loss = this.greatLoss === undefined ? await this.#guards.mayLoseMost(random) : undefined
      if (loss === undefined) return undefined
      const run = (): Promise<void> => {
        this.greatLoss = loss
        for (const victim of loss.victims) this.#guards.lost(victim)
        return this.#guards.whileBereft(() => loss.happen(random, step.durationMs))
      }
      return { victims: loss.victims, run }
    },
    'remove-cut-off': fault => this.#removeCutOff(fault),
    damage: async fault => {
      const found = await this.#guards.mayDamage(fault.random)
      if (found === undefined) return undefined
      const part = fault.random.chance(0.5) ? 'head' : 'value'
      const run = async (): Promise<void> => {
        for (const position of found.positions) found.peer.disk.damage(position, part)
        if (fault.random.chance(strandedShare)) await this.#strand(found.peer, found.positions, fault)
      }
      return { victims: [found.peer], run }
    }
  }

  /** Hits one of those eligible, if there is any. */
  #on(
    eligible: readonly SimulatedPeer[],
    { random }: Fault,
    run: (victim: SimulatedPeer) => Promise<void> | void
  ): Attack | undefined {
    if (eligible.length === 0) return undefined
    const victim = random.pick(eligible)
    return { victims: [victim], run: () => run(victim) }
  }

  #join(count: number, { random }: Fault): Attack | undefined {
    if (!this.#guards.mayJoin()) return undefined
    return { victims: [], run: () => this.#addSeveral(count, random) }
  }

  async #addSeveral(count: number, random: SeededRandom): Promise<void> {
    await Promise.all(
      Array.from({ length: count }, () => this.#cluster.add({ skewMs: this.#skewMs(random) }))
    )
  }

  #killJoining(fault: Fault): Attack | undefined {
    if (!this.#guards.mayJoin()) return undefined
    const { random } = fault
    const run = async (): Promise<void> => {
      // The others are through with their part, and wait for the one that is killed.
      const starting = this.#addSeveral(1 + random.integer(mostJoins), random)
      const victim = this.#cluster.peers.at(-1)!
      const { process } = victim
      await this.#cluster.pause(joiningMs * random.float())
      // Someone else may have killed it first, who will start it again.
      if (victim.process !== process || !process.isAlive) return
      this.#cluster.kill(victim)
      await starting
      await this.#last(fault)
      await this.#cluster.restart(victim)
    }
    return { victims: [], run }
  }

  /** When its damage is about to be repaired, one of the others cannot be asked. */
  async #strand(
    { peerId, disk }: SimulatedPeer,
    positions: readonly Uint8Array[],
    { random, step }: Fault
  ): Promise<void> {
    const { time } = this.#cluster
    const endMs = time.nowMs + step.durationMs
    const pause = (ms: number): Promise<void> =>
      this.#cluster.pause(Math.max(0, Math.min(ms, endMs - time.nowMs)))
    while (time.nowMs < endMs && !positions.some(position => disk.isKnownDamaged(position)))
      await pause(1_000)
    await pause(beforeRepairMs)
    const others = this.#cluster.running.filter(peer => peer.peerId !== peerId)
    if (time.nowMs >= endMs || others.length === 0) return
    const cut = this.#cluster.network.cut([peerId], [random.pick(others).peerId])
    await pause(strandedMs)
    cut.heal()
  }

  #skewMs(random: SeededRandom): number {
    return Math.round((2 * random.float() - 1) * this.#settings.maxSkewMs)
  }

  /** Until something of this peer is on its way to the disk, but not for long. */
  async #untilItWrites({ disk }: SimulatedPeer): Promise<void> {
    const writes = new Promise<void>(resolve => (disk.onSync = resolve))
    await Promise.race([writes, this.#cluster.pause(writeMs)])
    disk.onSync = undefined
  }

  #freeze(fault: Fault): Attack | undefined {
    return this.#on(
      this.#cluster.running.filter(({ process }) => !process.isFrozen),
      fault,
      async ({ process }) => {
        // The process, not the peer: a restart begins another one, which does not stand still.
        process.freeze()
        await this.#last(fault)
        process.thaw()
      }
    )
  }

  async #loseDisk(fault: Fault): Promise<Attack | undefined> {
    if (!(await this.#guards.mayLoseDisk())) return undefined
    return this.#on(this.#cluster.running, fault, async victim => {
      this.#guards.lost(victim)
      this.#cluster.kill(victim)
      await this.#last(fault)
      // Replaced by an empty one, or what the store on it finds lost when it opens.
      if (fault.random.chance(0.5)) await this.#cluster.restartEmpty(victim)
      else {
        await victim.disk.lose()
        await this.#cluster.restart(victim)
      }
    })
  }

  async #remove(fault: Fault): Promise<Attack | undefined> {
    if (!this.#guards.maySpareOne() || !(await this.#guards.mayRemove())) return undefined
    return this.#on(this.#guards.steady(), fault, victim =>
      this.#guards.whileRemoving(victim, async () => {
        this.#cluster.kill(victim)
        const others = this.#cluster.running
        if (others.length > 0) {
          await this.#patiently(fault.random.pick(others), (core, signal) =>
            core.remove(victim.peerId, { signal })
          )
        }
        await this.#last(fault)
        await this.#cluster.restart(victim)
      })
    )
  }

  /** Behind the cut nobody may do it but who sees most of the others, and copies enough: else it waits, or is refused. */
  async #removeCutOff(fault: Fault): Promise<Attack | undefined> {
    const lacking = leastForMinority - this.#cluster.running.length
    if (lacking > 0 && lacking <= mostJoins && fault.random.chance(0.7) && this.#guards.mayJoin()) {
      await this.#addSeveral(lacking, fault.random)
      await this.#cluster.pause(joinedMs)
    }
    if (!this.#guards.maySpareOne() || !(await this.#guards.mayRemove())) return undefined
    const { random, step } = fault
    const sides = sidesOf(this.#cluster, this.#guards.steady(), random)
    if (sides === undefined) return undefined
    const { asked, victim, away } = sides
    // With one copy, giving it up loses what was acknowledged.
    const acceptLoss = sides.acceptLoss && this.#settings.replicas > 1
    const run = (): Promise<void> =>
      this.#guards.whileRemoving(victim, async () => {
        if (acceptLoss) this.#guards.lost(victim)
        const names = away.map(({ peerId }) => peerId)
        const over = this.#during(fault, this.#cluster.network.cut(names, this.#othersThan(away)))
        await heldDown(this.#cluster, sides, step.durationMs)
        const removal = this.#patiently(asked, (core, signal) =>
          core.remove(victim.peerId, { signal, acceptLoss })
        )
        await Promise.all([over, removal])
      })
    return { victims: [victim], run }
  }

  #othersThan(some: readonly SimulatedPeer[]): string[] {
    return this.#cluster.peers.filter(peer => !some.includes(peer)).map(({ peerId }) => peerId)
  }

  async #during(fault: Fault, cut: Cut): Promise<void> {
    await this.#last(fault)
    cut.heal()
  }

  #last({ step }: Fault): Promise<void> {
    return this.#cluster.pause(step.durationMs)
  }

  /** Gives up waiting for a change after a while: what holds must hold while it is under way, too. */
  async #patiently(
    peer: SimulatedPeer,
    change: (core: SimulatedPeer['core'], signal: AbortSignal) => Promise<void>
  ): Promise<void> {
    const giveUp = new AbortController()
    const timer = this.#cluster.time.after(changeMs, () => giveUp.abort())
    try {
      await Promise.race([
        this.#cluster.ask(peer, core => change(core, giveUp.signal)),
        // One that stands still does not even notice that nobody waits any more.
        new Promise<void>(resolve => giveUp.signal.addEventListener('abort', () => resolve()))
      ])
    } catch {
      // Refused, or under way still.
    } finally {
      timer.cancel()
    }
  }
}

function zeroes(): Record<FaultKind, number> {
  // Object.fromEntries forgets which keys there are.
  return Object.fromEntries(faultKinds.map(kind => [kind, 0])) as Record<FaultKind, number>
}
