/**
 * Whole clusters under load while peers are killed, return, lose their disks, join, leave and are cut off, and
 * clocks disagree: what the clients saw must be linearizable, and afterwards everything is where it belongs.
 */
import { describe, expect, it } from 'vitest'
import { SimulatedCluster, type SimulatedPeer } from './cluster.ts'
import { History } from './history.ts'
import type { SeededRandom } from './random.ts'

const seeds = (process.env['SIM_SEEDS'] ?? '1,2,3,4,5,6,7,8').split(',').map(Number)

/** How long clients and faults go on, in virtual ms. */
const chaosMs = 120_000

describe('a cluster under load and faults (G4, G7)', () => {
  it.each(seeds)('is linearizable, and whole again when the faults stop (seed %i)', async seed => {
    const cluster = await SimulatedCluster.of(5, { seed, network: { loss: 0.001 }, disk: { syncMs: 1 } })
    const history = new History(cluster.time)
    const untilMs = cluster.time.nowMs + chaosMs
    const random = cluster.random.fork('scenario')
    for (const peer of cluster.peers) peer.clock.skewMs = random.integer(60_000) - 30_000
    const clients = Array.from({ length: 4 }, (_, i) =>
      runClient(cluster, history, random.fork(`client ${i}`), i, untilMs)
    )
    const faults = runFaults(cluster, random.fork('faults'), untilMs)
    await cluster.time.settle(Promise.all([...clients, faults]), 10 * chaosMs)

    expect(history.violations()).toEqual([])
    expect(history.answered).toBeGreaterThan(200)
    await settleDown(cluster)
    const last = new History(cluster.time)
    for (const key of history.keys) {
      for (const { core } of cluster.running) {
        await cluster.time.settle(last.read(key, () => textOf(core.get(key))))
      }
    }
    expect(last.failed).toBe(0)
    const byMs = cluster.time.nowMs + 90_000
    while (!(await isConverged(cluster)) && cluster.time.nowMs < byMs) await cluster.time.run(1_000)
    expect(await isConverged(cluster)).toBe(true)
    await cluster.stop()
  })
})

async function runClient(
  cluster: SimulatedCluster,
  history: History,
  random: SeededRandom,
  number: number,
  untilMs: number
): Promise<void> {
  for (let i = 0; cluster.time.nowMs < untilMs; i++) {
    const peer = random.pick(cluster.running)
    const key = `key ${random.integer(12)}`
    const options = { deadline: 3_000 }
    const draw = random.float()
    if (draw < 0.5) await history.read(key, () => textOf(cluster.ask(peer, core => core.get(key, options))))
    else if (draw < 0.9) {
      const value = `${number}/${i}`
      await history.write(key, value, () =>
        cluster.ask(peer, core => core.put(key, new TextEncoder().encode(value), options))
      )
    } else await history.write(key, undefined, () => cluster.ask(peer, core => core.delete(key, options)))
    await pause(cluster, random.float() * 2_000)
  }
}

/** One fault after the other, at most two peers away at a time, so that the log can always go on. */
async function runFaults(cluster: SimulatedCluster, random: SeededRandom, untilMs: number): Promise<void> {
  while (cluster.time.nowMs < untilMs) {
    await pause(cluster, 2_000 + random.float() * 8_000)
    const victim = random.pick(cluster.running)
    switch (random.integer(6)) {
      case 0:
        cluster.kill(victim)
        await pause(cluster, random.float() * 15_000)
        await cluster.restart(victim)
        break
      case 1:
        cluster.kill(victim)
        await cluster.restartEmpty(victim)
        // One disk at a time may be lost: the next one only when this one's records are replicated anew.
        await cluster.ask(victim, core => core.ready())
        break
      case 2:
        if (cluster.peers.length < 9) await cluster.add({ skewMs: random.integer(60_000) - 30_000 })
        break
      case 3:
        if (cluster.running.length > 4) await leave(cluster, victim)
        break
      case 4:
        cluster.network.cut([victim.peerId], others(cluster, victim), { oneWay: random.chance(0.3) })
        await pause(cluster, random.float() * 20_000)
        cluster.network.heal()
        break
      default:
        cluster.freeze(victim)
        await pause(cluster, random.float() * 20_000)
        cluster.thaw(victim)
    }
  }
}

/** Asks a peer to leave, and waits for it or for long enough. */
async function leave(cluster: SimulatedCluster, peer: SimulatedPeer): Promise<void> {
  const giveUp = new AbortController()
  const timer = cluster.time.after(30_000, () => giveUp.abort())
  try {
    await cluster.ask(peer, core => core.leave(peer.peerId, { signal: giveUp.signal }))
  } catch {
    // It leaves later, or not: what holds then must hold as well.
  } finally {
    timer.cancel()
  }
}

async function settleDown(cluster: SimulatedCluster): Promise<void> {
  cluster.network.heal()
  cluster.network.loss = 0
  await cluster.time.until(
    () => cluster.running.every(peer => seesAllWell(cluster, peer)),
    180_000,
    'all are up'
  )
}

/** Whether a peer sees all that run, and no others, up and alive. */
function seesAllWell(cluster: SimulatedCluster, { core }: SimulatedPeer): boolean {
  if (!isServing(core)) return false
  const members = core.membersNow()
  const isWell = members.every(({ standing, liveness }) => standing === 'up' && liveness === 'alive')
  return isWell && members.length === cluster.running.length
}

function isServing(core: SimulatedPeer['core']): boolean {
  try {
    return core.membersNow().length > 0
  } catch {
    return false
  }
}

/** All stores together hold each record, in one version, on exactly its replicas. */
async function isConverged(cluster: SimulatedCluster): Promise<boolean> {
  const contents = await Promise.all(cluster.running.map(({ disk }) => disk.contents()))
  const replicas = Math.min(3, cluster.running.length)
  return contents.flat().length === replicas * new Set(contents.flat()).size
}

function others(cluster: SimulatedCluster, peer: SimulatedPeer): string[] {
  return cluster.peers.filter(other => other !== peer).map(({ peerId }) => peerId)
}

function pause(cluster: SimulatedCluster, ms: number): Promise<void> {
  return new Promise(resolve => cluster.time.after(ms, resolve))
}

async function textOf(got: ReturnType<SimulatedPeer['core']['get']>): Promise<string | undefined> {
  const result = await got
  return result === undefined ? undefined : new TextDecoder().decode(result.value)
}
