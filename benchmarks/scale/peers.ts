/** Whole peers, simulated, of one size of cluster: what they send, what they need, and how soon they know. */
import type { PeerCore } from '../../src/core/peer.ts'
import type { Request } from '../../src/wire/generated/messages.ts'
import { SimulatedCluster, type SimulatedPeer } from '../../test/simulation/cluster.ts'
import { ownProcessorMs } from '../harness/processor-time.ts'
import { usedBytes } from './memory.ts'

/** Fewer than by default: what moves records takes part in the figures, but is not what they are about. */
export const simulatedVnodes = 16

const replicas = 3

/** After so many virtual ms all of what building a cluster brought about is over: news, sessions, address records. */
const settleMs = 60_000

/** How long is listened at rest, and from a join on, in virtual ms. */
const listenedMs = 30_000

/** The longest that an operation or a join may take, in virtual ms. */
const limitMs = 120_000

const operations = 200

export interface Scale {
  readonly peers: number
  /** Bytes of pings and their answers that a peer sends in a second while nothing happens, and of reconciling. */
  readonly gossipBytes: number
  readonly reconcilingBytes: number
  /** The same of pings in the half minute that begins with a join. */
  readonly gossipBytesJoining: number
  /** Virtual ms from the first member that knows of the entry that lets one join until all do, and of the one that ends it. */
  readonly openedMs: number
  readonly closedMs: number
  /** Requests and answers on the wire. */
  readonly messagesPerGet: number
  readonly messagesPerPut: number
  /** Of one peer, what all share and the simulated network among it divided by all. */
  readonly memoryBytes: number
  /** That all of it took, of this process. */
  readonly processorMs: number
}

export interface ScaleInit {
  readonly peers: number
  readonly seed: number
  readonly signal: AbortSignal
}

export async function scaleOf({ peers, seed, signal }: ScaleInit): Promise<Scale> {
  const beganMs = ownProcessorMs()
  const before = await usedBytes()
  const cluster = new SimulatedCluster({ seed, vnodes: simulatedVnodes, replicas, disk: { syncMs: 1 } })
  const tap = new Tap(cluster)
  const goOn = async <T>(work: Promise<T>): Promise<T> => {
    const outcome = await work
    signal.throwIfAborted()
    return outcome
  }
  await goOn(cluster.grow(peers - 1))
  await goOn(cluster.time.run(settleMs))
  const epochs = new Epochs(cluster)
  // The last one joins by itself: with all there may be no room for another.
  const joining = await goOn(tap.during(() => join(cluster)))
  const [openedMs, closedMs] = epochs.spreadMs(peers - 1)
  await goOn(cluster.time.run(settleMs))
  const memoryBytes = ((await usedBytes()) - before) / peers
  const puts = await goOn(counted(cluster, tap, (core, i) => core.put(`key ${i}`, new Uint8Array(128))))
  const gets = await goOn(counted(cluster, tap, (core, i) => core.get(`key ${i}`)))
  const rest = await goOn(tap.during(() => cluster.time.run(listenedMs)))
  await cluster.stop()
  const perSecond = (bytes: number): number => (1_000 * bytes) / listenedMs / peers
  return {
    peers,
    gossipBytes: perSecond(rest.gossip.bytes),
    reconcilingBytes: perSecond(rest.reconciling.bytes),
    gossipBytesJoining: perSecond(joining.gossip.bytes),
    openedMs: openedMs ?? NaN,
    closedMs: closedMs ?? NaN,
    messagesPerGet: gets.keys.messages / operations,
    messagesPerPut: puts.keys.messages / operations,
    memoryBytes,
    processorMs: ownProcessorMs() - beganMs
  }
}

/** One more peer, and the rest of the time in which its join is listened to. */
async function join(cluster: SimulatedCluster): Promise<void> {
  const { time } = cluster
  const untilMs = time.nowMs + listenedMs
  const joiner = await time.settle(cluster.add(), limitMs)
  await cluster.ready(joiner, limitMs)
  await time.run(Math.max(0, untilMs - time.nowMs))
}

/** One operation after the other, each through another peer; a put goes on to its last replica after its answer. */
function counted(
  { time, running }: SimulatedCluster,
  tap: Tap,
  call: (core: PeerCore, index: number) => Promise<unknown>
): Promise<Traffic> {
  return tap.during(async () => {
    for (let i = 0; i < operations; i++) {
      await time.settle(call(running[(i * 7) % running.length]!.core, i), limitMs)
      await time.run(50)
    }
  })
}

const purposes = ['gossip', 'reconciling', 'keys', 'other'] as const
type Purpose = (typeof purposes)[number]
type Traffic = Readonly<Record<Purpose, { bytes: number; messages: number }>>

/** Counts what is on the wire by what it is for. */
class Tap {
  #traffic = noTraffic()

  constructor({ wiretap, network }: SimulatedCluster) {
    let bytes = 0
    // The network tells of each message first, and the wiretap of the same one at once after that.
    const { onMessage } = network
    network.onMessage = (from, to, body, kind) => {
      bytes = body.byteLength
      onMessage?.(from, to, body, kind)
    }
    wiretap.listen(({ request }) => {
      const count = this.#traffic[purposeOf(request)]
      count.bytes += bytes
      count.messages++
    })
  }

  async during(work: () => Promise<void>): Promise<Traffic> {
    const traffic = noTraffic()
    this.#traffic = traffic
    await work()
    // What comes later is nobody's.
    this.#traffic = noTraffic()
    return traffic
  }
}

function noTraffic(): Traffic {
  return Object.fromEntries(purposes.map(purpose => [purpose, { bytes: 0, messages: 0 }])) as Record<
    Purpose,
    { bytes: number; messages: number }
  >
}

function purposeOf(request: Request): Purpose {
  const { ping, pingRequest, readVersion, readRecord, writeRecord } = request
  if ((ping ?? pingRequest) !== undefined) return 'gossip'
  if ((readVersion ?? readRecord ?? writeRecord) !== undefined) return 'keys'
  const { compareNodes, listNodes, streamNodes, fetchRecords, offerVersions, pushRecords } = request
  const asked = [compareNodes, listNodes, streamNodes, fetchRecords, offerVersions, pushRecords]
  return asked.some(body => body !== undefined) ? 'reconciling' : 'other'
}

/** When each member learns of each epoch, from now on. */
class Epochs {
  readonly #knownAtMs = new Map<number, number[]>()

  constructor({ peers, time }: SimulatedCluster) {
    const note = ({ core }: SimulatedPeer): void =>
      void core.on('topology', ({ epoch }) => {
        const known = this.#knownAtMs.get(epoch) ?? []
        this.#knownAtMs.set(epoch, [...known, time.nowMs])
      })
    peers.forEach(note)
  }

  /** Of each epoch that so many learnt of, in order, from the first to the last of them. */
  spreadMs(members: number): number[] {
    return [...this.#knownAtMs]
      .filter(([, known]) => known.length === members)
      .sort(([a], [b]) => a - b)
      .map(([, known]) => Math.max(...known) - Math.min(...known))
  }
}
