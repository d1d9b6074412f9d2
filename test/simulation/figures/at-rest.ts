/**
 * What peers send each other while nobody asks for anything and all hold what they should: above all the comparing that
 * goes on every half a minute. For the figures of docs/movement.md and for their test.
 */
import { Response, Request } from '../../../src/wire/generated/messages.ts'
import { SimulatedCluster } from '../cluster.ts'
import type { Message } from '../wiretap.ts'
import { Load } from './load.ts'

const replicas = 3

/** The longest that copies may be missing after the last put, in ms. */
const limitMs = 300_000

/** What a change of the ring was followed by is over after so many ms. */
const settleMs = 90_000

/** How long is listened, in ms: four of the times in which each pair compares once. */
const listenedMs = 120_000

export interface AtRestInit {
  readonly seed: number
  readonly peers: number
  readonly records: number
}

/** Bytes per second of messages, without what carries them. */
export interface AtRest {
  /** Of reconciling: what one peer sends and gets, on average, and the one that has most of it. */
  readonly reconciling: { readonly mean: number; readonly most: number }
  /** Sessions that a peer takes part in, of its own and of others, per minute. */
  readonly sessions: number
  /** Of all else, liveness above all: the mean. */
  readonly others: number
}

export async function atRest({ seed, peers, records }: AtRestInit): Promise<AtRest> {
  const cluster = new SimulatedCluster({ seed, vnodes: 128, replicas })
  await cluster.grow(peers)
  const load = new Load(cluster, { seed, records, maxValueBytes: 256 })
  await load.fill()
  await cluster.time.until(() => cluster.copies() === replicas * records, limitMs, 'three copies of each')
  await cluster.time.run(settleMs)
  const tap = new Tap()
  const stopListening = cluster.wiretap.listen(message => tap.hear(message))
  await cluster.time.run(listenedMs)
  stopListening()
  await cluster.stop()
  return tap.counted(peers)
}

class Tap {
  /** Bytes by peer id. */
  readonly #reconciling = new Map<string, number>()
  #others = 0
  #sessions = 0

  hear({ from, to, request, answer }: Message): void {
    const bytes = (answer === undefined ? Request.encode(request) : Response.encode(answer)).length
    if (!isOfReconciling(request)) {
      this.#others += 2 * bytes
      return
    }
    // Where all is equal, one question is all of a session.
    if (answer === undefined) this.#sessions++
    for (const peerId of [from, to.peerId])
      this.#reconciling.set(peerId, (this.#reconciling.get(peerId) ?? 0) + bytes)
  }

  counted(peers: number): AtRest {
    const perSecond = (bytes: number): number => (1_000 * bytes) / listenedMs
    const all = [...this.#reconciling.values()]
    const sum = all.reduce((total, bytes) => total + bytes, 0)
    return {
      reconciling: { mean: perSecond(sum) / peers, most: perSecond(Math.max(...all)) },
      sessions: (60_000 / listenedMs) * ((2 * this.#sessions) / peers),
      others: perSecond(this.#others) / peers
    }
  }
}

function isOfReconciling({
  compareNodes,
  listNodes,
  streamNodes,
  fetchRecords,
  offerVersions,
  pushRecords
}: Request): boolean {
  const asked = [compareNodes, listNodes, streamNodes, fetchRecords, offerVersions, pushRecords]
  return asked.some(body => body !== undefined)
}
