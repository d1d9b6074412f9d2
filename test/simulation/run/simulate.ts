/**
 * One run of the simulator, from its settings to what was wrong with it: found a cluster, put load and faults on
 * it, heal, wait until all is where it belongs, and judge. Used by sim.ts and its workers, by shrink.ts and by
 * the mutants; everything follows from the settings and the script, so a run can be repeated at will.
 */
import type { Topology } from '../../../src/core/topology/topology.ts'
import { SimulatedCluster } from '../cluster.ts'
import type { Message } from '../wiretap.ts'
import { SeededRandom } from '../random.ts'
import { BranchCounter, type BranchCounts } from './branches.ts'
import { checkHistory, type Guarantee, type Violation } from './checker.ts'
import { DamageRules } from './damage-rules.ts'
import { RunDigest } from './digest.ts'
import { drawFaults } from './faults.ts'
import { isClaimed } from './guarantees/claimed.ts'
import {
  checkBytes,
  checkCopies,
  checkRepairs,
  checkDurability,
  checkPlacement,
  disagreement,
  readDisks
} from './guarantees/cluster.ts'
import { checkCopiedFirst, checkReadsOfLeft, checkSurvival, judgedApart } from './guarantees/survival.ts'
import { peersAtStart } from './guard-rails.ts'
import { History, describeOperation } from './history.ts'
import { DropRules } from './drop-rules.ts'
import { LogRules } from './log-rules.ts'
import { MovementRules, type MovementCounts } from './movement-rules.ts'
import { Nemesis } from './nemesis.ts'
import { ProcessWatch } from './process-watch.ts'
import { PurgeRules } from './purge-rules.ts'
import { Quiet } from './quiet.ts'
import { RemovalRules } from './removal-rules.ts'
import type { Script } from './script.ts'
import type { FaultKind, SimulationSettings } from './settings.ts'
import { StampRules } from './stamp-rules.ts'
import { TakeRules } from './take-rules.ts'
import { Watch, type Availability } from './watch.ts'
import { drawOperations, Workload } from './workload.ts'

/** How often a run that is to stop at its first violation is judged, in virtual ms. */
const judgeEveryMs = 30_000

/** How long a cluster may take until all is where it belongs when the faults have stopped (G7), in virtual ms. */
const convergenceMs = 60_000

/**
 * How much longer where a record is damaged still, in virtual ms: all is read within some 75 s, which may be what finds
 * it; what is found is looked for every half a minute, and repaired when the longest deadline of a put has passed.
 */
const repairMs = 200_000

/** Bytes a second at which records are taken to move at the least: they get this much more time (G7). */
const leastBandwidth = 1024 * 1024

/** How long load and faults may go on beyond their time, in virtual ms: the longest faults, and what waits for them. */
const overtimeMs = 30 * 60_000

/** What is on its way when all have stopped has arrived after so many virtual ms. */
const settleMs = 600_000

/** Keys whose place is compared at the end. */
const sampleKeys = 20

export interface RunResult {
  readonly settings: SimulationSettings
  readonly violations: readonly Violation[]
  readonly operations: { readonly answered: number; readonly unknown: number; readonly refused: number }
  readonly availability: Availability
  readonly movement: MovementCounts
  readonly faults: Readonly<Record<FaultKind, number>>
  /** Faults that were drawn and could not happen at their moment. */
  readonly skipped: Readonly<Record<FaultKind, number>>
  readonly branches: BranchCounts
  readonly network: { readonly messages: number; readonly bytes: number }
  readonly disk: Readonly<Record<string, number>>
  readonly virtualMs: number
  /** Equal for equal runs: of all messages, answers, faults and of the stores at the end. */
  readonly hash: string
}

export interface Trace {
  /** Told of each event, in order. */
  readonly event: (atMs: number, what: string) => void
  /** Told of each message, which are many. */
  readonly message?: (
    atMs: number,
    from: string,
    to: string,
    body: Uint8Array,
    kind: 'request' | 'answer'
  ) => void
}

export interface SimulateOptions {
  /** What is done, in place of what is drawn from the settings. */
  readonly script?: Script | undefined
  readonly trace?: Trace | undefined
  /**
   * Judges every so often and ends the run at once where something is wrong; with a list, where it is wrong
   * with one of these guarantees.
   */
  readonly stopAtFirst?: boolean | readonly Guarantee[] | undefined
}

/** What a run's settings draw: each from a stream of its own, so that one does not shift the other. */
export function scriptOf(settings: SimulationSettings): Script {
  const stream = (name: string): SeededRandom => new SeededRandom(settings.seed).fork(name)
  return {
    faults: drawFaults(settings, stream('faults')),
    operations: drawOperations(settings, stream('operations'))
  }
}

export function simulate(settings: SimulationSettings, options: SimulateOptions = {}): Promise<RunResult> {
  return new Run(settings, options).go()
}

class Run {
  readonly #settings: SimulationSettings
  readonly #options: SimulateOptions
  readonly #script: Script
  readonly #digest = new RunDigest()
  readonly #branches = new BranchCounter()
  readonly #cluster: SimulatedCluster
  readonly #history: History
  readonly #watch: Watch
  readonly #nemesis: Nemesis
  readonly #workload: Workload
  readonly #process = new ProcessWatch()
  readonly #logRules = new LogRules()
  readonly #stampRules = new StampRules()
  readonly #removalRules = new RemovalRules()
  readonly #takeRules = new TakeRules({ topologyAt: epoch => this.#logRules.topologyAt(epoch) })
  readonly #movementRules: MovementRules
  readonly #dropRules: DropRules
  readonly #purgeRules: PurgeRules
  readonly #damageRules: DamageRules
  readonly #quiet: Quiet
  /** What was found besides what the history shows. */
  readonly #found: Violation[] = []

  constructor(settings: SimulationSettings, options: SimulateOptions) {
    this.#settings = settings
    this.#options = options
    this.#script = options.script ?? scriptOf(settings)
    this.#cluster = this.#makeCluster()
    const cluster = this.#cluster
    this.#quiet = new Quiet(cluster.time, settings)
    const topologyAt = (epoch: number): Topology | undefined => this.#logRules.topologyAt(epoch)
    this.#movementRules = new MovementRules(
      { time: cluster.time, peers: cluster.peers, topologyAt },
      { quietSinceMs: () => this.#quiet.sinceMs }
    )
    this.#dropRules = new DropRules(cluster)
    cluster.onDrop = (peerId, dropped) => this.#dropRules.drops(peerId, dropped)
    this.#purgeRules = new PurgeRules({ peers: cluster.peers, topologyAt })
    cluster.onKeep = (peerId, records) => this.#purgeRules.keeps(peerId, records)
    this.#damageRules = new DamageRules(cluster)
    cluster.onRepair = (peerId, position) => this.#damageRules.repairs(peerId, position)
    this.#logRules.onTopology = topology => {
      this.#movementRules.moved(topology)
      this.#takeRules.moved(topology)
      this.#purgeRules.moved(topology)
    }
    cluster.wiretap.listen(message => {
      for (const rules of this.#rules) rules.saw(message)
    })
    this.#history = new History(cluster.time)
    this.#watch = new Watch({ cluster }, { settings })
    this.#nemesis = new Nemesis(
      { cluster },
      {
        settings,
        onFault: (kind, phase, victims) => {
          this.#quiet.fault(kind, phase)
          this.#note(`fault ${kind} ${phase} ${victims.map(({ index }) => `peer ${index}`).join(', ')}`)
        }
      }
    )
    this.#workload = new Workload(
      { cluster, history: this.#history },
      {
        onCall: ({ client }) => this.#watch.began(client),
        onEnd: ({ client }, operation) => {
          this.#watch.ended(client, operation)
          this.#branches.ended(operation)
          this.#note(describeOperation(operation))
        }
      }
    )
  }

  /** What listens to messages; the log first, as the others ask it. */
  get #rules(): ReadonlyArray<{ saw(message: Message): void; readonly violations: readonly Violation[] }> {
    return [
      this.#logRules,
      this.#stampRules,
      this.#movementRules,
      this.#takeRules,
      this.#removalRules,
      this.#purgeRules,
      this.#damageRules
    ]
  }

  async go(): Promise<RunResult> {
    try {
      await this.#act()
    } catch (error) {
      this.#complain(
        'crash',
        'the run',
        error instanceof Error ? (error.stack ?? error.message) : String(error)
      )
    }
    this.#watch.stop()
    this.#found.push(...this.#process.stop())
    return this.#result()
  }

  /** All of the run; returns early where it is to stop at what is wrong already. */
  async #act(): Promise<void> {
    const { time } = this.#cluster
    await this.#foundCluster()
    if (!(await this.#putUnderLoad())) return
    this.#nemesis.heal()
    this.#cluster.network.loss = 0
    this.#note('all faults are healed')
    const isWhole = await this.#converges()
    if (isWhole) await this.#judgeWhole()
    if (this.#isOver()) return
    await this.#workload.close()
    // It lets time pass by itself. Were this to do so as well, chance would say which of the two goes on first.
    await this.#cluster.stop()
    this.#watch.stop()
    for (const { process, index } of this.#cluster.peers) {
      const { size } = process.timers
      if (size > 0) this.#complain('G8', `peer ${index}`, `${size} timers of its are set after its stop`)
    }
    await time.run(settleMs)
    if (time.pending > 0)
      this.#complain('G8', 'timers', `${time.pending} timers are left when all peers have stopped`)
    await this.#hashDisks()
  }

  async #foundCluster(): Promise<void> {
    const { peers, maxSkewMs } = this.#settings
    await this.#cluster.grow(peersAtStart(peers, this.#script.faults))
    const random = this.#cluster.random.fork('skews')
    for (const { clock } of this.#cluster.peers)
      clock.skewMs = Math.round((2 * random.float() - 1) * maxSkewMs)
    await this.#workload.prepare(this.#script.operations)
    const damages = this.#script.faults.some(({ kind }) => kind === 'damage')
    if (damages) await this.#cluster.time.settle(this.#workload.fill(), overtimeMs)
  }

  /** False where the run is over. */
  async #putUnderLoad(): Promise<boolean> {
    const { time } = this.#cluster
    const startMs = time.nowMs
    this.#watch.start()
    const load = Promise.all([
      this.#workload.run(this.#script.operations, startMs),
      this.#nemesis.run(this.#script.faults, startMs)
    ])
    const end = { isReached: false }
    const reach = (): void => void (end.isReached = true)
    load.then(reach, reach)
    const limitMs = startMs + this.#settings.minutes * 60_000 + overtimeMs
    while (!end.isReached) {
      const untilMs = time.nowMs + judgeEveryMs
      const leftMs = Math.max(0, limitMs - time.nowMs)
      await time.until(() => end.isReached || time.nowMs >= untilMs, leftMs, 'the end of load and faults')
      if (this.#isOver()) return false
    }
    await load
    return true
  }

  /** Whether the run is to stop here, for what is wrong already. */
  #isOver(): boolean {
    const { stopAtFirst } = this.#options
    if (stopAtFirst === undefined || stopAtFirst === false) return false
    const violations = this.#violations()
    if (stopAtFirst === true) return violations.length > 0
    return violations.some(({ guarantee }) => stopAtFirst.includes(guarantee))
  }

  /** Waits until all that run agree and, where that is claimed, hold what they should (G7). */
  async #converges(): Promise<boolean> {
    const { time, network, running } = this.#cluster
    const bytes = running.reduce((sum, { disk }) => sum + disk.records, 0) * this.#settings.maxValueBytes
    const isDamaged = running.some(({ disk }) => disk.damaged > 0)
    const limitMs = convergenceMs + (isDamaged ? repairMs : 0) + (1_000 * bytes) / leastBandwidth
    const untilMs = time.nowMs + limitMs
    let amiss = await this.#whatIsAmiss()
    while (amiss.length > 0 && time.nowMs < untilMs) {
      await time.run(1_000)
      amiss = await this.#whatIsAmiss()
    }
    this.#note(`converged: ${amiss.length === 0}, messages ${network.messages}`)
    this.#found.push(...amiss)
    return amiss.length === 0
  }

  async #whatIsAmiss(): Promise<Violation[]> {
    const between = disagreement(this.#cluster)
    if (between !== undefined) return [between]
    const copies = isClaimed('copies') ? checkCopies(await readDisks(this.#cluster)) : []
    return [...copies, ...checkRepairs(this.#cluster)]
  }

  /** What holds in a cluster that is whole again; before reads at the end could mend anything. */
  async #judgeWhole(): Promise<void> {
    const disks = await readDisks(this.#cluster)
    const { keys } = this.#history
    const { ended } = this.#history
    const { greatLoss } = this.#nemesis
    this.#found.push(...checkDurability(disks, judgedApart(ended, greatLoss).at(-1)!))
    this.#found.push(...checkSurvival(disks, ended, greatLoss))
    if (isClaimed('copies')) this.#found.push(...(await checkBytes(this.#cluster)))
    this.#found.push(...(await checkPlacement(this.#cluster, keys.slice(0, sampleKeys))))
    const reads = await this.#cluster.time.settle(this.#workload.readAll(keys), overtimeMs)
    for (const read of reads) {
      if (read.outcome === 'ok') continue
      this.#complain('G5', read.key, `with nothing amiss a get failed: ${describeOperation(read)}`)
    }
  }

  #violations(): Violation[] {
    const seen = [
      ...this.#found,
      ...[...this.#rules, this.#dropRules].flatMap(({ violations }) => violations),
      ...this.#watch.violations
    ]
    const { greatLoss } = this.#nemesis
    const operations = this.#history.soFar()
    const apart = judgedApart(operations, greatLoss).flatMap(each => checkHistory(each))
    const left = [...checkCopiedFirst(greatLoss), ...checkReadsOfLeft(operations, greatLoss)]
    const all = [...seen, ...apart, ...left]
    return all.filter(({ guarantee }) => isClaimed(guarantee))
  }

  #result(): RunResult {
    const { cluster, history } = { cluster: this.#cluster, history: this.#history }
    this.#branches.count('an operation began with both rings in force', this.#watch.duringTransitions)
    const disk: Record<string, number> = {}
    for (const peer of cluster.peers) {
      for (const [name, count] of Object.entries(peer.disk.counts)) disk[name] = (disk[name] ?? 0) + count
    }
    const { messages, bytes } = cluster.network
    return {
      settings: this.#settings,
      violations: this.#violations(),
      operations: {
        answered: history.count('ok'),
        unknown: history.count('unknown'),
        refused: history.count('refused')
      },
      availability: this.#watch.availability,
      movement: this.#movementRules.counts,
      faults: this.#nemesis.counts,
      skipped: this.#nemesis.skipped,
      branches: this.#branches.counts,
      network: { messages, bytes },
      disk,
      virtualMs: cluster.time.nowMs,
      hash: this.#digest.hex()
    }
  }

  async #hashDisks(): Promise<void> {
    for (const peer of this.#cluster.peers) {
      this.#digest.note(`${peer.index} ${(await peer.disk.contents()).join()}`)
    }
  }

  #complain(guarantee: Guarantee, subject: string, what: string): void {
    this.#found.push({ guarantee, subject, what })
  }

  /** What happened, for the trace, and into the hash. */
  #note(what: string): void {
    const { nowMs } = this.#cluster.time
    this.#digest.note(`${nowMs} ${what}`)
    this.#options.trace?.event(nowMs, what)
  }

  /** By the name that it logs under. */
  #proposes(who: string): void {
    const peer = this.#cluster.peers.find(({ peerId }) => who === `peer ${peerId.slice(-4)}`)
    if (peer !== undefined) this.#removalRules.proposes(peer)
  }

  #makeCluster(): SimulatedCluster {
    const { seed, replicas, vnodes, network, disk, maxDriftPpm, tombstoneGraceMs } = this.#settings
    const { trace } = this.#options
    const cluster: SimulatedCluster = new SimulatedCluster({
      seed,
      replicas,
      vnodes,
      network,
      disk,
      maxDriftPpm,
      tombstoneGraceMs,
      onLog: (who, level, message, fields) => {
        this.#branches.logged(message, fields)
        if (message === 'proposes a log entry') this.#proposes(who)
        if (level === 'error' && !expectedErrors.has(message))
          this.#complain('crash', who, `${who} logged an error: ${message} ${JSON.stringify(fields)}`)
        trace?.event(cluster.time.nowMs, `${who} ${level} ${message} ${JSON.stringify(fields ?? {})}`)
      }
    })
    cluster.network.onMessage = (from, to, body, kind) => {
      this.#digest.message(`${cluster.time.nowMs} ${from} ${to} ${kind}`, body)
      this.#branches.sent(body, kind)
      trace?.message?.(cluster.time.nowMs, from, to, body, kind)
    }
    return cluster
  }
}

/** What peers log as errors because a fault did it. */
const expectedErrors: ReadonlySet<string> = new Set(['the disk failed at a request'])
