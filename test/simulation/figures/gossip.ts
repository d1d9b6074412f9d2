/** What the failure detector costs in bytes, at rest and under churn, and how soon all know of a death. */
import type { LivenessConfig } from '../../../src/core/liveness/defaults.ts'
import { sampled, type Sampled } from './statistics.ts'
import { LivenessWorld } from './world.ts'

/** Ms after which a new world is at rest: all have told that they are there. */
const settleMs = 15_000

/** The longest that anything waited for here may take, in ms. */
const limitMs = 300_000

/** Bytes of requests and answers that a peer sends in a second, on average, while nothing happens. */
export async function bytesAtRest(init: { readonly seed: number; readonly peers: number }): Promise<number> {
  const world = await settled(init)
  const [before, lastsMs] = [world.bytes, 20_000]
  await world.time.run(lastsMs)
  world.stop()
  return perPeerAndSecond(world, before, lastsMs)
}

/** Every so many ms a peer is killed under churn; each begins anew after as long, so there are as many returns. */
export const churnMs = 10_000

/** The same while peers die and return, one of each in every `churnMs`, whatever the cluster's size. */
export async function bytesUnderChurn(init: {
  readonly seed: number
  readonly peers: number
  readonly deaths: number
}): Promise<number> {
  const world = await settled(init)
  const before = world.bytes
  for (let death = 0; death < init.deaths; death++) {
    const index = world.random.integer(init.peers)
    world.kill(index)
    // Down everywhere by then, in all but the largest clusters.
    await world.time.run(churnMs)
    world.restart(index)
  }
  world.stop()
  return perPeerAndSecond(world, before, init.deaths * churnMs)
}

export interface Death {
  /** Ms from the death until the first other peer suspects it, until the first holds it down, until all do. */
  readonly suspectedMs: Sampled
  readonly firstDownMs: Sampled
  readonly allDownMs: Sampled
}

/** Deaths one after the other in one world; one that died comes back before the next dies. */
export async function deaths(init: {
  readonly seed: number
  readonly peers: number
  readonly samples: number
  readonly how: 'killed' | 'vanished'
  readonly config?: Partial<LivenessConfig>
}): Promise<Death> {
  const [suspected, firstDown, allDown]: [number[], number[], number[]] = [[], [], []]
  const world = await settled(init)
  for (let sample = 0; sample < init.samples; sample++) {
    const victim = world.random.integer(init.peers)
    const diedMs = world.time.nowMs
    const firstMs: { suspect?: number; down?: number } = {}
    world.onChange = (by, about, liveness) => {
      if (about === victim && by !== victim && liveness !== 'alive') firstMs[liveness] ??= world.time.nowMs
    }
    if (init.how === 'killed') world.kill(victim)
    else world.peers[victim]!.freeze()
    await world.time.until(() => world.allThink(victim, 'down'), limitMs, `all hold ${victim} down`)
    suspected.push(firstMs.suspect! - diedMs)
    firstDown.push(firstMs.down! - diedMs)
    allDown.push(world.time.nowMs - diedMs)
    world.kill(victim)
    world.restart(victim)
    await world.time.until(() => world.allThink(victim, 'alive'), limitMs, `all hold ${victim} alive`)
    await world.time.run(settleMs * (1 + world.random.float()))
  }
  world.stop()
  return { suspectedMs: sampled(suspected), firstDownMs: sampled(firstDown), allDownMs: sampled(allDown) }
}

async function settled(init: {
  readonly seed: number
  readonly peers: number
  readonly config?: Partial<LivenessConfig>
}): Promise<LivenessWorld> {
  const world = new LivenessWorld(init)
  await world.time.run(settleMs)
  return world
}

function perPeerAndSecond(world: LivenessWorld, beforeBytes: number, lastsMs: number): number {
  return (world.bytes - beforeBytes) / world.peers.length / (lastsMs / 1_000)
}
