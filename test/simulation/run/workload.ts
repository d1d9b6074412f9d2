/** The clients of a run: each asks one peer after the other, with pauses, for as long as the load lasts. */
import type { PeerCore } from '../../../src/core/peer.ts'
import type { SimulatedCluster, SimulatedPeer } from '../cluster.ts'
import type { SeededRandom } from '../random.ts'
import type { Answer, History } from './history.ts'
import type { SimulationSettings } from './settings.ts'

/** How long an operation may take, in ms. */
const deadlineMs = 4_000

export interface Load {
  readonly cluster: SimulatedCluster
  readonly history: History
  readonly settings: SimulationSettings
}

/** Resolves when all clients have come to an end, a while after `untilMs`. */
export async function runClients(load: Load, random: SeededRandom, untilMs: number): Promise<void> {
  const clients = Array.from({ length: load.settings.clients }, (_, number) =>
    runClient(load, random.fork(`client ${number}`), number, untilMs)
  )
  await Promise.all(clients)
}

async function runClient(load: Load, random: SeededRandom, number: number, untilMs: number): Promise<void> {
  const { cluster, history, settings } = load
  const meanPauseMs = (1_000 * settings.clients) / settings.operationsPerSecond
  for (let count = 0; cluster.time.nowMs < untilMs; count++) {
    const peer = random.pick(cluster.running)
    // Squared, so that some keys are hot and most are cold.
    const key = `key ${Math.floor(random.float() ** 2 * settings.keys)}`
    const draw = random.float()
    if (draw < settings.putShare) {
      const value = `${number}/${count}`
      const bytes = valueOf(value, random.integer(settings.maxValueBytes))
      await history.put(key, value, () => put(cluster, peer, key, bytes))
    } else if (draw < settings.putShare + settings.deleteShare) {
      await history.delete(key, () => cluster.ask(peer, core => core.delete(key, { deadline: deadlineMs })))
    } else await history.get(key, () => get(cluster, peer, key))
    await pause(cluster, -meanPauseMs * Math.log(1 - random.float()))
  }
}

/** Reads every key through every peer that runs: all must answer. */
export async function readAll({ cluster, history }: Load, keys: readonly string[]): Promise<void> {
  for (const key of keys) {
    await Promise.all(cluster.running.map(peer => history.get(key, () => get(cluster, peer, key))))
  }
}

async function put(
  cluster: SimulatedCluster,
  peer: SimulatedPeer,
  key: string,
  value: Uint8Array
): Promise<Answer> {
  const { version } = await cluster.ask(peer, core => core.put(key, value, { deadline: deadlineMs }))
  return { version }
}

async function get(cluster: SimulatedCluster, peer: SimulatedPeer, key: string): Promise<Answer> {
  const result = await cluster.ask(peer, (core: PeerCore) => core.get(key, { deadline: deadlineMs }))
  if (result === undefined) return {}
  return { value: new TextDecoder().decode(result.value).split('|', 1)[0], version: result.version }
}

/** A value that tells who put it, and is long. */
function valueOf(name: string, length: number): Uint8Array {
  return new TextEncoder().encode(`${name}|${'.'.repeat(length)}`)
}

export function pause(cluster: SimulatedCluster, ms: number): Promise<void> {
  return new Promise(resolve => cluster.time.after(ms, resolve))
}
