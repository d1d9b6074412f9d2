import { describe, expect, it } from 'vitest'
import { Mover, type MoverInit } from '../../../src/core/movement/mover.ts'
import type { Topology } from '../../../src/core/topology/topology.ts'
import { SeededRandom } from '../../simulation/random.ts'
import { id, run as script } from '../topology/script.ts'
import { silent } from '../topology/fakes.ts'
import { recordOf, recordsOf, World } from './world.ts'

/** The mover of one member, before it starts, and the log as it sees it. */
function make(self: string, statements: string, init: Partial<MoverInit> = {}) {
  const world = new World('a b c d e f')
  const random = new SeededRandom(1)
  let topology = script(statements)
  world.moveTo(topology.epoch)
  const reports: number[] = []
  /** How many reports are to fail. */
  const failing = { reports: 0 }
  const { store, member } = world.host(self)
  const mover = new Mover(
    {
      calls: world,
      store,
      clock: world.clock,
      random,
      logger: silent,
      topology: () => topology,
      isAlive: world.isAlive,
      // As the reporter does: until the log moves on, at which `topologyChanged` aborts the signal.
      report: (epoch, signal) =>
        new Promise((resolve, reject) => {
          reports.push(epoch)
          if (failing.reports-- > 0) reject(new Error('a test wants it so'))
          signal.addEventListener('abort', () => resolve())
        })
    },
    { self: member, isReturning: false, ...init }
  )
  const moveTo = (statement: string): Topology => {
    topology = script(statement, { from: topology })
    world.moveTo(topology.epoch)
    mover.topologyChanged()
    return topology
  }
  return { world, store, mover, reports, failing, moveTo, epoch: () => topology.epoch }
}

const joining = 'found a; open +b +c; close; open +d'

describe('the mover', () => {
  it('takes what a transition gives this member, and reports it at the epoch of the latest entry', async () => {
    const { world, store, mover, reports, epoch } = make('d', joining)
    for (const name of ['a', 'b', 'c']) await world.host(name).store.mergeAll(recordsOf(20))
    mover.start()
    await world.time.until(() => reports.length > 0, 10_000)
    expect(store.usage().records).toBeGreaterThan(0)
    expect(reports).toEqual([epoch()])
    await world.settle(mover.stop())
  })

  it('reports again after an amendment, what it takes by then pulled at that epoch', async () => {
    const { world, mover, reports, moveTo } = make('d', 'found a; open +b +c; close; open +d +e')
    mover.start()
    await world.time.until(() => reports.length === 1, 10_000)
    const first = reports[0]!
    world.sent.length = 0
    moveTo('amend drop e')
    await world.time.until(() => reports.length === 2, 10_000)
    expect(reports).toEqual([first, first + 1])
    expect(world.asked('listVersions').split(' ')).toHaveLength(2)
    await world.settle(mover.stop())
  })

  it('goes on with a take while others come and go', async () => {
    const { world, mover, reports } = make('d', joining)
    for (const name of ['a', 'b']) await world.host(name).store.mergeAll(recordsOf(20))
    mover.start()
    for (let i = 0; i < 100 && reports.length === 0; i++) {
      await world.time.step()
      mover.refresh()
    }
    expect(reports).toHaveLength(1)
    await world.settle(mover.stop())
  })

  it('does not take again what it took at this epoch when its report fails', async () => {
    const { world, mover, reports, failing, epoch } = make('d', joining)
    failing.reports = 1
    mover.start()
    await world.time.until(() => reports.length === 1, 10_000)
    world.sent.length = 0
    await world.time.until(() => reports.length === 2, 10_000)
    expect(reports).toEqual([epoch(), epoch()])
    expect(world.sent).toEqual([])
    await world.settle(mover.stop())
  })

  it('begins a take anew where the transition is amended under it', async () => {
    const { world, mover, reports, moveTo, epoch } = make('d', 'found a; open +b +c; close; open +d +e')
    for (const name of ['a', 'b']) world.host(name).failing = 'unreachable'
    mover.start()
    await world.time.run(1_700)
    expect(reports).toEqual([])
    moveTo('amend drop e')
    for (const name of ['a', 'b']) world.host(name).failing = undefined
    await world.time.until(() => reports.length > 0, 10_000)
    expect(reports).toEqual([epoch()])
    await world.settle(mover.stop())
  })

  it('reports nothing where it takes nothing', async () => {
    const { world, mover, reports } = make('a', joining)
    mover.start()
    await world.time.run(5_000)
    expect(reports).toEqual([])
    await world.settle(mover.stop())
  })

  it('begins a take only after a hand-over that is under way has ended', async () => {
    // b and c replicate in place of a, which is to come back when d leaves.
    const { world, store, mover, reports, moveTo } = make('a', 'found a; open +b +c +d +e +f; close')
    await store.mergeAll(recordsOf(50))
    let endDrop = (): void => undefined
    let isDropping = false
    store.beforeDrop = () => {
      isDropping = true
      return new Promise<void>(resolve => (endDrop = resolve))
    }
    mover.start()
    await world.time.until(() => isDropping, 10_000)
    expect(mover.transfers().map(({ kind }) => kind)).toEqual(['hand-over'])
    moveTo('open -d')
    await world.time.run(10_000)
    expect(world.asked('listVersions')).toBe('')
    store.beforeDrop = undefined
    endDrop()
    await world.time.until(() => reports.length > 0, 10_000)
    expect(world.asked('listVersions')).not.toBe('')
    await world.settle(mover.stop())
  })

  it('hands over what is foreign when a transition has closed, and looks again for what came late', async () => {
    const { world, store, mover, moveTo } = make('a', 'found a; open +b +c; close; open +d -a')
    await store.mergeAll(recordsOf(20))
    mover.start()
    await world.time.run(40_000)
    expect(store.usage().records).toBe(20)
    moveTo('close')
    await world.time.until(() => store.usage().records === 0, 1_000)
    await store.merge(recordOf('late'))
    await world.time.until(() => store.usage().records === 0, 40_000)
    expect(world.host('b').store.usage().records).toBe(21)
    await world.settle(mover.stop())
  })

  it('offers again after a short pause what some replica did not take', async () => {
    const { world, store, mover } = make('a', 'found a; open +b +c +d; close; open -a; close')
    await store.mergeAll(recordsOf(20))
    world.host('c').failing = 'unreachable'
    mover.start()
    await world.time.run(5_000)
    expect(store.usage().records).toBe(20)
    world.host('c').failing = undefined
    await world.time.until(() => store.usage().records === 0, 3_000)
    await world.settle(mover.stop())
  })

  it('fetches what a returning member missed, those who were away when they answer again', async () => {
    const { world, store, mover } = make('a', 'found a; open +b +c; close', { isReturning: true })
    await world.host('b').store.merge(recordOf('of b'))
    await world.host('c').store.merge(recordOf('of c'))
    world.host('c').isAlive = false
    mover.start()
    await world.time.run(1_000)
    expect(await store.times()).toEqual({ 'of b': 1 })
    world.host('c').isAlive = true
    // Who is not to be asked changes nothing.
    mover.reachable(id('b'))
    await world.time.run(100)
    expect(world.asked('listVersions')).toBe('b')
    mover.reachable(id('c'))
    await world.time.run(100)
    expect(await store.times()).toEqual({ 'of b': 1, 'of c': 1 })
    expect(world.asked('listVersions')).toBe('b c')
    await world.settle(mover.stop())
  })

  it('asks nobody for what it may have missed where it was not away, until it is told that it was', async () => {
    const { world, store, mover } = make('a', 'found a; open +b +c; close')
    await world.host('b').store.merge(recordOf('missed'))
    mover.start()
    await world.time.run(60_000)
    expect(world.sent).toEqual([])
    mover.refresh()
    await world.time.run(100)
    expect(await store.times()).toEqual({ missed: 1 })
    await world.settle(mover.stop())
  })

  it('asks anew where it is told that it was away just as it ends asking, be it at the last moment', async () => {
    for (let microtasks = 0; microtasks < 40; microtasks++) {
      const { world, mover } = make('a', 'found a; open +b; close', { isReturning: true })
      const tell = async (): Promise<void> => {
        for (let i = 0; i < microtasks; i++) await Promise.resolve()
        mover.refresh()
      }
      world.host('b').beforeAnswer = () => {
        world.host('b').beforeAnswer = undefined
        void tell()
      }
      mover.start()
      await world.time.run(100)
      // The first answer may have come too late to count.
      expect(world.asked('listVersions'), `told after ${microtasks}`).toBe('b b')
      await world.settle(mover.stop())
    }
  })

  it('shows what it moves and what that waits for while it does, and nothing afterwards', async () => {
    const { world, store, mover, reports } = make('d', joining)
    const self = id('d').peerId
    for (const name of ['a', 'b', 'c']) await world.host(name).store.mergeAll(recordsOf(20))
    world.host('b').failing = world.host('c').failing = 'unreachable'
    mover.start()
    await world.time.run(400)
    const [transfer] = mover.transfers()
    expect(transfer).toMatchObject({ peerId: self, kind: 'take', ...store.usage() })
    expect(transfer!.records).toBeGreaterThan(0)
    expect(transfer!.waitsFor).toContain(id('b').peerId)
    world.host('b').failing = undefined
    await world.time.until(() => reports.length > 0, 10_000)
    expect(mover.transfers()).toEqual([])
    await world.settle(mover.stop())
  })

  it('goes on after a failure of its own disk', async () => {
    const { world, store, mover } = make('a', 'found a; open +b +c +d; close; open -a; close')
    await store.mergeAll(recordsOf(5))
    const heads = store.heads.bind(store)
    store.heads = () => Promise.reject(new Error('a test wants it so'))
    mover.start()
    await world.time.run(10_000)
    store.heads = heads
    await world.time.until(() => store.usage().records === 0, 3_000)
    await world.settle(mover.stop())
  })

  it('stops whatever it is at, and leaves no timer and no request', async () => {
    const situations = [
      make('d', joining), // takes, and waits for its sources
      make('a', 'found a; open +b +c +d; close; open -a; close'), // hands over
      make('a', 'found a; open +b +c; close', { isReturning: true }) // refreshes
    ]
    for (const { world, store, mover } of situations) {
      for (const ms of [0, 0.5, 1.5, 2.5, 700, 5_000]) {
        await store.mergeAll(recordsOf(5))
        mover.start()
        await world.time.run(ms)
      }
      await mover.stop()
      expect(world.time.pending).toBe(0)
      expect(world.underWay).toBe(0)
      expect(mover.transfers()).toEqual([])
    }
  })

  it('hands over at once, when asked to, and says whether anything is kept', async () => {
    const { world, store, mover } = make('a', 'found a; open +b +c +d; close; open -a; close')
    await store.mergeAll(recordsOf(5))
    const { signal } = new AbortController()
    world.host('b').failing = 'unreachable'
    expect(await world.settle(mover.handOverNow(signal))).toBe(false)
    world.host('b').failing = undefined
    expect(await world.settle(mover.handOverNow(signal))).toBe(true)
    expect(store.usage().records).toBe(0)
  })
})
