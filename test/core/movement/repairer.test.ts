import { describe, expect, it } from 'vitest'
import { maxDeadlineMs } from '../../../src/core/limits.ts'
import { Repairer } from '../../../src/core/movement/repairer.ts'
import { run as script } from '../topology/script.ts'
import { recordOf, World } from './world.ts'

const { position } = recordOf('key')

/** a has a damaged record of the key; some others have it as they were given it. */
async function make(statements: string, held: Readonly<Record<string, number>>, replicas = 3) {
  const world = new World('a b c d e', 'a')
  const topology = script(statements, { replicas })
  world.follow(topology)
  const { store, member } = world.host('a')
  await store.merge(recordOf('key', 1))
  await store.damage(position)
  for (const [name, time] of Object.entries(held)) await world.host(name).store.merge(recordOf('key', time))
  const repairer = new Repairer(world.components('a'), { self: member })
  const stop = new AbortController()
  const tryNow = (): Promise<void> => world.settle(repairer.repairDue(topology, stop.signal))
  const afterDeadline = async (): Promise<void> => {
    repairer.look()
    await world.time.run(maxDeadlineMs)
    await tryNow()
  }
  return { world, store, repairer, tryNow, afterDeadline }
}

const three = 'found a; open +b +c; close'

describe('the repair of a damaged record', () => {
  it('takes the newest that the others have, and the key takes reads and writes again', async () => {
    const { store, repairer, afterDeadline } = await make(three, { b: 2, c: 3 })
    await expect(store.merge(recordOf('key', 9))).rejects.toThrow('damaged')
    await afterDeadline()
    expect((await store.head(position))?.version.time).toBe(3)
    await store.merge(recordOf('key', 9))
    expect(repairer.look()).toBe(Infinity)
  })

  it('asks nobody before the longest deadline of a request has passed since it is known', async () => {
    const { world, repairer, tryNow } = await make(three, { b: 2, c: 2 })
    expect(repairer.look()).toBe(world.clock.monotonic() + maxDeadlineMs)
    await world.time.run(maxDeadlineMs - 1)
    await tryNow()
    expect(world.sent).toEqual([])
  })

  it('needs as many others as every quorum has one of beside this member: both of three', async () => {
    const { world, store, tryNow, afterDeadline } = await make(three, { c: 2 })
    world.host('c').failing = 'unreachable'
    await afterDeadline()
    await expect(store.head(position)).rejects.toThrow('damaged')
    world.host('c').failing = undefined
    await tryNow()
    // It was tried just now.
    await expect(store.head(position)).rejects.toThrow('damaged')
    await world.time.run(5_000)
    await tryNow()
    expect((await store.head(position))?.version.time).toBe(2)
  })

  it('needs three of the four others where there are five replicas', async () => {
    for (const away of ['b', 'bc']) {
      const { world, store, afterDeadline } = await make('found a; open +b +c +d +e; close', { e: 2 }, 5)
      for (const name of away) world.host(name).failing = 'lost'
      await afterDeadline()
      const head = store.head(position)
      if (away === 'b') expect((await head)?.version.time).toBe(2)
      else await expect(head).rejects.toThrow('damaged')
    }
  })

  it('drops it where enough others have nothing', async () => {
    const { store, afterDeadline } = await make(three, {})
    await afterDeadline()
    expect(await store.head(position)).toBeUndefined()
    expect(store.usage().records).toBe(0)
  })

  it('counts nobody who has damage there too, or is at another epoch', async () => {
    const damaged = await make(three, { b: 2, c: 2 })
    await damaged.world.host('b').store.damage(position)
    await damaged.afterDeadline()
    await expect(damaged.store.head(position)).rejects.toThrow('damaged')
    const behind = await make(three, { b: 2, c: 2 })
    behind.world.host('b').epoch--
    await behind.afterDeadline()
    await expect(behind.store.head(position)).rejects.toThrow('damaged')
  })

  it('does nothing where the log moves while the answers come', async () => {
    const { world, store, repairer, tryNow } = await make(three, { b: 2, c: 2 })
    world.host('c').beforeAnswer = () => {
      world.host('a').epoch++
    }
    repairer.look()
    await world.time.run(maxDeadlineMs)
    await expect(tryNow()).rejects.toThrow('epoch')
    await expect(store.head(position)).rejects.toThrow('damaged')
  })

  it('needs enough others of both rings during a transition', async () => {
    const { world, store, afterDeadline } = await make(`${three}; open +d -b`, { b: 2, c: 2 })
    world.host('d').failing = 'unreachable'
    await afterDeadline()
    // Of the ring after, a, c and d, only c has answered.
    await expect(store.head(position)).rejects.toThrow('damaged')
  })

  it('is done with what the one that leaves has, where nobody else stays', async () => {
    const { store, afterDeadline } = await make('found a; open +b; close; open -b', { b: 2 })
    await afterDeadline()
    expect((await store.head(position))?.version.time).toBe(2)
  })

  it('is not done with what the one that joins has, where nobody else was there', async () => {
    const { store, afterDeadline } = await make('found a; open +b', { b: 2 })
    await afterDeadline()
    await expect(store.head(position)).rejects.toThrow('damaged')
  })
})
