/**
 * A fault that waits for its moment: the next message of a kind that was drawn. Then it strikes who sent it, who
 * got it, both, or now and then everybody, within a drawn time that is often no longer than a disk takes to sync. What depends on two
 * things happening within milliseconds comes about by this once in a few runs, instead of once in a million.
 */
import type { SimulatedCluster, SimulatedPeer } from '../cluster.ts'
import type { SeededRandom } from '../random.ts'
import type { Message, RequestKind } from '../wiretap.ts'

/** The steps of the protocol in the middle of which a peer may be hit. */
const moments: readonly RequestKind[] = [
  'prepare',
  'accept',
  'accept',
  'accept',
  'learn',
  'learn',
  'report',
  'report',
  'compareNodes',
  'readVersion',
  'writeRecord',
  'writeRecord',
  'writeRecord'
]

/** Whoever gets or sends the message is hit within so many ms: at once, within a sync, or some time after. */
const delaysMs = [0, 1, 5, 50, 200] as const

/** How long one that was killed stays so, and one that was cut off: most often others go on meanwhile. */
const killedMs = [0, 20, 500, 5_000] as const
const cutOffMs = [500, 5_000, 15_000] as const

/** How often it is not one or two that are hit, but the power that fails for all. */
const powerFailureShare = 0.15

/** Lies in wait for `patienceMs`; resolves when the fault, if it came to one, is over. */
export async function ambush(
  cluster: SimulatedCluster,
  random: SeededRandom,
  patienceMs: number
): Promise<void> {
  const kind = random.pick(moments)
  const isAnswer = random.chance(0.5)
  const message = await nextMessage(cluster, patienceMs, ({ request, answer }) => {
    return request[kind] !== undefined && (answer !== undefined) === isAnswer
  })
  if (message === undefined) return
  const { running } = cluster
  const asker = running.find(({ peerId }) => peerId === message.from)
  const asked = running.find(({ peerId }) => peerId === message.to.peerId)
  if (random.chance(powerFailureShare)) return failPower(cluster, random)
  const blows: Array<Promise<void>> = []
  if (asked !== undefined && random.chance(0.6)) blows.push(killShortly(cluster, random, asked))
  if (random.chance(0.6)) {
    const isKilled = asker !== undefined && random.chance(0.5)
    // A client is no peer, but can be cut off as well.
    blows.push(isKilled ? killShortly(cluster, random, asker) : cutOff(cluster, random, message.from))
  }
  await Promise.all(blows)
}

function nextMessage(
  cluster: SimulatedCluster,
  patienceMs: number,
  isIt: (message: Message) => boolean
): Promise<Message | undefined> {
  return new Promise(resolve => {
    const stop = cluster.wiretap.listen(message => {
      if (isIt(message)) finish(message)
    })
    const timer = cluster.time.after(patienceMs, () => finish(undefined))
    const finish = (message: Message | undefined): void => {
      stop()
      timer.cancel()
      resolve(message)
    }
  })
}

/** What is under way is lost everywhere, but for what is on disk. */
async function failPower(cluster: SimulatedCluster, random: SeededRandom): Promise<void> {
  await cluster.pause(random.pick(delaysMs) * random.float())
  const { running } = cluster
  for (const peer of running) cluster.kill(peer)
  await Promise.all(running.map(peer => cluster.restart(peer)))
}

async function killShortly(
  cluster: SimulatedCluster,
  random: SeededRandom,
  victim: SimulatedPeer
): Promise<void> {
  const { process } = victim
  const deadMs = random.pick(killedMs) * random.float()
  await cluster.pause(random.pick(delaysMs) * random.float())
  // Someone else may have killed it meanwhile, who will start it again.
  if (!process.isAlive || victim.hasLeft) return
  cluster.kill(victim)
  await cluster.pause(deadMs)
  await cluster.restart(victim)
}

async function cutOff(cluster: SimulatedCluster, random: SeededRandom, peerId: string): Promise<void> {
  const others = cluster.peers.map(peer => peer.peerId).filter(other => other !== peerId)
  const cut = cluster.network.cut([peerId], others)
  await cluster.pause(random.pick(cutOffMs) * random.float())
  cut.heal()
}
