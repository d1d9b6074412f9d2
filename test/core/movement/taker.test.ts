import { describe, expect, it } from 'vitest'
import { sameMember, type MemberId } from '../../../src/core/member.ts'
import { Domain } from '../../../src/core/movement/domain.ts'
import { Domains } from '../../../src/core/movement/domains.ts'
import { noProgress, recordsLeft } from '../../../src/core/movement/progress.ts'
import { take } from '../../../src/core/movement/taker.ts'
import { positionOf } from '../../../src/core/ring/position.ts'
import { wholeRing, type Range } from '../../../src/core/ring/range.ts'
import type { Duty } from '../../../src/core/topology/transition.ts'
import { id, member, run as script } from '../topology/script.ts'
import { recordOf, recordsOf, sizeOf, World } from './world.ts'

/** A world of these members, in which one takes. */
function make(names: string, self: string) {
  const world = new World(names, self)
  const progress = noProgress()
  const stop = new AbortController()
  const { store, member } = world.host(self)
  const start = (duties: readonly Duty[], epoch = 1): Promise<void> => {
    const topology = { epoch }
    const takenFrom = (source: MemberId): Domain | undefined => {
      const theirs = duties.filter(({ sources }) => sources.some(other => sameMember(other, source)))
      return theirs.length === 0 ? undefined : new Domain(mergedRanges(theirs))
    }
    for (const name of names.split(' ')) {
      const domain = takenFrom(id(name))
      const none = (): undefined => undefined
      world.host(name).domains = { sharedWith: none, takenBy: () => domain, handedOverBy: none }
    }
    const domains = { topology, duties, takenFrom }
    return take(world.components(self), {
      self: member,
      domains,
      signal: stop.signal,
      progress
    })
  }
  const run = (duties: readonly Duty[], epoch = 1): Promise<void> => world.settle(start(duties, epoch))
  return { world, store, progress, stop, start, run }
}

/** Domains want ranges that do not overlap; here several duties may be of one range. */
function mergedRanges(duties: readonly Duty[]): readonly Range[] {
  return [...new Set(duties.map(({ range }) => range))]
}

const duty = (sources: string, needed: number, range: Range = wholeRing): Duty => ({
  range,
  sources: sources.split(' ').map(name => ({
    ...member(name),
    standing: 'up',
    since: 1,
    standingAt: 1,
    lost: false
  })),
  needed
})

/** Two halves of the ring. */
const middle = positionOf(Buffer.from('middle'))
const lower = { start: wholeRing.start, end: middle }
const upper = { start: middle, end: wholeRing.end }

describe('a taker', () => {
  it('pulls from as many of the replicas as are needed, and from no more', async () => {
    for (const [sources, needed] of [
      ['a', 1],
      ['a b', 1],
      ['a b c', 2],
      ['a b c d e', 3]
    ] as const) {
      const { world, run } = make('a b c d e x', 'x')
      await run([duty(sources, needed)])
      expect(world.begun).toBe(sources.slice(0, 2 * needed - 1))
      expect(world.time.pending).toBe(0)
    }
  })

  it('holds afterwards every write that a quorum of the ring before holds, whichever that is', async () => {
    for (const holders of ['a b', 'a c', 'b c']) {
      for (const away of ['a', 'b', 'c', 'none']) {
        const { world, store, run } = make('a b c x none', 'x')
        for (const name of holders.split(' ')) await world.host(name).store.merge(recordOf('written'))
        world.host(away).failing = 'unreachable'
        await run([duty('a b c', 2)])
        expect(await store.times(), `on ${holders}, ${away} away`).toEqual({ written: 1 })
      }
    }
  })

  it('does not count a source for a range in which that has a damaged record', async () => {
    const { world, store, run } = make('a b c x', 'x')
    // Acknowledged by a and c: what a cannot read and b lacks would be lost without c.
    const written = recordOf('written')
    for (const name of ['a', 'c']) await world.host(name).store.merge(written)
    await world.host('a').store.damage(written.position)
    await run([duty('a b c', 2)])
    expect(await store.times()).toEqual({ written: 1 })
    expect(world.begun).toBe('a b c')
  })

  it('counts that source for the other ranges, and takes from it there', async () => {
    const { world, store, run } = make('a b x', 'x')
    const records = recordsOf(20)
    await world.host('a').store.mergeAll(records)
    await world.host('b').store.mergeAll(records)
    const [damaged] = records.filter(({ position }) => Buffer.compare(position, middle) < 0)
    await world.host('a').store.damage(damaged!.position)
    await run([duty('a b', 1, lower), duty('a', 1, upper)])
    expect(store.usage().records).toBe(20)
  })

  it('counts itself where it is one of them', async () => {
    const { world, run } = make('a b c', 'b')
    await run([duty('a b c', 2)])
    expect(world.begun).toBe('a')
    const alone = make('a b', 'b')
    await alone.run([duty('a b', 1)])
    expect(alone.world.sent).toEqual([])
  })

  it('does not count itself for a range in which a record of its own is damaged', async () => {
    const { world, store, run } = make('a b c', 'b')
    const written = recordOf('written')
    // Acknowledged by b and c: without c it would be lost.
    for (const name of ['b', 'c']) await world.host(name).store.merge(written)
    await store.damage(written.position)
    await run([duty('a b c', 2)])
    expect(world.begun).toBe('a c')
  })

  it('asks each source once for all the ranges that still lack it, the most wanted source first', async () => {
    const { world, run } = make('a b c d x', 'x')
    await run([duty('a b', 1, lower), duty('d b', 1, upper)])
    expect(world.begun).toBe('b')
  })

  it('has each record sent once, however many sources hold it', async () => {
    const { world, store, progress, run } = make('a b c d e x', 'x')
    const records = Array.from({ length: 200 }, (_, i) =>
      recordOf(`${i}`, 1, { value: new Uint8Array(4_000) })
    )
    for (const name of ['a', 'b', 'c']) await world.host(name).store.mergeAll(records)
    await run([duty('a b c d e', 3)])
    expect(store.usage().bytes).toBe(sizeOf(records))
    expect(progress).toMatchObject({ records: 200, bytes: sizeOf(records) })
    expect(world.moved).toEqual({ records: 200, bytes: sizeOf(records) })
    expect(world.begun).toBe('a b c')
  })

  it('gives no credit to a session at another epoch, also where the epoch moved within it', async () => {
    const { world, store, start } = make('a b c x', 'x')
    const [a, b, c] = [world.host('a'), world.host('b'), world.host('c')]
    for (const host of [a, b, c]) await host.store.merge(recordOf(`of ${host.name}`))
    world.moveTo(5)
    a.epoch = 4
    b.beforeAnswer = kind => void (b.epoch = kind === 'streamNodes' || kind === 'fetchRecords' ? 6 : 5)
    const taking = start([duty('a b c', 2)], 5)
    await world.time.run(400)
    expect(await store.times()).toEqual({ 'of c': 1 })
    expect(world.begun).toBe('a b c')
    a.epoch = 5
    await world.settle(taking)
    expect(await store.times()).toEqual({ 'of a': 1, 'of c': 1 })
  })

  it('asks those that are alive first, and takes the next one where one fails', async () => {
    const { world, run } = make('a b c d e x', 'x')
    world.host('a').isAlive = false
    world.host('b').failing = 'lost'
    await run([duty('a b c d e', 3)])
    expect(world.begun).toBe('c d e')
    const other = make('a b c x', 'x')
    other.world.host('a').isAlive = false
    other.world.host('b').failing = 'lost'
    await other.run([duty('a b c', 2)])
    expect(other.world.begun).toBe('c a')
  })

  it('says what it waits for and tries again, with pauses, until enough sources have answered', async () => {
    const { world, progress, start } = make('a b c x', 'x')
    const [a, b] = [world.host('a'), world.host('b')]
    a.failing = b.failing = 'unreachable'
    const taking = start([duty('a b c', 2, lower), duty('a b c', 2, upper)])
    await world.time.run(3_000)
    expect(progress.waitsFor).toBe(
      `records of 2 ranges from ${[a, b]
        .map(({ member }) => member.peerId)
        .sort()
        .join(', ')}`
    )
    // What c gave counts: it is not asked again.
    expect(world.begun).toBe('c')
    b.failing = undefined
    const since = world.time.nowMs
    await world.settle(taking)
    expect(world.time.nowMs - since).toBeLessThanOrEqual(510)
    expect(world.begun).toBe('c b')
    expect(progress.waitsFor).toBeUndefined()
    expect(world.time.pending).toBe(0)
  })

  it('says of whom it waits for whether they answer', async () => {
    const { world, progress, stop, start } = make('a b x', 'x')
    world.host('a').failing = 'lost'
    world.host('a').isAlive = false
    const taking = start([duty('a b', 2)])
    await world.time.run(1_000)
    expect(progress.waitsFor).toBe(
      `records of 1 range from ${world.host('a').member.peerId}, which does not answer`
    )
    stop.abort(new Error('enough'))
    await expect(taking).rejects.toThrow('enough')
  })

  it('reckons with what the sources have that it will ask later', async () => {
    const { world, progress, start } = make('a b x', 'x')
    const records = recordsOf(400)
    for (const name of ['a', 'b']) await world.host(name).store.mergeAll(records)
    const seen: Array<readonly [done: number, left: number]> = []
    progress.changed = () => seen.push([progress.records, recordsLeft(progress)])
    const taking = start([duty('a', 1, lower), duty('b', 1, upper)])
    await world.settle(taking)
    expect(progress.records).toBe(400)
    expect(new Set(seen.map(([done]) => done)).size).toBeGreaterThan(1)
    // Within what chance makes of it: the second half is only reckoned with while the first one is taken.
    for (const [done, left] of seen) expect(Math.abs(done + left - 400), `${done} + ${left}`).toBeLessThan(80)
    expect(recordsLeft(progress)).toBe(0)
  })

  it('waits for nothing any more once a source is there, though it has nothing new', async () => {
    const { world, progress, start } = make('a b c x', 'x')
    world.host('a').failing = world.host('b').failing = 'unreachable'
    const taking = start([duty('a b', 2), duty('c', 1)])
    await world.time.run(400)
    expect(progress.waitsFor).toContain('records of 1 range from')
    world.host('a').failing = undefined
    await world.time.run(510)
    expect(progress.waitsFor).toContain(world.host('b').member.peerId)
    expect(progress.waitsFor).not.toContain(world.host('a').member.peerId)
    world.host('b').failing = undefined
    await world.settle(taking)
    expect(progress.waitsFor).toBeUndefined()
  })

  it('ends at its signal, while it asks and while it waits, and leaves no timer', async () => {
    for (const failing of ['unreachable', undefined] as const) {
      const { world, stop, start } = make('a x', 'x')
      await world.host('a').store.mergeAll(recordsOf(3))
      world.host('a').failing = failing
      const taking = start([duty('a', 1)])
      await world.time.run(failing === undefined ? 1.5 : 100)
      stop.abort(new Error('enough'))
      await expect(taking).rejects.toThrow('enough')
      expect(world.time.pending).toBe(0)
    }
  })

  it('is done at once where nothing is needed', async () => {
    const { world, run } = make('a x', 'x')
    await run([])
    await run([duty('a', 0)])
    expect(world.sent).toEqual([])
  })

  it('counts no source that was given up where all that were not are needed', async () => {
    const { world, store, run } = make('a b c x', 'x')
    // b and c are given up, and answer all the same; what only a survivor has may be on neither.
    const written = recordOf('written')
    await world.host('a').store.merge(written)
    const { sources, ...rest } = duty('b c a', 1)
    await run([{ ...rest, sources: sources.map((source, i) => ({ ...source, lost: i < 2 })) }])
    expect(await store.times()).toEqual({ written: 1 })
  })

  it('takes in a join what its ranges hold, and nothing else (G2)', async () => {
    const topology = script('found a; open +b +c +d; close; open +e')
    const { world, store, progress } = make('a b c d e', 'e')
    const records = recordsOf(400)
    for (const record of records) {
      for (const { peerId, life } of topology.before.replicas(record.position, 3))
        await world.of({ peerId, life }).store.merge(record)
    }
    world.follow(topology)
    const { signal } = new AbortController()
    const init = { self: id('e'), domains: new Domains(topology, id('e')), signal, progress }
    await world.settle(take(world.components('e'), init))
    const own = records.filter(({ position }) =>
      topology.after!.replicas(position, 3).some(({ peerId }) => peerId === id('e').peerId)
    )
    expect(own.length).toBeGreaterThan(0)
    expect(store.usage()).toEqual({ records: own.length, bytes: sizeOf(own) })
    expect(world.moved).toEqual({ records: own.length, bytes: sizeOf(own) })
  })
})
