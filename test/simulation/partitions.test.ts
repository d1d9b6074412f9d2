/**
 * Partitions of any shape under load (G5): a peer serves a key where it reaches a quorum of its replicas, and refuses it
 * where it does not, nobody answers what is not so, and when they heal all is as if they had not been.
 */
import { describe, expect, it } from 'vitest'
import { SimulatedCluster, type SimulatedPeer } from './cluster.ts'
import { expectSettled, fill, valueOf, type Records } from './scenario.ts'

/** Deadline of an operation, and pause between two of one peer, in ms. */
const deadlineMs = 1_500
const pauseMs = 250

/** How long each partition lasts, in ms: long enough for the others to count as down. */
const lastsMs = 25_000

/** Peers that cannot reach each other; where it says so, only the first cannot reach the second. */
type CutBetween = readonly [from: readonly number[], to: readonly number[], isOneWay?: boolean]

const shapes: ReadonlyArray<{ readonly name: string; readonly cuts: readonly CutBetween[] }> = [
  {
    name: 'two against three',
    cuts: [
      [
        [0, 1],
        [2, 3, 4]
      ]
    ]
  },
  { name: 'one isolated', cuts: [[[3], [0, 1, 2, 4]]] },
  { name: 'the eldest isolated, who decides first', cuts: [[[0], [1, 2, 3, 4]]] },
  { name: 'one that is heard, and hears nobody', cuts: [[[0, 1, 2, 3], [4], true]] },
  { name: 'one that hears, and is not heard', cuts: [[[4], [0, 1, 2, 3], true]] },
  {
    name: 'three parts, none of which is most',
    cuts: [
      [
        [0, 1],
        [2, 3, 4]
      ],
      [[2, 3], [4]]
    ]
  },
  {
    name: 'a bridge, which reaches both halves',
    cuts: [
      [
        [0, 1],
        [3, 4]
      ]
    ]
  },
  {
    name: 'a ring, of which each reaches its neighbours only',
    cuts: [
      [[0], [2, 3]],
      [[1], [3, 4]],
      [[2], [4]]
    ]
  },
  { name: 'all from each other', cuts: [0, 1, 2, 3].map(i => [[i], [0, 1, 2, 3, 4].slice(i + 1)]) }
]

describe.each(shapes)('a partition of five peers: $name', ({ cuts }) => {
  it('is served where a quorum is reached, refused elsewhere, and leaves nothing behind', async () => {
    const cluster = await SimulatedCluster.of(5, { seed: 60 })
    const records = await fill(cluster, 60)
    const { epoch } = cluster.peers[0]!.core.topologyNow!
    const idsOf = (indexes: readonly number[]): string[] => indexes.map(i => cluster.peers[i]!.peerId)
    const made = cuts.map(([from, to, oneWay = false]) =>
      cluster.network.cut(idsOf(from), idsOf(to), { oneWay })
    )
    const loads = cluster.peers.map(peer => new Load(cluster, peer, records))
    await cluster.time.settle(Promise.all(loads.map(load => load.run())), 10 * lastsMs)
    expect(loads.flatMap(({ amiss }) => amiss)).toEqual([])
    for (const { count } of loads) expect(count).toBeGreaterThan(5)

    for (const cut of made) cut.heal()
    const acknowledged = loads.flatMap(load => [...load.acknowledged])
    await expectSettled(cluster, new Map([...records, ...acknowledged]))
    // Nobody was removed for what was no death.
    expect(cluster.peers[0]!.core.topologyNow!.epoch).toBe(epoch)
    await cluster.stop()
  })
})

/** One peer that reads what all know and puts keys of its own, for as long as a partition lasts. */
class Load {
  readonly acknowledged = new Map<string, string>()
  /** What was served, refused or read as it should not have been, in words. */
  readonly amiss: string[] = []
  count = 0
  readonly #cluster: SimulatedCluster
  readonly #peer: SimulatedPeer
  readonly #records: Records

  constructor(cluster: SimulatedCluster, peer: SimulatedPeer, records: Records) {
    this.#cluster = cluster
    this.#peer = peer
    this.#records = records
  }

  async run(): Promise<void> {
    const { time } = this.#cluster
    const keys = [...this.#records.keys()]
    for (const endMs = time.nowMs + lastsMs; time.nowMs < endMs; this.count++) {
      const { index } = this.#peer
      if (this.count % 2 === 0) await this.#get(keys[(this.count * 7 + index) % keys.length]!)
      else await this.#put(`own ${index} ${this.count}`)
      await this.#cluster.pause(pauseMs)
    }
  }

  async #get(key: string): Promise<void> {
    await this.#judged('get', key, async ({ core }) => {
      const got = await core.get(key, { deadline: deadlineMs })
      const value = got === undefined ? 'nothing' : new TextDecoder().decode(got.value)
      if (value !== this.#records.get(key))
        this.amiss.push(`peer ${this.#peer.index} reads ${value} of ${key}`)
    })
  }

  async #put(key: string): Promise<void> {
    await this.#judged('put', key, async ({ core }) => {
      await core.put(key, valueOf(key), { deadline: deadlineMs })
      this.acknowledged.set(key, key)
    })
  }

  async #judged(kind: string, key: string, act: (peer: SimulatedPeer) => Promise<void>): Promise<void> {
    const isDue = await this.#reachesQuorum(key)
    const isServed = await act(this.#peer).then(
      () => true,
      () => false
    )
    if (isServed === isDue) return
    this.amiss.push(`peer ${this.#peer.index} ${isServed ? 'serves' : 'refuses'} a ${kind} of ${key}`)
  }

  /** Whether requests and answers go through to so many of a key's replicas, itself among them where it is one. */
  async #reachesQuorum(key: string): Promise<boolean> {
    const { network } = this.#cluster
    const { peerId, core } = this.#peer
    const [replicas = []] = (await core.locate(key)).replicas
    const reached = replicas.filter(other => !network.isCut(peerId, other) && !network.isCut(other, peerId))
    return reached.length * 2 > replicas.length
  }
}
