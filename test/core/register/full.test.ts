/** Puts, deletes and gets where replicas are at their disk quota. */
import { describe, expect, it } from 'vitest'
import { bytes, key, text, World } from './world.ts'

const quorum = { consistency: 'quorum', deadlineMs: 5_000 } as const

function worldWith(...full: string[]): World {
  const world = new World()
  for (const name of full) world.host(name).isFull = true
  return world
}

describe('where one replica is at its disk quota', () => {
  it('puts go to the others, and gets read them', async () => {
    const world = worldWith('a')
    const { node } = world.coordinator()
    expect((await world.settle(node.put(key, bytes('v'), quorum))).replicas).toBe(2)
    expect(await world.host('a').held()).toBeUndefined()
    expect(text((await world.settle(node.get(key, quorum))).record)).toBe('v')
  })
})

describe('where too many replicas are', () => {
  it('a put is refused at once, and has no effect on those that are not', async () => {
    const world = worldWith('b', 'c')
    const { node } = world.coordinator()
    const error = await world.failure(node.put(key, bytes('v'), quorum))
    expect(error).toMatchObject({ code: 'ERR_FULL', indefinite: false, missing: ['b', 'c'] })
    expect((error as Error).message).toContain('its disk quota is used up')
    expect(world.time.nowMs).toBeLessThan(50)
    expect(world.sent.some(({ kind }) => kind === 'write')).toBe(false)
    for (const host of world.hosts) expect(await host.held()).toBeUndefined()
  })

  it('so is one to a single replica, and to all', async () => {
    for (const consistency of ['one', 'all'] as const) {
      const world = worldWith('a', 'b', 'c')
      const { node } = world.coordinator()
      const error = await world.failure(node.put(key, bytes('v'), { ...quorum, consistency }))
      expect(error).toMatchObject({ code: 'ERR_FULL', indefinite: false })
    }
  })

  it('gets and deletes go on, and puts when there is room again', async () => {
    const world = worldWith()
    const { node } = world.coordinator()
    await world.settle(node.put(key, bytes('v'), quorum))
    for (const host of world.hosts) host.isFull = true
    expect(text((await world.settle(node.get(key, quorum))).record)).toBe('v')
    await world.settle(node.delete(key, quorum))
    expect((await world.settle(node.get(key, quorum))).record).toBeUndefined()
    for (const host of world.hosts) host.isFull = false
    await world.settle(node.put(key, bytes('w'), quorum))
    expect(text((await world.settle(node.get(key, quorum))).record)).toBe('w')
  })

  it('a put that one has stored already may have had an effect, and says so', async () => {
    const world = worldWith()
    const { node } = world.coordinator()
    // Between the version round and the writes.
    world.time.after(1.5, () => {
      for (const name of ['b', 'c']) world.host(name).isFull = true
    })
    const error = await world.failure(node.put(key, bytes('v'), quorum))
    expect(error).toMatchObject({ code: 'ERR_OUTCOME_UNKNOWN', indefinite: true })
  })

  it('a get writes back what only one has', async () => {
    const world = worldWith()
    const { node } = world.coordinator()
    for (const name of ['b', 'c']) world.host(name).loses = 'requests'
    await world.settle(node.put(key, bytes('v'), { ...quorum, consistency: 'one' }))
    for (const name of ['b', 'c']) Object.assign(world.host(name), { loses: 'nothing', isFull: true })
    expect(text((await world.settle(node.get(key, { ...quorum, consistency: 'all' }))).record)).toBe('v')
    expect(text(await world.host('b').held())).toBe('v')
  })
})
