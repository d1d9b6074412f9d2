/**
 * What a change of the ring sends, held against the least that has to move. Whole peers join and leave in the
 * virtual world; the wiretap hears every request and answer that moves records. For the figures of
 * docs/movement.md and for its test.
 */
import { movesOf, type Move } from '../../../src/core/plan/moves.ts'
import type { RecordHead } from '../../../src/core/record/record.ts'
import { formatVersion } from '../../../src/core/record/version.ts'
import { formatPosition } from '../../../src/core/ring/position.ts'
import { contains } from '../../../src/core/ring/range.ts'
import type { Member, Topology } from '../../../src/core/topology/topology.ts'
import { Request, Response } from '../../../src/wire/generated/messages.ts'
import { SimulatedCluster } from '../cluster.ts'
import { isOfSessions, sendingIn } from '../sessions-on-wire.ts'
import type { Message } from '../wiretap.ts'
import { Load, type LoadInit } from './load.ts'

const replicas = 3

/** How long is listened on when all is where it belongs, in ms: each pair reconciles once more within 30 s. */
const afterwardsMs = 45_000

/** The longest that a change may take, in ms. */
const limitMs = 300_000

export interface MovementInit extends LoadInit {
  /** Peers before one joins, and after one has left again. */
  readonly peers: number
  /** Bandwidth of each peer for moving records: a transition should last, so that whoever should wait has time not to. */
  readonly bytesPerSecond: number
}

/** What was sent for one change, until all was quiet again. Records count as encoded, each time that they are sent. */
export interface Moved {
  /** Copies that had to move, and their bytes: of records that nobody wrote meanwhile. */
  readonly leastCopies: number
  readonly leastBytes: number
  /** What sessions sent. */
  readonly sentCopies: number
  readonly sentBytes: number
  /** What the members that are there in the end say in their status that they sent meanwhile. */
  readonly toldBytes: number
  /** Of these bytes, those to members that replicated the record already, or do not in the end. */
  readonly strayBytes: number
  /** Of these bytes, those of a record in a version that the same member had been sent already. */
  readonly repeatedBytes: number
  /** All else in the messages of sessions: sums, fingerprints, heads, envelopes. */
  readonly otherBytes: number
  /** In the messages of puts, and of gets that write back. */
  readonly writtenBytes: number
  /** Acknowledged meanwhile. */
  readonly puts: number
  /** Until the change was done, in virtual ms. */
  readonly tookMs: number
}

/** One more peer joins, and then leaves again. */
export async function moved(init: MovementInit): Promise<{ join: Moved; leave: Moved }> {
  const cluster = new SimulatedCluster({ seed: init.seed, vnodes: 128, replicas })
  const join = async (): Promise<void> => {
    const peer = cluster.add({ transferBytesPerSecond: init.bytesPerSecond })
    await cluster.ready(await cluster.time.settle(peer))
  }
  while (cluster.peers.length < init.peers) await join()
  const load = new Load(cluster, init)
  await load.fill()
  const joined = await measured(cluster, load, join)
  const leaver = cluster.peers.at(-1)!
  const left = await measured(cluster, load, () => cluster.time.settle(leaver.core.leave(), limitMs))
  await cluster.stop()
  return { join: joined, leave: left }
}

async function measured(cluster: SimulatedCluster, load: Load, change: () => Promise<void>): Promise<Moved> {
  await settled(cluster, load)
  const before = topologyOf(cluster)
  const heads = await recordsIn(cluster)
  const toldBefore = await toldBytes(cluster)
  const tap = new Tap()
  const stopListening = cluster.wiretap.listen(message => tap.hear(message))
  load.begin()
  const beganMs = cluster.time.nowMs
  await change()
  const tookMs = cluster.time.nowMs - beganMs
  const { puts, overwritten } = await load.end()
  await settled(cluster, load)
  await cluster.time.run(afterwardsMs)
  stopListening()
  const moves = movesOf(before.before, topologyOf(cluster).before, before.replicas)
  const told = (await toldBytes(cluster)) - toldBefore
  return { ...leastOf(moves, heads, overwritten), ...tap.counted(moves), toldBytes: told, puts, tookMs }
}

/** Each record has its copies, and those that went over to others are gone where they were. */
async function settled(cluster: SimulatedCluster, { keys }: Load): Promise<void> {
  await cluster.time.until(() => cluster.copies() === replicas * keys, limitMs, 'three copies of each')
}

function topologyOf(cluster: SimulatedCluster): Topology {
  return cluster.peers[0]!.core.topologyNow!
}

/** Each record of the cluster once, by its position. */
async function recordsIn(cluster: SimulatedCluster): Promise<ReadonlyMap<string, RecordHead>> {
  const all = await Promise.all(cluster.running.map(({ disk }) => disk.heads()))
  return new Map(all.flat().map(head => [formatPosition(head.position), head]))
}

async function toldBytes(cluster: SimulatedCluster): Promise<number> {
  const { members } = await cluster.time.settle(cluster.peers[0]!.core.status())
  return members.reduce((sum, { sentBytes }) => sum + (sentBytes ?? 0), 0)
}

/** A record that was overwritten need not move as it was; where it did all the same, that is too much. */
function leastOf(
  moves: readonly Move<Member>[],
  heads: ReadonlyMap<string, RecordHead>,
  overwritten: ReadonlySet<string>
): Pick<Moved, 'leastCopies' | 'leastBytes'> {
  let [leastCopies, leastBytes] = [0, 0]
  for (const [name, { position, size }] of heads) {
    if (overwritten.has(name)) continue
    const takers = takersOf(moves, position).length
    leastCopies += takers
    leastBytes += takers * size
  }
  return { leastCopies, leastBytes }
}

/** Peer ids of those that are to replicate a position and did not before. */
function takersOf(moves: readonly Move<Member>[], position: Uint8Array): string[] {
  return moves.filter(({ range }) => contains(range, position)).map(({ to }) => to.peerId)
}

/** A record on its way to a peer. */
interface Sent {
  readonly to: string
  readonly head: RecordHead
}

/** Adds up what sessions send. */
class Tap {
  readonly #sent: Sent[] = []
  #otherBytes = 0
  #writtenBytes = 0

  hear(message: Message): void {
    const { request, answer } = message
    this.#writtenBytes += answer === undefined ? (request.writeRecord?.record.length ?? 0) : 0
    if (!isOfSessions(request)) return
    this.#otherBytes += (answer === undefined ? Request.encode(request) : Response.encode(answer)).length
    const { to, heads } = sendingIn(message) ?? { to: '', heads: [] }
    for (const head of heads) {
      this.#otherBytes -= head.size
      this.#sent.push({ to, head })
    }
  }

  counted(
    moves: readonly Move<Member>[]
  ): Omit<Moved, 'leastCopies' | 'leastBytes' | 'toldBytes' | 'puts' | 'tookMs'> {
    const strays = this.#sent.filter(({ to, head }) => !takersOf(moves, head.position).includes(to))
    return {
      sentCopies: this.#sent.length,
      sentBytes: bytesOf(this.#sent),
      strayBytes: bytesOf(strays),
      repeatedBytes: bytesOf(repeatsIn(this.#sent)),
      otherBytes: this.#otherBytes,
      writtenBytes: this.#writtenBytes
    }
  }
}

function repeatsIn(sent: readonly Sent[]): Sent[] {
  const known = new Set<string>()
  return sent.filter(({ to, head: { position, version } }) => {
    const name = `${to} ${formatPosition(position)} ${formatVersion(version)}`
    const isRepeated = known.has(name)
    known.add(name)
    return isRepeated
  })
}

function bytesOf(sent: readonly Sent[]): number {
  return sent.reduce((sum, { head }) => sum + head.size, 0)
}
