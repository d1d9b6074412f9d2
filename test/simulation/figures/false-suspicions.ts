/**
 * How often a healthy peer is taken for dead because others are slow: the experiment of Lifeguard's evaluation (Dadgar,
 * Phillips and Currey 2018, section V), with all of Lifeguard and with plain SWIM. A tenth of the peers are slow: for
 * some seconds no message goes in or out of them while their timers go on, then all goes through for a moment, over
 * and over.
 */
import { lan, type LivenessConfig } from '../../../src/core/liveness/defaults.ts'
import { LivenessWorld, type WorldPeer } from './world.ts'

/**
 * SWIM with the suspicion of its section 4.2, and nothing of Lifeguard: no local health, neither from missed answers
 * nor from late timers, suspicions that all last the shortest time, and suspects that hear of it by chance.
 */
export const plainSwim: Partial<LivenessConfig> = {
  maxAwareness: 0,
  lateTimerMs: Infinity,
  suspicionMaxFactor: 1,
  confirmations: 0,
  tellAccused: false
}

/** Plain SWIM with one part of Lifeguard, as the paper tells them apart. */
export const lifeguardParts = {
  'plain SWIM': plainSwim,
  'with LHA-Probe': { ...plainSwim, maxAwareness: lan.maxAwareness, lateTimerMs: lan.lateTimerMs },
  'with LHA-Suspicion': {
    ...plainSwim,
    suspicionMaxFactor: lan.suspicionMaxFactor,
    confirmations: lan.confirmations
  },
  'with the buddy system': { ...plainSwim, tellAccused: true },
  Lifeguard: {}
} as const satisfies Record<string, Partial<LivenessConfig>>

export interface SlowInit {
  readonly seed: number
  readonly peers: number
  /** Ms for which a slow peer stands still, and for which it goes on before the next time. */
  readonly slowMs: number
  readonly wellMs: number
  /** `blocked`: messages wait while timers fire, as in the paper. `stopped`: the whole process stands still. */
  readonly how: 'blocked' | 'stopped'
  readonly config: Partial<LivenessConfig>
}

/** Times that some peer came to hold a healthy one to be down. */
export interface FalsePositives {
  /** At any peer: FP in the paper. */
  readonly all: number
  /** At healthy peers: FP-. */
  readonly atHealthy: number
}

/** Ms that the experiment lasts, as in the paper; then all are well. */
const lastsMs = 120_000

/** Ms after which what was said wrongly has been heard and refuted. */
const settleMs = 10_000

/** One in so many is slow. */
const slowShare = 10

export async function falsePositives(init: SlowInit): Promise<FalsePositives> {
  const world = new LivenessWorld(init)
  await world.time.run(settleMs)
  const slow = world.peers.filter(({ index }) => index % slowShare === 0)
  let [all, atHealthy] = [0, 0]
  world.onChange = (by, about, liveness) => {
    if (liveness !== 'down' || about % slowShare === 0) return
    all++
    if (by % slowShare !== 0) atHealthy++
  }
  const endMs = world.time.nowMs + lastsMs
  for (const peer of slow) slowDown(world, peer, init, endMs)
  await world.time.run(lastsMs + init.slowMs + settleMs)
  world.stop()
  return { all, atHealthy }
}

/** All slow peers stand still at the same time, as in the paper. */
function slowDown(world: LivenessWorld, peer: WorldPeer, init: SlowInit, endMs: number): void {
  if (world.time.nowMs >= endMs) return
  const { time } = world
  if (init.how === 'blocked') peer.block()
  else peer.freeze()
  time.after(init.slowMs, () => {
    if (init.how === 'blocked') peer.unblock()
    else peer.thaw()
    time.after(init.wellMs, () => slowDown(world, peer, init, endMs))
  })
}
