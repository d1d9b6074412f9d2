import { describe, expect, it, vi } from 'vitest'
import { domainsFollowing } from '../../../src/core/movement/domains.ts'
import { Mover, type MoverInit } from '../../../src/core/movement/mover.ts'
import type { Topology } from '../../../src/core/topology/topology.ts'
import { wholeRing } from '../../../src/core/ring/range.ts'
import { rootNode } from '../../../src/core/movement/slot-tree.ts'
import { SessionDomain } from '../../../src/wire/generated/messages.ts'
import { id, run as script } from '../topology/script.ts'
import { recordOf, recordsOf, World } from './world.ts'

/** The mover of one member, before it starts, and the log as it sees it. */
function make(self: string, statements: string, init: Partial<MoverInit> = {}) {
  const world = new World('a b c d e f', self)
  let topology = script(statements)
  world.follow(topology)
  const reports: number[] = []
  /** How many reports are to fail. */
  const failing = { reports: 0 }
  const { store, member } = world.host(self)
  const mover = new Mover(
    {
      ...world.components(self),
      domains: domainsFollowing(member, () => topology),
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
    world.follow(topology)
    mover.topologyChanged()
    return topology
  }
  return { world, store, mover, reports, failing, moveTo, epoch: () => topology.epoch }
}

/** Of what was asked: with whom it took. */
function taken(world: World): string {
  const roots = world.sent.filter(({ request }) => request.compareNodes?.parents[0] === rootNode)
  return roots
    .filter(({ request }) => request.compareNodes!.domain === SessionDomain.DOMAIN_TAKEN)
    .map(({ to }) => to)
    .join(' ')
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
    expect(taken(world).split(' ')).toHaveLength(2)
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
    expect(taken(world)).toBe('')
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
    const drops = Promise.withResolvers<undefined>()
    let isDropping = false
    store.beforeDrop = async () => {
      isDropping = true
      await drops.promise
    }
    mover.start()
    await world.time.until(() => isDropping, 10_000)
    expect(mover.transfers().map(({ kind }) => kind)).toEqual(['hand-over'])
    moveTo('open -d')
    await world.time.run(10_000)
    expect(taken(world)).toBe('')
    store.beforeDrop = undefined
    drops.resolve(undefined)
    await world.time.until(() => reports.length > 0, 10_000)
    expect(taken(world)).not.toBe('')
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

  it('reconciles with all at once when it returns, with those who were away when they answer again', async () => {
    const { world, store, mover } = make('a', 'found a; open +b +c; close', { isReturning: true })
    await world.host('b').store.merge(recordOf('of b'))
    await world.host('c').store.merge(recordOf('of c'))
    await store.merge(recordOf('of a'))
    world.host('c').isAlive = false
    mover.start()
    await world.time.run(100)
    expect(await store.times()).toEqual({ 'of a': 1, 'of b': 1 })
    world.host('c').isAlive = true
    // Who is no neighbour changes nothing.
    mover.reachable(id('d'))
    await world.time.run(100)
    expect(world.begun).toBe('b')
    mover.reachable(id('c'))
    await world.time.run(100)
    expect(world.begun).toBe('b c')
    const all = { 'of a': 1, 'of b': 1, 'of c': 1 }
    expect(await store.times()).toEqual(all)
    expect(await world.host('c').store.times()).toEqual(all)
    await world.settle(mover.stop())
  })

  it('gives one that was away time to ask by itself, and asks it then', async () => {
    const { world, mover } = make('a', 'found a; open +b +c; close')
    mover.start()
    await world.time.run(1_100)
    expect(world.begun.split(' ').sort()).toEqual(['b', 'c'])
    world.host('b').isAlive = false
    await world.time.run(60_000)
    const { begun } = world
    const since = (): string => world.begun.slice(begun.length).replaceAll(' c', '')
    world.host('b').isAlive = true
    mover.reachable(id('b'))
    await world.time.run(4_900)
    expect(since()).toBe('')
    await world.time.run(5_200)
    expect(since()).toBe(' b')
    // But it was away itself.
    world.host('b').isAlive = false
    mover.refresh()
    world.host('b').isAlive = true
    mover.reachable(id('b'))
    await world.time.run(100)
    expect(since()).toBe(' b b')
    await world.settle(mover.stop())
  })

  it('reconciles with each neighbour within a second when the ring changed, and then every half a minute', async () => {
    const { world, store, mover, moveTo } = make('a', 'found a; open +b +c; close')
    await world.host('b').store.merge(recordOf('missed'))
    mover.start()
    await world.time.run(1_100)
    expect(world.begun.split(' ').sort()).toEqual(['b', 'c'])
    expect(await store.times()).toEqual({ missed: 1 })
    await world.time.run(30_000)
    expect(world.begun.split(' ').length).toBeGreaterThanOrEqual(4)
    await world.host('c').store.merge(recordOf('missed too'))
    await world.time.run(30_100)
    expect(await store.times()).toEqual({ missed: 1, 'missed too': 1 })
    // Who takes in a transition is no neighbour before it closes.
    moveTo('open +d')
    world.sent.length = 0
    await world.time.run(20_000)
    expect(world.begun).not.toContain('d')
    moveTo('close')
    await world.time.run(1_100)
    expect(world.begun).toContain('d')
    await world.settle(mover.stop())
  })

  it('leaves it to a neighbour that asked meanwhile and was found equal', async () => {
    const { world, mover } = make('a', 'found a; open +b +c; close')
    mover.start()
    await world.time.run(1_100)
    world.sent.length = 0
    for (let i = 0; i < 20; i++) {
      await world.time.run(10_000)
      mover.foundEqual(id('b'))
    }
    expect(world.begun.split(' ').every(name => name === 'c')).toBe(true)
    await world.settle(mover.stop())
  })

  it('goes on at once where it is told that it was away, and after a pause where a session failed', async () => {
    const { world, store, mover } = make('a', 'found a; open +b +c; close')
    mover.start()
    await world.time.run(1_100)
    await world.host('b').store.merge(recordOf('missed'))
    mover.refresh()
    await world.time.run(100)
    expect(await store.times()).toEqual({ missed: 1 })
    world.host('b').failing = 'lost'
    await world.host('b').store.merge(recordOf('later'))
    mover.refresh()
    await world.time.run(100)
    world.host('b').failing = undefined
    await world.time.run(3_100)
    expect(await store.times()).toEqual({ missed: 1, later: 1 })
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
      expect(world.begun, `told after ${microtasks}`).toBe('b b')
      await world.settle(mover.stop())
    }
  })

  it('says since when it is reconciled with all, at this epoch, with nothing foreign and nothing damaged', async () => {
    const { world, store, mover, moveTo, epoch } = make('a', 'found a; open +b +c +d +e; close')
    await store.mergeAll(recordsOf(50))
    mover.start()
    expect(mover.reconciled()).toBeUndefined()
    world.host('e').failing = 'unreachable'
    await world.time.run(5_000)
    expect(mover.reconciled()).toBeUndefined()
    world.host('e').failing = undefined
    await world.time.run(5_000)
    const state = mover.reconciled()
    expect(state).toMatchObject({ epoch: epoch() })
    // Not before the first of the sessions that count: foreign records of the start were handed over.
    expect(state!.sinceMs).toBeLessThanOrEqual(world.clock.monotonic())
    const [held] = await store.heads(wholeRing, { limit: 1 })
    await store.damage(held!.position)
    expect(mover.reconciled()).toBeUndefined()
    await store.repair(held!.position, undefined)
    expect(mover.reconciled()).toBeDefined()
    // Another epoch, though the ring is the same: all sessions count anew.
    moveTo('purge 0 5')
    expect(mover.reconciled()).toBeUndefined()
    await world.time.run(1_000)
    expect(mover.reconciled()).toBeUndefined()
    await world.time.run(31_000)
    expect(mover.reconciled()).toMatchObject({ epoch: epoch() })
    await world.settle(mover.stop())
  })

  it('says so at an epoch only when it has looked for foreign records at that epoch, be it alone', async () => {
    const { world, mover, moveTo, epoch } = make('a', 'found a')
    mover.start()
    await world.time.run(100)
    expect(mover.reconciled()).toMatchObject({ epoch: 1 })
    moveTo('purge 0 5')
    expect(mover.reconciled()).toBeUndefined()
    await world.time.run(100)
    expect(mover.reconciled()).toMatchObject({ epoch: epoch() })
    await world.settle(mover.stop())
  })

  it('does not count a session in which the other has a damaged record', async () => {
    const { world, mover } = make('a', 'found a; open +b +c; close')
    await world.host('b').store.merge(recordOf('key'))
    await world.host('b').store.damage(recordOf('key').position)
    mover.start()
    await world.time.run(40_000)
    expect(mover.reconciled()).toBeUndefined()
    await world.settle(mover.stop())
  })

  it('repairs a damaged record a minute after it is known, no sooner', async () => {
    const { world, store, mover } = make('a', 'found a; open +b +c; close')
    await store.merge(recordOf('key', 1))
    await store.damage(recordOf('key').position)
    for (const name of ['b', 'c']) await world.host(name).store.merge(recordOf('key', 2))
    mover.start()
    await world.time.run(59_000)
    await expect(store.head(recordOf('key').position)).rejects.toThrow('damaged')
    await world.time.run(2_000)
    expect((await store.head(recordOf('key').position))?.version.time).toBe(2)
    await world.settle(mover.stop())
  })

  it('repairs all the same while what it holds cannot be counted, and reconciles as soon as it is', async () => {
    const { world, store, mover } = make('a', 'found a; open +b +c; close')
    store.fingerprints.begin()
    store.fingerprints.fail('a bad disk')
    await store.merge(recordOf('key', 1))
    await store.damage(recordOf('key').position)
    for (const name of ['b', 'c']) await world.host(name).store.mergeAll(recordsOf(20, 2))
    await world.host('b').store.merge(recordOf('key', 2))
    mover.start()
    await world.time.run(70_000)
    expect((await store.head(recordOf('key').position))?.version.time).toBe(2)
    expect(world.begun).toBe('')
    store.fingerprints.complete()
    await world.time.run(5_000)
    expect(store.usage().records).toBe(21)
    await world.settle(mover.stop())
    expect(world.time.pending).toBe(0)
  })

  it('has the count of what it holds wake it once, however long that takes', async () => {
    const { world, store, mover } = make('a', 'found a; open +b +c; close')
    store.fingerprints.begin()
    const awaited = vi.spyOn(store.fingerprints.completed, 'then')
    mover.start()
    await world.time.run(600_000)
    expect(awaited).toHaveBeenCalledTimes(1)
    await world.settle(mover.stop())
  })

  it('says of a take that it waits until what is held is counted', async () => {
    const { world, store, mover, reports } = make('d', joining)
    store.fingerprints.begin()
    store.fingerprints.fail('a bad disk')
    mover.start()
    await world.time.run(1_000)
    expect(mover.transfers()).toMatchObject([
      { kind: 'take', waitsFor: 'its records to be counted (a bad disk)' }
    ])
    store.fingerprints.complete()
    await world.time.until(() => reports.length > 0, 10_000)
    await world.settle(mover.stop())
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
