/**
 * A removal that is asked for behind a cut: most of those who decide on the ring stay together, alone or with others, and
 * cannot reach the rest; when they hold those to be down, one of them is told to remove one of the rest, its copies given
 * up or not. Who sees but a minority may not do so, nor may too few copies be left that nobody gave up. Used by the nemesis.
 */
import { sameMember } from '../../../src/core/member.ts'
import type { SimulatedCluster, SimulatedPeer } from '../cluster.ts'
import type { SeededRandom } from '../random.ts'
import { membersSeenBy } from './guard-rails.ts'

/** How often those who decide stay alone: with most others there is nothing against it but the copies. */
const aloneShare = 0.7

/** How often copies are given up: then there is nothing against it but that they see too few. */
const acceptLossShare = 0.7

/** With fewer members, most of those who decide are also most of those who stay. */
export const leastForMinority = 7

/** Between two looks at whom a peer holds to be down, in virtual ms. */
const lookMs = 500

export interface Sides {
  /** One of those who stay. */
  readonly asked: SimulatedPeer
  /** One of those cut off. */
  readonly victim: SimulatedPeer
  readonly away: readonly SimulatedPeer[]
  readonly acceptLoss: boolean
}

/** Undefined where most of those who decide do not run, or nobody is left to be cut off who may be removed. */
export function sidesOf(
  { running }: Pick<SimulatedCluster, 'running'>,
  removable: readonly SimulatedPeer[],
  random: SeededRandom
): Sides | undefined {
  const acceptors = running[0]?.core.topologyNow?.acceptors ?? []
  const deciding = shuffled(
    running.filter(({ core }) => acceptors.some(each => sameMember(each, core.memberNow))),
    random
  )
  const most = Math.floor(acceptors.length / 2) + 1
  if (acceptors.length === 0 || deciding.length < most) return undefined
  const others = shuffled(
    running.filter(peer => !deciding.slice(0, most).includes(peer)),
    random
  )
  const isAlone = random.chance(aloneShare)
  const joined = isAlone || others.length === 0 ? 0 : random.integer(others.length)
  const away = others.slice(joined)
  const victims = away.filter(peer => removable.includes(peer))
  if (victims.length === 0) return undefined
  const acceptLoss = random.chance(acceptLossShare)
  return { asked: random.pick(deciding.slice(0, most)), victim: random.pick(victims), away, acceptLoss }
}

/** Resolves when one holds all of the others to be down, or after so many ms. */
export async function heldDown(
  cluster: SimulatedCluster,
  { asked, away }: Sides,
  patienceMs: number
): Promise<void> {
  const untilMs = cluster.time.nowMs + patienceMs
  const peerIds = new Set(away.map(({ peerId }) => peerId))
  const isDone = (): boolean =>
    !asked.process.isAlive ||
    membersSeenBy(asked.core).every(({ peerId, liveness }) => !peerIds.has(peerId) || liveness === 'down')
  while (!isDone() && cluster.time.nowMs < untilMs) await cluster.pause(lookMs)
}

function shuffled<T>(items: readonly T[], random: SeededRandom): T[] {
  const left = [...items]
  const order: T[] = []
  while (left.length > 0) order.push(...left.splice(random.integer(left.length), 1))
  return order
}
