/** Each kind of fault does what its name says, undoes only that, and is skipped where it may not happen. */
import { describe, expect, it } from 'vitest'
import { SimulatedCluster, type SimulatedPeer } from './cluster.ts'
import { SeededRandom } from './random.ts'
import { drawFaults } from './run/faults.ts'
import { Nemesis, type FaultPhase } from './run/nemesis.ts'
import type { FaultStep } from './run/script.ts'
import { faultKinds, settingsOf, type FaultKind, type SettingsInit } from './run/settings.ts'

const chaos: SettingsInit = { seed: 2, profile: 'chaos', peers: 5, replicas: 3, minutes: 30 }

class Attacked {
  readonly cluster: SimulatedCluster
  readonly nemesis: Nemesis
  readonly told: [FaultKind, FaultPhase, readonly SimulatedPeer[]][] = []
  #over: Promise<void> = Promise.resolve()

  private constructor(cluster: SimulatedCluster, replicas: number) {
    this.cluster = cluster
    const settings = settingsOf({ ...chaos, replicas })
    this.nemesis = new Nemesis({ cluster }, { settings, onFault: (...told) => this.told.push(told) })
  }

  static async of(peers: number, replicas = 3): Promise<Attacked> {
    const init = { seed: 1, vnodes: 4, replicas, disk: { syncMs: 1 } }
    return new Attacked(await SimulatedCluster.of(peers, init), replicas)
  }

  begin(...steps: Partial<FaultStep>[]): void {
    const common = { atMs: 0, kind: 'kill', draw: 0.3, durationMs: 8_000 } as const
    const all = steps.map(step => ({ ...common, ...step }))
    this.#over = this.nemesis.run(all, this.cluster.time.nowMs)
  }

  /** Looks at the victims of one kind when it has begun, and when all is over. */
  async watch<T>(kind: FaultKind, look: (victims: readonly SimulatedPeer[]) => T): Promise<[T, T]> {
    await this.cluster.time.until(() => this.told.some(([told]) => told === kind), 60_000, kind)
    await this.cluster.time.run(3_000)
    const victims = this.told.find(([told]) => told === kind)![2]
    const during = look(victims)
    await this.end()
    return [during, look(victims)]
  }

  async end(): Promise<void> {
    await this.cluster.time.settle(this.#over)
  }
}

describe('the nemesis', () => {
  it.each<[FaultKind, (victim: SimulatedPeer) => boolean]>([
    ['kill', ({ process }) => !process.isAlive],
    ['lose-disk', ({ process }) => !process.isAlive],
    ['freeze', ({ process }) => process.isFrozen],
    ['freeze-long', ({ process }) => process.isFrozen],
    ['full-disk', ({ disk }) => disk.isFull]
  ])('has one peer suffer from %s for as long as it lasts', async (kind, suffers) => {
    const attacked = await Attacked.of(4)
    attacked.begin({ kind })
    const look = (victims: readonly SimulatedPeer[]): boolean[] => victims.map(suffers)
    expect(await attacked.watch(kind, look)).toEqual([[true], [false]])
    expect(attacked.nemesis.counts[kind]).toBe(1)
  })

  it.each<[FaultKind, (links: number) => boolean]>([
    ['isolate', links => links === 8],
    ['one-way', links => links === 4],
    // Two and three of five, or one and four.
    ['halve', links => links === 12 || links === 8],
    // The bridge reaches all: two and two of the others, or one and three.
    ['bridge', links => links === 8 || links === 6],
    ['scatter', links => links > 0 && links < 20]
  ])('cuts by %s the links that it should, for as long as it lasts', async (kind, isRight) => {
    const attacked = await Attacked.of(5)
    const names = attacked.cluster.peers.map(({ peerId }) => peerId)
    const cutLinks = (): number =>
      names.flatMap(from => names.filter(to => attacked.cluster.network.isCut(from, to))).length
    attacked.begin({ kind })
    const [during, after] = await attacked.watch(kind, cutLinks)
    expect(isRight(during), `${during} links`).toBe(true)
    expect(after).toBe(0)
  })

  it('clogs a peer, stops a clock, and steps one', async () => {
    const attacked = await Attacked.of(3)
    attacked.begin({ kind: 'clog' })
    const clogOf = ([victim]: readonly SimulatedPeer[]): number =>
      attacked.cluster.network.clogMs(victim!.peerId)
    const [clogged, unclogged] = await attacked.watch('clog', clogOf)
    expect(clogged).toBeGreaterThanOrEqual(500)
    expect(unclogged).toBe(0)
    attacked.begin({ kind: 'stop-clock' })
    await attacked.cluster.time.run(1)
    const { clock } = attacked.told.at(-1)![2][0]!
    const stoodAt = clock.now()
    await attacked.cluster.time.run(5_000)
    expect(clock.now()).toBe(stoodAt)
    await attacked.end()
    await attacked.cluster.time.run(5_000)
    expect(clock.now()).toBeGreaterThanOrEqual(stoodAt + 5_000)
  })

  it('has some peers refuse what they are asked, as over their limits', async () => {
    const attacked = await Attacked.of(5)
    attacked.begin({ kind: 'overload' })
    const refusing = (): number =>
      attacked.cluster.peers.filter(({ peerId }) => attacked.cluster.network.isOverloaded(peerId)).length
    const [during, after] = await attacked.watch('overload', refusing)
    expect(during).toBeGreaterThan(0)
    expect(after).toBe(0)
  })

  it('kills a peer that starts, and all at once, and has all of them back', async () => {
    const attacked = await Attacked.of(4)
    const before = attacked.cluster.peers.map(({ process }) => process)
    attacked.begin({ kind: 'kill-starting', durationMs: 2 }, { kind: 'kill-all', atMs: 10_000 })
    await attacked.end()
    expect(attacked.cluster.peers.some(({ process }) => before.includes(process))).toBe(false)
    for (const peer of attacked.cluster.peers) await attacked.cluster.ready(peer)
  })

  it('has two join and one leave at once, and one removed that comes back', async () => {
    const attacked = await Attacked.of(5)
    attacked.begin({ kind: 'join' }, { kind: 'join', draw: 0.9 }, { kind: 'leave' })
    await attacked.end()
    await attacked.cluster.time.run(60_000)
    expect(attacked.cluster.peers.filter(({ hasLeft }) => hasLeft)).toHaveLength(1)
    expect(attacked.cluster.running).toHaveLength(6)
    attacked.begin({ kind: 'remove' })
    await attacked.end()
    await attacked.cluster.time.run(60_000)
    for (const { core } of attacked.cluster.running) expect(core.membersNow()).toHaveLength(6)
  })

  it('has several join at once', async () => {
    const attacked = await Attacked.of(3)
    attacked.begin({ kind: 'join-many' })
    await attacked.end()
    expect(attacked.cluster.running.length).toBeGreaterThanOrEqual(5)
    for (const peer of attacked.cluster.peers) await attacked.cluster.ready(peer)
  })

  it('kills a peer that joins, for so long that it is dropped, and has it join anew', async () => {
    const attacked = await Attacked.of(3)
    const { cluster, nemesis } = attacked
    // Not all die early enough: the rest have joined by then.
    attacked.begin({ kind: 'kill-joining', durationMs: 60_000, draw: 0.1 })
    await cluster.time.run(10_000)
    const victim = cluster.peers.at(-1)!
    expect(cluster.peers.filter(({ process }) => !process.isAlive)).toEqual([victim])
    await attacked.end()
    expect(nemesis.counts['kill-joining']).toBe(1)
    for (const peer of cluster.peers) await cluster.ready(peer)
  })

  it('kills a peer amid a partition, which stays when the peer is back', async () => {
    const attacked = await Attacked.of(4)
    attacked.begin({ kind: 'isolate', durationMs: 20_000 }, { kind: 'kill', atMs: 1_000, durationMs: 3_000 })
    await attacked.cluster.time.run(10_000)
    const [isolated] = attacked.told.find(([kind]) => kind === 'isolate')![2]
    const [other] = attacked.cluster.peers.filter(peer => peer !== isolated)
    expect(attacked.told.some(([kind, phase]) => kind === 'kill' && phase === 'ends')).toBe(true)
    expect(attacked.cluster.network.isCut(isolated!.peerId, other!.peerId)).toBe(true)
    await attacked.end()
    expect(attacked.cluster.network.isCut(isolated!.peerId, other!.peerId)).toBe(false)
  })

  it('loses no second disk before the first is replicated anew, and none where there is one copy only', async () => {
    const attacked = await Attacked.of(4)
    attacked.begin({ kind: 'lose-disk' }, { kind: 'lose-disk', atMs: 2_000, draw: 0.8 })
    await attacked.end()
    expect([attacked.nemesis.counts['lose-disk'], attacked.nemesis.skipped['lose-disk']]).toEqual([1, 1])
    await attacked.cluster.time.run(60_000)
    attacked.begin({ kind: 'lose-disk' })
    await attacked.end()
    expect(attacked.nemesis.counts['lose-disk']).toBe(2)
    const alone = await Attacked.of(4, 1)
    alone.begin({ kind: 'lose-disk' })
    await alone.end()
    expect(alone.nemesis.skipped['lose-disk']).toBe(1)
  })

  it('damages a record of which others have copies enough, and no second one', async () => {
    const attacked = await Attacked.of(4)
    const { cluster } = attacked
    for (let i = 0; i < 10; i++)
      await cluster.time.settle(cluster.peers[0]!.core.put(`key ${i}`, Uint8Array.of(i)))
    await cluster.time.run(1_000)
    attacked.begin({ kind: 'damage' }, { kind: 'damage', atMs: 1_000, draw: 0.7 })
    await attacked.end()
    expect(cluster.peers.reduce((sum, { disk }) => sum + disk.damaged, 0)).toBe(1)
    expect(attacked.nemesis.skipped.damage).toBe(1)
  })

  it('loses most acceptors for good once, has the others restored, and starts the lost with empty disks', async () => {
    const attacked = await Attacked.of(5)
    const { cluster, nemesis } = attacked
    const lives = cluster.peers.map(({ core }) => core.memberNow.life)
    await cluster.time.run(1_000)
    const again = { kind: 'lose-most', atMs: 1_000 } as const
    attacked.begin({ kind: 'lose-most', durationMs: 20_000 }, again, { kind: 'leave', atMs: 2_000 })
    const dead = (victims: readonly SimulatedPeer[]): boolean[] =>
      victims.map(({ process }) => process.isAlive)
    const [during] = await attacked.watch('lose-most', dead)
    expect(during.length).toBeGreaterThanOrEqual(3)
    expect(new Set(during)).toEqual(new Set([false]))
    expect([nemesis.counts['lose-most'], nemesis.skipped['lose-most']]).toEqual([1, 1])
    expect(nemesis.skipped.leave).toBe(1)
    for (const peer of cluster.peers) await cluster.ready(peer)
    for (const { core } of cluster.peers) expect(core.topologyNow!.generation).toBe(2)
    const { victims, atMs, untilMs } = nemesis.greatLoss!
    const renewed = cluster.peers.filter(({ core }, i) => core.memberNow.life !== lives[i])
    expect(renewed).toEqual(cluster.peers.filter(peer => victims.includes(peer)))
    expect(untilMs).toBeGreaterThan(atMs + 20_000)
  })

  it.each([
    { what: 'one of seven, which those who decide may remove', draw: 0.2, away: 1, removed: 1 },
    { what: 'four of seven, of whom they may remove none', draw: 0.35, away: 4, removed: 0 }
  ])('cuts off $what', async ({ draw, away, removed }) => {
    const attacked = await Attacked.of(7)
    const { cluster, nemesis } = attacked
    const lives = cluster.peers.map(({ core }) => core.memberNow.life)
    attacked.begin({ kind: 'remove-cut-off', durationMs: 60_000, draw })
    const together = ([victim]: readonly SimulatedPeer[]): number =>
      cluster.peers.filter(({ peerId }) => !cluster.network.isCut(victim!.peerId, peerId)).length
    expect(await attacked.watch('remove-cut-off', together)).toEqual([away, 7])
    expect(nemesis.counts['remove-cut-off']).toBe(1)
    await cluster.time.run(60_000)
    expect(cluster.peers.filter(({ core }, i) => core.memberNow.life !== lives[i])).toHaveLength(removed)
  })

  it('keeps three members whatever asks to leave', async () => {
    const attacked = await Attacked.of(3)
    attacked.begin({ kind: 'leave' }, { kind: 'remove' })
    await attacked.end()
    expect([attacked.nemesis.skipped.leave, attacked.nemesis.skipped.remove]).toEqual([1, 1])
  })
})

describe('the faults of a run', () => {
  const draw = (init: Partial<SettingsInit>): FaultStep[] =>
    drawFaults(settingsOf({ ...chaos, ...init }), new SeededRandom(1).fork('faults'))

  it('are the same whatever the number of operations, of replicas and of virtual nodes', () => {
    expect(draw({ rate: 1 })).toEqual(draw({ rate: 100, replicas: 5, vnodes: 1 }))
    expect(draw({}).length).toBeGreaterThan(50)
  })

  it('of one kind are the same whether others happen or not', () => {
    // The one that comes first in the table would never be shifted by the others.
    const isolations = draw({ only: ['kill', 'isolate', 'join'] }).filter(({ kind }) => kind === 'isolate')
    expect(isolations.length).toBeGreaterThan(5)
    expect(draw({ only: ['isolate'] })).toEqual(isolations)
  })

  it('come at their rates, begin and end within the run, and cut the peers apart for some seconds', () => {
    const settings = settingsOf({ ...chaos, minutes: 2_000 })
    const steps = drawFaults(settings, new SeededRandom(2))
    for (const kind of faultKinds) {
      const expected = settings.faultsPerMinute[kind] * settings.minutes
      const count = steps.filter(step => step.kind === kind).length
      expect(Math.abs(count - expected), kind).toBeLessThanOrEqual(5 * Math.sqrt(expected))
    }
    const endMs = settings.minutes * 60_000
    for (const { kind, atMs, durationMs } of steps) {
      expect(atMs + durationMs).toBeLessThanOrEqual(endMs + 1)
      if (kind === 'halve') expect(durationMs).toBeGreaterThanOrEqual(Math.min(5_000, endMs - atMs))
    }
  })
})
