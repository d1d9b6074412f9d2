/** One run of the simulator, from its settings to what was wrong with it. */
import { createHash } from 'node:crypto'
import type { MemberInfo } from '../../../src/api.ts'
import type { PeerCore } from '../../../src/core/peer.ts'
import { SimulatedCluster } from '../cluster.ts'
import { checkHistory, type Violation } from './checker.ts'
import { History } from './history.ts'
import { Nemesis } from './nemesis.ts'
import type { FaultKind, SimulationSettings } from './settings.ts'
import { readAll, runClients, type Load } from './workload.ts'

/** How long a cluster may take, when faults have stopped, until all is where it belongs (G7), in virtual ms. */
const convergenceMs = 180_000

/** What is on its way when all have stopped has arrived after so many virtual ms. */
const settleMs = 30_000

export interface RunResult {
  readonly settings: SimulationSettings
  readonly violations: readonly Violation[]
  readonly operations: { readonly answered: number; readonly unknown: number; readonly refused: number }
  readonly faults: Readonly<Record<FaultKind, number>>
  /** How often peers logged each message: which branches of the protocol were taken. */
  readonly branches: Readonly<Record<string, number>>
  readonly virtualMs: number
  /** Equal for equal runs: of all messages, answers, faults and of the stores at the end. */
  readonly hash: string
}

export interface Trace {
  /** Told of each event, in order. */
  readonly event: (atMs: number, what: string) => void
}

export async function simulate(settings: SimulationSettings, trace?: Trace): Promise<RunResult> {
  const { seed, replicas, vnodes, network, disk } = settings
  const hash = createHash('sha256')
  const branches: Record<string, number> = {}
  const cluster = new SimulatedCluster({
    seed,
    replicas,
    vnodes,
    network: {
      latencyMs: (_from, _to, random) => network.meanLatencyMs * (0.5 - Math.log(1 - random.float()) / 2),
      loss: network.loss
    },
    disk,
    onLog: (peer, level, message, fields) => {
      branches[message] = (branches[message] ?? 0) + 1
      trace?.event(cluster.time.nowMs, `${peer} ${level} ${message} ${JSON.stringify(fields ?? {})}`)
    }
  })
  cluster.network.onMessage = (from, to, body) => {
    hash.update(`${cluster.time.nowMs} ${from} ${to} `).update(body)
  }
  const note = (what: string): void => {
    hash.update(`${cluster.time.nowMs} ${what}`)
    trace?.event(cluster.time.nowMs, what)
  }
  const random = cluster.random.fork('run')
  const nemesis = new Nemesis(
    { cluster, random: random.fork('nemesis') },
    { settings, onFault: (kind, { index }) => note(`fault ${kind} at peer ${index}`) }
  )
  const history = new History(cluster.time)
  const load = { cluster, history, settings }

  await cluster.grow(settings.peers)
  for (const { clock } of cluster.peers)
    clock.skewMs = Math.round((2 * random.float() - 1) * settings.maxSkewMs)
  const untilMs = cluster.time.nowMs + settings.minutes * 60_000
  const clients = runClients(load, random.fork('clients'), untilMs)
  await cluster.time.settle(Promise.all([clients, nemesis.run(untilMs)]), 10 * settings.minutes * 60_000)
  nemesis.heal()

  const amiss = await converges(load)
  const unread = amiss.length === 0 ? await readsEverything(load) : []
  const violations = [...amiss, ...unread, ...checkHistory(history.operations), ...(await endsCleanly(load))]
  for (const peer of cluster.peers) note(`${peer.index} ${(await peer.disk.contents()).join()}`)
  const count = (outcome: string): number =>
    history.operations.filter(operation => operation.outcome === outcome).length
  return {
    settings,
    violations,
    operations: { answered: count('ok'), unknown: count('unknown'), refused: count('refused') },
    faults: nemesis.counts,
    branches,
    virtualMs: cluster.time.nowMs,
    hash: hash.digest('hex')
  }
}

/** Waits until all that run agree, and gives what is still amiss when that took too long. */
async function converges({ cluster }: Load): Promise<Violation[]> {
  const untilMs = cluster.time.nowMs + convergenceMs
  let amiss = whatIsAmiss(cluster)
  while (amiss !== undefined && cluster.time.nowMs < untilMs) {
    await cluster.time.run(1_000)
    amiss = whatIsAmiss(cluster)
  }
  return amiss === undefined ? [] : [{ guarantee: 'G7', ...amiss }]
}

/** What one peer does not see as it is: who is there, all of them up and alive. */
function whatIsAmiss(cluster: SimulatedCluster): { subject: string; what: string } | undefined {
  const { running } = cluster
  for (const { core, peerId } of running) {
    const members = membersSeenBy(core)
    const unwell = members.find(({ standing, liveness }) => standing !== 'up' || liveness !== 'alive')
    if (unwell !== undefined) {
      return {
        subject: peerId,
        what: `still sees ${unwell.peerId} ${unwell.standing} and ${unwell.liveness}`
      }
    }
    if (members.length !== running.length) {
      return { subject: peerId, what: `sees ${members.length} members where ${running.length} run` }
    }
  }
  return undefined
}

/** None where the peer is between two lives. */
function membersSeenBy(core: PeerCore): MemberInfo[] {
  try {
    return core.membersNow()
  } catch {
    return []
  }
}

/** Reads every key through every peer: with all replicas there, none may fail (G5), nor show anything old (G4). */
async function readsEverything(load: Load): Promise<Violation[]> {
  const first = load.history.operations.length
  await load.cluster.time.settle(readAll(load, load.history.keys), convergenceMs)
  return load.history.operations
    .slice(first)
    .filter(({ outcome }) => outcome !== 'ok')
    .map(({ key, error }) => ({
      guarantee: 'G5',
      subject: key,
      what: `with nothing amiss a get failed: ${error}`
    }))
}

/** When all have stopped, nothing is left that would ever happen (G8). */
async function endsCleanly({ cluster }: Load): Promise<Violation[]> {
  await cluster.stop()
  await cluster.time.run(settleMs)
  const { pending } = cluster.time
  return pending === 0
    ? []
    : [{ guarantee: 'G8', subject: 'timers', what: `${pending} are left when all have stopped` }]
}
