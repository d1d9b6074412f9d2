import { describe, expect, it } from 'vitest'
import { maxBatchBytes } from '../../../src/core/limits.ts'
import { sameMember, type MemberId } from '../../../src/core/member.ts'
import { Domains } from '../../../src/core/movement/domains.ts'
import { handOver, hasNothingForeign, type HandOverResult } from '../../../src/core/movement/giver.ts'
import { noProgress } from '../../../src/core/movement/progress.ts'
import { StoreError } from '../../../src/core/ports.ts'
import type { StoredRecord } from '../../../src/core/record/record.ts'
import { formatPosition } from '../../../src/core/ring/position.ts'
import type { Topology } from '../../../src/core/topology/topology.ts'
import { id, run as script } from '../topology/script.ts'
import { recordOf, recordsOf, sizeOf, World } from './world.ts'

/** Who left holds what it held: all of it foreign now, to be replicated by b, c and d. */
const afterLeave = 'found a; open +b +c +d; close; open -a; close'

async function make(records: readonly StoredRecord[], statements = afterLeave) {
  const world = new World('a b c d e', 'a')
  const state = { topology: script(statements) }
  world.follow(state.topology)
  const [a, b, c, d] = ['a', 'b', 'c', 'd'].map(name => world.host(name)) as [Host, Host, Host, Host]
  await a.store.mergeAll(records)
  const progress = noProgress()
  const stop = new AbortController()
  const run = (): Promise<HandOverResult> => {
    const domains = new Domains(state.topology, a.member)
    return world.settle(handOver(world.components('a'), { domains, signal: stop.signal, progress }))
  }
  return { world, state, a, b, c, d, progress, stop, run }
}

type Host = ReturnType<World['host']>

describe('a hand-over', () => {
  it('gives every foreign record to all of its replicas, and drops it then', async () => {
    const records = recordsOf(20)
    const { a, b, c, d, progress, run } = await make(records)
    expect(await run()).toEqual({ dropped: 20, kept: 0 })
    expect(a.store.usage().records).toBe(0)
    for (const host of [b, c, d]) expect(host.store.usage().records).toBe(20)
    expect(progress).toMatchObject({ records: 60, bytes: 3 * sizeOf(records), left: 0, waitsFor: undefined })
    expect(await run()).toEqual({ dropped: 0, kept: 0 })
  })

  it('sends nobody what it has already, or has in a newer version', async () => {
    const { world, b, c, d, run } = await make([recordOf('key', 2)])
    await b.store.merge(recordOf('key', 2))
    await c.store.merge(recordOf('key', 3))
    expect(await run()).toEqual({ dropped: 1, kept: 0 })
    expect(world.asked('pushRecords')).toBe('d')
    expect(await Promise.all([b, c, d].map(host => host.store.times()))).toEqual([
      { key: 2 },
      { key: 3 },
      { key: 2 }
    ])
  })

  it('hands over tombstones and expired records with their bytes', async () => {
    const records = [
      recordOf('deleted', 2, { kind: 'tombstone', value: new Uint8Array() }),
      recordOf('expired', 2, { expiresAt: 1 })
    ]
    const { b, run } = await make(records)
    expect(await run()).toEqual({ dropped: 2, kept: 0 })
    for (const record of records) expect(await b.store.read(record.position)).toEqual(record)
  })

  it('touches nothing that this member replicates in a ring in force, be it only the one before', async () => {
    for (const statements of ['found a; open +b; close', 'found a; open +b +c; close; open +d -a']) {
      const { world, a, run } = await make(recordsOf(20), statements)
      expect(await run(), statements).toEqual({ dropped: 0, kept: 0 })
      expect(a.store.usage().records).toBe(20)
      expect(world.sent).toEqual([])
    }
  })

  it('hands over only what is foreign where a member has lost some of its ranges', async () => {
    const { state, a, run } = await make(recordsOf(200), 'found a; open +b +c +d +e; close')
    const own = recordsOf(200).filter(({ position }) => isOfA(state.topology, position))
    expect(await run()).toEqual({ dropped: 200 - own.length, kept: 0 })
    expect(Object.keys(await a.store.times()).sort()).toEqual(own.map(keyOf).sort())
  })

  it('gives to the replicas of both rings during a transition', async () => {
    const { world, run } = await make(recordsOf(1), `${afterLeave}; open +e -b`)
    await run()
    expect(world.asked('pushRecords').split(' ').sort()).toEqual(['b', 'c', 'd', 'e'])
  })

  it('drops nothing while one replica is away, says so, and drops it when that one is back', async () => {
    const { a, b, c, d, progress, run } = await make(recordsOf(20))
    d.failing = 'unreachable'
    expect(await run()).toEqual({ dropped: 0, kept: 20 })
    expect(progress.waitsFor).toBe(`${d.member.peerId} to take what it now replicates`)
    expect([a, b, c, d].map(({ store }) => store.usage().records)).toEqual([20, 20, 20, 0])
    d.failing = undefined
    expect(await run()).toEqual({ dropped: 20, kept: 0 })
    expect([a, b, c, d].map(({ store }) => store.usage().records)).toEqual([0, 20, 20, 20])
  })

  it('drops nothing that a replica took at another epoch, nor stops giving to the others', async () => {
    const { a, b, c, d, run } = await make(recordsOf(20))
    b.epoch--
    c.beforeAnswer = kind => {
      if (kind === 'pushRecords') c.epoch++
    }
    expect(await run()).toEqual({ dropped: 0, kept: 20 })
    expect(a.store.usage().records).toBe(20)
    expect(d.store.usage().records).toBe(20)
  })

  it('keeps a record that changed meanwhile, and counts it, and drops it when the change is handed over', async () => {
    const { a, b, c, d, run } = await make([recordOf('key', 1)])
    d.beforeAnswer = () => a.store.merge(recordOf('key', 2))
    expect(await run()).toEqual({ dropped: 0, kept: 1 })
    expect(await a.store.times()).toEqual({ key: 2 })
    d.beforeAnswer = undefined
    expect(await run()).toEqual({ dropped: 1, kept: 0 })
    for (const host of [b, c, d]) expect(await host.store.times()).toEqual({ key: 2 })
  })

  it('keeps all of them where the log has moved by the time that all have them: some may be its own now', async () => {
    const { world, state, a, run } = await make([], 'found a; open +b +c +d +e; close')
    const before = state.topology
    const foreign = recordsOf(200).filter(({ position }) => !isOfA(before, position))
    await a.store.mergeAll(foreign)
    const after = script('open -c', { from: before })
    expect(foreign.some(({ position }) => isOfA(after, position))).toBe(true)
    for (const host of ['b', 'c', 'd', 'e'].map(name => world.host(name)))
      await host.store.mergeAll(foreign.filter(({ position }) => isOf(before, host.member, position)))
    // The log moves here while the last of all answers is on its way.
    world.host('e').beforeAnswer = () => void (a.epoch = after.epoch)
    expect(await run()).toMatchObject({ dropped: 0 })
    expect(a.store.usage().records).toBe(foreign.length)
  })

  it('asks nothing at a later epoch than the one that it began at', async () => {
    const { world, a, b, run } = await make(recordsOf(20))
    b.beforeAnswer = () => void (a.epoch = a.epoch + 1)
    expect(await run()).toEqual({ dropped: 0, kept: 20 })
    expect(world.sent).toHaveLength(1)
  })

  it('keeps a record whose value is damaged, and hands over all others', async () => {
    const { a, b, run } = await make(recordsOf(20))
    a.store.damagedValues.add(formatPosition(recordOf('key 7').position))
    expect(await run()).toEqual({ dropped: 19, kept: 1 })
    expect(Object.keys(await a.store.times())).toEqual(['key 7'])
    expect(b.store.usage().records).toBe(19)
  })

  it('neither offers nor drops a record that is damaged altogether, nor its neighbours in the slot', async () => {
    const { world, a, run } = await make(recordsOf(20))
    await a.store.damage(recordOf('key 7').position)
    expect(await run()).toEqual({ dropped: 19, kept: 0 })
    expect(Object.keys(await a.store.times())).toEqual(['key 7'])
    expect(world.moved.records).toBe(3 * 19)
  })

  it('drops nothing that a replica cannot take because it is damaged there', async () => {
    const { a, d, run } = await make([recordOf('key', 2)])
    await d.store.merge(recordOf('key', 1))
    await d.store.damage(recordOf('key').position)
    expect(await run()).toEqual({ dropped: 0, kept: 1 })
    expect(await a.store.times()).toEqual({ key: 2 })
  })

  it('sees by the fingerprints whether there is anything foreign, be it damaged', async () => {
    const { state, a, run } = await make(recordsOf(20), 'found a; open +b +c +d +e; close')
    const { foreign } = new Domains(state.topology, a.member)
    const position = recordsOf(20).find(record => !isOfA(state.topology, record.position))!.position
    expect(await hasNothingForeign(a.sums, foreign)).toBe(false)
    await a.store.damage(position)
    await run()
    expect(await hasNothingForeign(a.sums, foreign)).toBe(false)
    await a.store.repair(position, undefined)
    expect(await hasNothingForeign(a.sums, foreign)).toBe(true)
    expect(await hasNothingForeign(a.sums, undefined)).toBe(true)
  })

  it('goes through the ring window by window where there is much, and asks who is away once only', async () => {
    const { world, a, b, d, run } = await make(recordsOf(5_000))
    d.failing = 'unreachable'
    const asked: string[] = []
    const call = world.call.bind(world)
    world.call = (to, request, options) => {
      asked.push(world.of(to).name)
      return call(to, request, options)
    }
    expect(await run()).toEqual({ dropped: 0, kept: 5_000 })
    expect(asked.filter(name => name === 'd')).toHaveLength(1)
    expect(b.store.usage().records).toBe(5_000)
    d.failing = undefined
    expect(await run()).toEqual({ dropped: 5_000, kept: 0 })
    expect(a.store.usage().records).toBe(0)
  })

  it('goes through more records than are offered at a time', async () => {
    const { a, d, run } = await make(recordsOf(1_000))
    expect(await run()).toEqual({ dropped: 1_000, kept: 0 })
    expect(a.store.usage().records).toBe(0)
    expect(d.store.usage().records).toBe(1_000)
  })

  it('goes on past records that stay', async () => {
    const { b, d, run } = await make(recordsOf(1_000))
    d.failing = 'unreachable'
    expect(await run()).toEqual({ dropped: 0, kept: 1_000 })
    expect(b.store.usage().records).toBe(1_000)
  })

  it('pushes in batches that fit a message, and a record that is larger than one alone', async () => {
    const value = new Uint8Array(100_000)
    const records = Array.from({ length: 12 }, (_, i) => recordOf(`${i}`, 1, { value }))
    const huge = recordOf('huge', 1, { value: new Uint8Array(3 * maxBatchBytes) })
    const { world, run } = await make([...records, huge])
    expect(await run()).toEqual({ dropped: 13, kept: 0 })
    const batches = world.sent.filter(({ kind, to }) => kind === 'pushRecords' && to === 'b')
    const sizes = batches.map(({ request }) => request.pushRecords!.records.length)
    expect(Math.max(...sizes)).toBe(5)
    expect(batches.filter(({ bytes }) => bytes > maxBatchBytes + 2_000)).toHaveLength(1)
    expect(batches.length).toBeLessThanOrEqual(5)
  })

  it('gives a replica that names what it was not offered none of it', async () => {
    const { world, state, run } = await make(recordsOf(20), 'found a; open +b +c +d +e; close')
    const own = recordsOf(20).find(({ position }) => isOfA(state.topology, position))!
    for (const name of ['b', 'c', 'd', 'e']) {
      const { source } = world.host(name)
      const offer = source.offerVersions.bind(source)
      source.offerVersions = async message => {
        const { wanted } = await offer(message)
        const positions = [own.position, ...wanted!.positions]
        return { wanted: { positions, damaged: [] } }
      }
    }
    await run()
    const pushed = world.sent.flatMap(({ request }) => request.pushRecords?.records ?? [])
    expect(pushed.length).toBeGreaterThan(0)
    expect(pushed.some(encoded => Buffer.compare(encoded, own.encoded) === 0)).toBe(false)
  })

  it('fails where its own disk fails, rather than to blame a replica', async () => {
    const { a, progress, run } = await make(recordsOf(20))
    a.store.read = () => Promise.reject(new StoreError('a test wants it so'))
    await expect(run()).rejects.toThrow(StoreError)
    expect(progress.waitsFor).toBeUndefined()
  })

  it('ends at its signal', async () => {
    const { world, a, b, c, d, stop, run } = await make(recordsOf(20))
    for (const host of [b, c, d]) host.beforeAnswer = () => stop.abort(new Error('enough'))
    await expect(run()).rejects.toThrow('enough')
    expect(world.sent).toHaveLength(1)
    expect(a.store.usage().records).toBe(20)
  })
})

function isOfA(topology: Topology, position: Uint8Array): boolean {
  return isOf(topology, id('a'), position)
}

function isOf({ rings, replicas }: Topology, member: MemberId, position: Uint8Array): boolean {
  return rings.some(ring => ring.replicas(position, replicas).some(replica => sameMember(replica, member)))
}

function keyOf({ key }: StoredRecord): string {
  return new TextDecoder().decode(key)
}
