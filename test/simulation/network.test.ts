import { describe, expect, it } from 'vitest'
import type { MemberId } from '../../src/core/member.ts'
import { peerIdOf } from '../support/peer-ids.ts'
import { VirtualTime } from './clock.ts'
import { SimulatedNetwork, type NetworkInit } from './network.ts'
import { SeededRandom } from './random.ts'

type Serve = (body: Uint8Array) => Promise<Uint8Array> | Uint8Array

/** Two peers, of which the second answers what it is asked with what `serve` gives. */
class Pair {
  readonly time = new VirtualTime(new SeededRandom(1))
  readonly network: SimulatedNetwork
  readonly served: number[] = []
  serve: Serve = body => body
  readonly asker: MemberId = { peerId: peerIdOf(0), life: '0' }
  asked: MemberId = { peerId: peerIdOf(1), life: '1' }

  constructor(init: NetworkInit = {}, seed = 1) {
    this.network = new SimulatedNetwork({ time: this.time, random: new SeededRandom(seed) }, init)
    for (const member of [this.asker, this.asked]) this.#start(member)
  }

  ask(number: number, timeoutMs = 1_000): Promise<Uint8Array> {
    const { asker, asked } = this
    return this.network.host(asker.peerId)!.request(asked, Uint8Array.of(number), { timeoutMs })
  }

  /** Asks all these at once, on a channel that is open. */
  async askAll(count: number): Promise<void> {
    await this.time.settle(this.ask(255))
    this.served.length = 0
    const answers = Array.from({ length: count }, (_, i) => this.ask(i, 60_000).catch(() => undefined))
    await this.time.settle(Promise.all(answers))
  }

  /** The second peer ends and begins another life. */
  begin(life: string): void {
    this.asked = { peerId: this.asked.peerId, life }
    this.#start(this.asked)
  }

  #start({ peerId, life }: MemberId): void {
    const greeting = { network: 'n', clusterId: '', generation: 0, role: 'peer', boot: 1, epoch: 0 } as const
    void this.network.transport(peerId).start({
      greeting: () => ({ ...greeting, life }),
      admit: () => undefined,
      serve: async body => {
        this.served.push(body[0]!)
        return this.serve(body)
      },
      connected: () => undefined,
      disconnected: () => undefined
    })
  }
}

describe('the links of the simulated network', () => {
  it('keep messages in order, however much their latencies differ', async () => {
    const pair = new Pair({ latencyMs: (_from, _to, random) => 100 * random.float() })
    await pair.askAll(100)
    expect(pair.served).toEqual(Array.from({ length: 100 }, (_, i) => i))
    expect(pair.network.counts.reordered).toBe(0)
  })

  it('let later messages overtake those drawn for it', async () => {
    const pair = new Pair({ reorder: 0.2 })
    await pair.askAll(100)
    expect(pair.served).not.toEqual(Array.from({ length: 100 }, (_, i) => i))
    expect([...pair.served].sort((a, b) => a - b)).toEqual(Array.from({ length: 100 }, (_, i) => i))
    expect(pair.network.counts.reordered).toBeGreaterThan(10)
  })

  it('lose the share of messages that they are told to', async () => {
    const pair = new Pair()
    await pair.askAll(1)
    pair.network.loss = 0.25
    for (let i = 0; i < 2_000; i++) pair.network.carry('a', 'b', 1, () => undefined)
    expect(pair.network.counts.lost).toBeGreaterThan(400)
    expect(pair.network.counts.lost).toBeLessThan(600)
  })

  it('have a mean latency each, most near that of the run and some far above', async () => {
    const { network, time } = new Pair({ meanLatencyMs: 10 })
    const arrivals = await Promise.all(
      Array.from({ length: 300 }, async (_, link) => {
        const sentMs = time.nowMs
        // One message a link: so none waits for another.
        return new Promise<number>(resolve => {
          network.carry(`from ${link}`, 'to', 1, () => resolve(time.nowMs - sentMs))
          void time.run(5_000)
        })
      })
    )
    const sorted = arrivals.sort((a, b) => a - b)
    expect(sorted[150]).toBeGreaterThan(4)
    expect(sorted[150]).toBeLessThan(16)
    expect(sorted.filter(ms => ms > 50).length).toBeGreaterThan(3)
  })
})

describe('a request whose answer was lost', () => {
  /** Nothing gets back from the one asked for a moment, beginning with its first answer. */
  const losesFirstAnswer = (pair: Pair): Serve => {
    let times = 0
    return body => {
      if (++times === 1) {
        const { peerId } = pair.asked
        const cut = pair.network.cut([peerId], [pair.asker.peerId], { oneWay: true })
        pair.time.after(1, () => cut.heal())
      }
      return Uint8Array.of(body[0]!, times)
    }
  }

  it('is served again, with the same bytes, and the second answer reaches who still waits', async () => {
    const pair = new Pair({ duplicate: 1 })
    pair.serve = losesFirstAnswer(pair)
    expect(await pair.time.settle(pair.ask(7))).toEqual(Uint8Array.of(7, 2))
    expect(pair.served).toEqual([7, 7])
    expect(pair.network.counts).toMatchObject({ cut: 1, duplicated: 1 })
  })

  it('is not repeated where it may not be', async () => {
    const pair = new Pair({ duplicate: 1, mayRepeat: () => false })
    pair.serve = losesFirstAnswer(pair)
    await expect(pair.time.settle(pair.ask(7))).rejects.toThrow('no answer within')
    expect(pair.served).toEqual([7])
  })
})

describe('partitions', () => {
  it('are undone one by one', () => {
    const { network } = new Pair()
    const first = network.cut(['a'], ['b', 'c'])
    const second = network.cut(['b'], ['a'], { oneWay: true })
    first.heal()
    expect([network.isCut('a', 'b'), network.isCut('b', 'a'), network.isCut('c', 'a')]).toEqual([
      false,
      true,
      false
    ])
    second.heal()
    expect(network.isCut('b', 'a')).toBe(false)
  })

  it('of single links cut about the share that is asked for, each way by itself, the same all the time', () => {
    const { network } = new Pair()
    const names = Array.from({ length: 40 }, (_, i) => `peer ${i}`)
    const cutLinks = (): boolean[] => names.flatMap(from => names.map(to => network.isCut(from, to)))
    network.cutSome(0.3, 5)
    const cut = cutLinks()
    expect(cut.filter(Boolean).length).toBeGreaterThan(400)
    expect(cut.filter(Boolean).length).toBeLessThan(560)
    expect(names.some(name => network.isCut('peer 0', name) !== network.isCut(name, 'peer 0'))).toBe(true)
    expect(cutLinks()).toEqual(cut)
  })

  it('count what they swallow', () => {
    const { network } = new Pair()
    network.cut(['a'], ['b'])
    expect(network.carry('a', 'b', 1, () => undefined)).toBe(false)
    expect(network.counts.cut).toBe(1)
  })
})

describe('a channel to a peer that begins another life', () => {
  it('is found out where nothing of its end arrived', async () => {
    const pair = new Pair()
    await pair.time.settle(pair.ask(1))
    const cut = pair.network.cut([pair.asker.peerId], [pair.asked.peerId])
    pair.begin('2')
    cut.heal()
    await expect(pair.time.settle(pair.ask(2))).rejects.toMatchObject({ failure: 'other-life' })
    await pair.time.run(1_000)
    await pair.time.settle(pair.ask(3))
    expect(pair.served).toEqual([1, 3])
  })
})

describe('a clogged peer', () => {
  it('has its messages later by as much as all its clogs together, and what follows waits behind them', async () => {
    const { network, time } = new Pair({ latencyMs: () => 1 })
    const clogs = [network.clog('a', 300), network.clog('a', 200)]
    const arrivals: number[] = []
    network.carry('a', 'b', 1, () => arrivals.push(time.nowMs))
    for (const clog of clogs) clog.heal()
    expect(network.delayMs('a', 'b')).toBeCloseTo(501)
    network.carry('a', 'b', 1, () => arrivals.push(time.nowMs))
    await time.run(1_000)
    expect(arrivals.map(Math.round)).toEqual([501, 501])
  })
})

describe('an overloaded peer', () => {
  it('refuses its share of what it is asked, and begins nothing of it, until it is over', async () => {
    const pair = new Pair()
    const overload = pair.network.overload(pair.asked.peerId, 0.5)
    const asked = Array.from({ length: 100 }, (_, i) => pair.ask(i))
    const answered = (await pair.time.settle(Promise.allSettled(asked))).filter(isAnswered).length
    expect(answered).toBeGreaterThan(30)
    expect(answered).toBeLessThan(70)
    expect(pair.served).toHaveLength(answered)
    overload.heal()
    await pair.askAll(100)
    expect(pair.served).toHaveLength(100)

    pair.network.overload(pair.asked.peerId, 1)
    const refused = { failure: 'overloaded', delivered: false }
    await expect(pair.time.settle(pair.ask(1))).rejects.toMatchObject(refused)
  })
})

function isAnswered({ status }: PromiseSettledResult<unknown>): boolean {
  return status === 'fulfilled'
}
