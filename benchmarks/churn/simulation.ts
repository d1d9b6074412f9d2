/** One run of the sweep in the simulator. */
import { Chronicle } from '../../src/cli/churn/chronicle.ts'
import { drawsFrom, type Draws } from '../../src/cli/churn/draws.ts'
import { drawSchedule } from '../../src/cli/churn/schedule.ts'
import type { ChurnEvent } from '../../src/cli/churn/trace.ts'
import { judge } from '../../src/judge/judge.ts'
import type { Operation, Violation } from '../../src/judge/operation.ts'
import { failureOf } from '../../src/judge/outcome.ts'
import type { PeerCore } from '../../src/core/peer.ts'
import { SimulatedCluster, type SimulatedPeer } from '../../test/simulation/cluster.ts'
import { disagreement } from '../../test/simulation/run/guarantees/cluster.ts'

const keyCount = 200

/** Until who is brought back in the end is whole again, in virtual ms at the most; and how often that is looked at. */
const healMs = 180_000
const lookEveryMs = 10_000

/** Of one operation, in virtual ms. */
const deadlineMs = 10_000

export interface SimulatedChurnInit {
  readonly seed: number
  readonly peers: number
  readonly medianMs: number
  readonly durationMs: number
  readonly removeAfterMs: number
  readonly returnShare: number
  /** Operations in a second. */
  readonly rate: number
}

export interface SimulatedKind {
  readonly called: number
  readonly failed: number
  /** Of those, those of keys whose replicas lacked a quorum meanwhile, by the record of who was up. */
  readonly lackedQuorum: number
}

export interface SimulatedChurn {
  readonly events: number
  readonly gets: SimulatedKind
  readonly puts: SimulatedKind
  readonly wrong: readonly Violation[]
  readonly keys: number
  readonly readBack: number
  readonly epochs: number
}

export async function churnInSimulator(init: SimulatedChurnInit): Promise<SimulatedChurn> {
  const run = new Run(init)
  await run.begin()
  await run.churn()
  return run.end()
}

class Run {
  readonly #init: SimulatedChurnInit
  readonly #cluster: SimulatedCluster
  readonly #chronicle = new Chronicle()
  readonly #operations: Operation[] = []
  readonly #peers = new Map<string, SimulatedPeer>()
  readonly #draws: Draws
  #puts = 0
  #events = 0
  #loadFromMs = 0

  constructor(init: SimulatedChurnInit) {
    this.#init = init
    this.#draws = drawsFrom(init.seed + 1)
    this.#cluster = new SimulatedCluster({ seed: init.seed, vnodes: 16, replicas: 3 })
  }

  async begin(): Promise<void> {
    const { peers } = this.#cluster
    await this.#cluster.grow(this.#init.peers, { removeAfterMs: this.#init.removeAfterMs })
    for (const [i, peer] of peers.entries()) {
      this.#peers.set(String(i + 1), peer)
      this.#watch(peer)
    }
    await this.#forEachKey(key => this.#put(key))
    this.#loadFromMs = this.#cluster.time.nowMs
  }

  async churn(): Promise<void> {
    const { durationMs, rate } = this.#init
    const schedule = drawSchedule({ ...this.#init, leaveShare: 0.5, awayMs: 20_000 }).filter(
      ({ atMs }) => atMs > 0
    )
    this.#events = schedule.length
    for (const event of schedule) this.#cluster.time.after(event.atMs, () => void this.#carryOut(event))
    for (let atMs = 0; atMs < durationMs; atMs += this.#draws.exponential(1_000 / rate)) {
      const key = `key ${this.#draws.integer(keyCount)}`
      const isGet = this.#draws.float() < 0.7
      this.#cluster.time.after(atMs, () => void (isGet ? this.#get(key) : this.#put(key)))
    }
    await this.#cluster.time.run(durationMs + deadlineMs)
  }

  /** Brings back who is still a member, and reads all back. */
  async end(): Promise<SimulatedChurn> {
    const loaded = this.#operations.filter(({ calledAt }) => calledAt >= this.#loadFromMs)
    const members = new Set(this.#chronicle.topology?.current.map(({ peerId }) => peerId))
    for (const [name, peer] of this.#peers) {
      if (!peer.process.isAlive && members.has(peer.peerId))
        await this.#cluster.time.settle(this.#return(name), healMs)
    }
    await this.#heal()
    const before = this.#operations.length
    await this.#forEachKey(key => this.#get(key))
    const read = this.#operations
      .slice(before)
      .filter(({ outcome, value }) => outcome === 'ok' && value !== undefined)
    await this.#cluster.stop()
    return {
      events: this.#events,
      gets: this.#kind(loaded, 'get'),
      puts: this.#kind(loaded, 'put'),
      wrong: judge(this.#operations),
      keys: keyCount,
      readBack: read.length,
      epochs: this.#chronicle.topology?.epoch ?? 0
    }
  }

  /** Lets time pass until all agree on who is there, each of them up and alive, and no transition is open. */
  async #heal(): Promise<void> {
    const { time } = this.#cluster
    const untilMs = time.nowMs + healMs
    do await time.run(lookEveryMs)
    while (time.nowMs < untilMs && disagreement(this.#cluster) !== undefined)
  }

  #kind(loaded: readonly Operation[], kind: Operation['kind']): SimulatedKind {
    const called = loaded.filter(operation => operation.kind === kind)
    const failed = called.filter(({ outcome }) => outcome !== 'ok')
    const lacking = failed.filter(({ key, calledAt, endedAt }) =>
      this.#chronicle.lackedQuorum(key, calledAt, endedAt)
    )
    return { called: called.length, failed: failed.length, lackedQuorum: lacking.length }
  }

  async #carryOut({ kind, peer: name }: ChurnEvent): Promise<void> {
    const peer = this.#peers.get(name)
    if (kind === 'join') {
      const joined = await this.#add()
      this.#peers.set(name, joined)
      this.#watch(joined)
    } else if (kind === 'return') await this.#return(name)
    else if (peer === undefined) return
    else if (kind === 'kill') this.#kill(peer)
    else await this.#leave(peer)
  }

  #add(): Promise<SimulatedPeer> {
    return this.#cluster.add({ removeAfterMs: this.#init.removeAfterMs })
  }

  async #leave(peer: SimulatedPeer): Promise<void> {
    const { core } = peer
    // Killed meanwhile, or asked while it was still joining: then it stays what it is.
    await this.#cluster.ask(peer, asked => asked.leave()).catch(() => undefined)
    if (peer.core === core && peer.hasLeft) this.#kill(peer)
  }

  async #return(name: string): Promise<void> {
    const peer = this.#peers.get(name)
    if (peer === undefined || (peer.process.isAlive && !peer.hasLeft)) return
    peer.hasLeft = false
    await this.#cluster.restart(peer, { removeAfterMs: this.#init.removeAfterMs })
    this.#watch(peer)
  }

  #kill(peer: SimulatedPeer): void {
    this.#cluster.kill(peer)
    this.#chronicle.ended(peer.peerId, this.#cluster.time.nowMs)
  }

  #watch(peer: SimulatedPeer): void {
    const { core, peerId, process } = peer
    this.#chronicle.began(peerId, this.#cluster.time.nowMs)
    const tell = (): void => {
      if (process.isAlive) this.#tell(peerId, core)
    }
    core.on('topology', tell)
    tell()
  }

  #tell(peerId: string, core: PeerCore): void {
    const { topologyNow: state } = core
    if (state === undefined) return
    const atMs = this.#cluster.time.nowMs
    this.#chronicle.heard(peerId, { event: 'topology', state, life: core.memberNow.life }, { atMs, pace: 1 })
  }

  async #forEachKey(work: (key: string) => Promise<void>): Promise<void> {
    for (let i = 0; i < keyCount; i++) await this.#cluster.time.settle(work(`key ${i}`), 2 * deadlineMs)
  }

  #get(key: string): Promise<void> {
    return this.#record('get', key, undefined, async core => {
      const found = await core.get(key, { deadline: deadlineMs })
      return { value: found && new TextDecoder().decode(found.value), version: found?.version }
    })
  }

  #put(key: string): Promise<void> {
    const value = `value ${this.#puts++}`
    return this.#record('put', key, value, async core => {
      const { version } = await core.put(key, new TextEncoder().encode(value), { deadline: deadlineMs })
      return { value, version }
    })
  }

  /** Through one of those that are members and run. */
  async #record(
    kind: 'get' | 'put',
    key: string,
    put: string | undefined,
    ask: (core: PeerCore) => Promise<Pick<Operation, 'value' | 'version'>>
  ): Promise<void> {
    const { time } = this.#cluster
    const up = this.#cluster.running.filter(
      ({ core }) => core.topologyNow?.member(core.memberNow)?.standing === 'up'
    )
    const peer = up[this.#draws.integer(up.length)]
    if (peer === undefined) return
    const call = {
      kind,
      key,
      expiresAt: undefined,
      judgedAt: undefined,
      calledAt: time.nowMs,
      asked: `peer ${peer.index}`
    }
    const settled = await this.#cluster.ask(peer, ask).then(
      answer =>
        ({ ...answer, outcome: 'ok', errorCode: undefined, error: undefined, isHonest: true }) as const,
      (error: unknown) => ({ value: put, version: undefined, ...failureOf(error, kind) })
    )
    // What the process that was asked died of is no answer of it.
    const isHonest = settled.isHonest || !peer.process.isAlive || settled.errorCode === 'ERR_STOPPED'
    this.#operations.push({ ...call, ...settled, isHonest, endedAt: time.nowMs })
  }
}
