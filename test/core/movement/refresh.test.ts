import { describe, expect, it } from 'vitest'
import { memberKey } from '../../../src/core/member.ts'
import { refresh } from '../../../src/core/movement/refresh.ts'
import { id, run as script } from '../topology/script.ts'
import { silent } from '../topology/fakes.ts'
import { noProgress, recordOf, recordsOf, World } from './world.ts'

/** A world of a, b, c and d in a topology, where a was away; replicas hold what the rings before say. */
async function make(statements: string, replicas = 3) {
  const topology = script(statements, { replicas })
  const world = new World('a b c d e')
  for (const record of recordsOf(100)) {
    for (const member of topology.before.replicas(record.position, replicas))
      if (member.peerId !== id('a').peerId) await world.of(member).store.merge(record)
  }
  world.moveTo(topology.epoch)
  const stop = new AbortController()
  const progress = noProgress()
  const { store, member } = world.host('a')
  const run = (toAsk: 'all' | string[] = 'all'): Promise<ReadonlySet<string>> =>
    world.settle(
      refresh(
        { calls: world, store, logger: silent, isAlive: world.isAlive },
        {
          self: member,
          topology,
          toAsk: toAsk === 'all' ? toAsk : new Set(toAsk.map(key)),
          signal: stop.signal,
          progress
        }
      )
    )
  return { world, topology, store, stop, progress, run }
}

const key = (name: string): string => memberKey(id(name))

describe('a refresh', () => {
  it('brings what this member replicates and missed, and nothing else', async () => {
    const { topology, store, progress, run } = await make('found a; open +b +c +d; close')
    expect(await run()).toEqual(new Set())
    const own = recordsOf(100).filter(({ position }) =>
      topology.before.replicas(position, 3).some(({ peerId }) => peerId === id('a').peerId)
    )
    expect(own.length).toBeLessThan(100)
    expect(Object.keys(await store.times()).sort()).toEqual(
      own.map(({ key }) => new TextDecoder().decode(key)).sort()
    )
    expect(progress.records).toBe(own.length)
  })

  it('asks each of those it shares ranges with, itself not', async () => {
    const { world, run } = await make('found a; open +b +c; close')
    await run()
    expect(world.asked('listVersions').split(' ').sort()).toEqual(['b', 'c'])
    // Of the whole ring, as one range.
    const asked = world.sent.flatMap(({ request }) => request.listVersions?.ranges.length ?? [])
    expect(asked).toEqual([1, 1])
  })

  it('asks during a transition the replicas of both rings', async () => {
    const { world, run } = await make('found a; open +b +c; close; open +d -c')
    await run()
    expect(world.asked('listVersions').split(' ').sort()).toEqual(['b', 'c', 'd'])
  })

  it('asks only those who are left to be asked', async () => {
    const { world, run } = await make('found a; open +b +c; close')
    await run(['c'])
    expect(world.asked('listVersions')).toBe('c')
  })

  it('leaves for later who is down, cannot be reached, or is at another epoch, and asks all others', async () => {
    const { world, store, run } = await make('found a; open +b +c +d +e; close', 5)
    world.host('b').isAlive = false
    world.host('c').failing = 'lost'
    world.host('d').epoch--
    await world.host('e').store.merge(recordOf('of e'))
    expect(await run()).toEqual(new Set(['b', 'c', 'd'].map(key)))
    expect(await store.times()).toHaveProperty('of e')
    expect(world.asked('listVersions').split(' ').sort()).toEqual(['d', 'e'])
  })

  it('ends at its signal', async () => {
    const { world, stop, run } = await make('found a; open +b +c; close')
    world.host('b').beforeAnswer = () => stop.abort(new Error('enough'))
    world.host('c').beforeAnswer = () => stop.abort(new Error('enough'))
    await expect(run()).rejects.toThrow('enough')
    expect(world.sent).toHaveLength(1)
  })
})
