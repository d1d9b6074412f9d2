import { describe, expect, it } from 'vitest'
import { encodeRecord } from '../../../src/core/record/codec.ts'
import { worldStartMs } from '../../simulation/clock.ts'
import { bytes, key, World } from './world.ts'

const quorum = { consistency: 'quorum', deadlineMs: 5_000 } as const
const value = bytes('v')
const soon = (worldStartMs + 60_000) * 1000

/** An epoch with a fence that all hosts know of, and coordinators learn of. */
function fence(world: World, time: number): void {
  const { rings, ...topology } = world.move(world.hosts.map(({ member }) => member.peerId))
  world.topologies[world.topologies.length - 1] = { ...topology, rings, fence: time }
}

describe('behind the fence of a purge', () => {
  for (const consistency of ['quorum', 'one', 'all'] as const) {
    it(`a put at ${consistency} is stamped past it, whatever the wall clock shows`, async () => {
      const world = new World()
      fence(world, soon)
      const { node } = world.coordinator({ skewMs: -3_600_000 })
      const { version } = await world.settle(node.put(key, value, { ...quorum, consistency }))
      expect(version.time).toBe(soon + 1)
    })
  }

  it('a put with an older stamp that is under way ends, its outcome open, and is not sent again', async () => {
    const world = new World()
    const { node, view } = world.coordinator()
    for (const name of ['b', 'c']) world.host(name).slowMs = 20
    const failed = world.failure(node.put(key, value, quorum))
    await world.time.until(() => world.sent.some(({ kind }) => kind === 'write'), 1_000)
    const writes = (): number => world.sent.filter(({ kind }) => kind === 'write').length
    const before = writes()
    fence(world, soon)
    view.move(world.topologies.at(-1)!)
    expect(await failed).toMatchObject({ code: 'ERR_OUTCOME_UNKNOWN', indefinite: true })
    await world.time.run(10_000)
    expect(writes()).toBe(before)
    expect(world.time.pending).toBe(0)
  })

  it('one whose writes were all refused has had no effect, and says so', async () => {
    const world = new World()
    const { node, view } = world.coordinator()
    for (const host of world.hosts) {
      world.time.after(1.5, () => void (host.failing = { failure: 'unreachable', delivered: false }))
    }
    const failed = world.failure(node.put(key, value, quorum))
    await world.time.run(100)
    fence(world, soon)
    view.move(world.topologies.at(-1)!)
    expect(await failed).toMatchObject({ code: 'ERR_QUORUM', indefinite: false })
  })

  it('a put with a newer stamp goes on', async () => {
    const world = new World()
    const { node, view } = world.coordinator({ skewMs: 120_000 })
    for (const name of ['b', 'c']) world.host(name).slowMs = 20
    const put = node.put(key, value, quorum)
    await world.time.until(() => world.sent.some(({ kind }) => kind === 'write'), 1_000)
    fence(world, soon)
    view.move(world.topologies.at(-1)!)
    expect((await world.settle(put)).version.time).toBeGreaterThan(soon)
  })

  it('a get that was under way answers with nothing, and writes back nothing, that it read before', async () => {
    const world = new World()
    const { node, view } = world.coordinator()
    const version = { time: 5, writer: new Uint8Array(16), rmw: 0 }
    const old = encodeRecord({ key, version, kind: 'value', expiresAt: 0, value })
    await world.host('a').store.merge(old)
    for (const name of ['b', 'c']) world.host(name).slowMs = 20
    const got = node.get(key, quorum)
    // a has answered with the record when the epoch moves, and by then it is gone there.
    await world.time.run(10)
    await world.host('a').store.drop(old.position, version)
    fence(world, soon)
    view.move(world.topologies.at(-1)!)
    expect((await world.settle(got)).record).toBeUndefined()
    await world.time.run(10_000)
    for (const name of ['a', 'b', 'c']) expect(await world.host(name).version()).toBeUndefined()
  })

  it('what is served of a write is handed to the store in the same step', () => {
    const world = new World()
    const host = world.host('a')
    const version = { time: 5, writer: new Uint8Array(16), rmw: 0 }
    const record = encodeRecord({ key, version, kind: 'value', expiresAt: 0, value })
    let isCalled = false
    host.store.merge = () => {
      isCalled = true
      return Promise.resolve()
    }
    void host.replica.writeRecord({ record: record.encoded })
    // Were there a pause, the epoch could move in it, and the write come behind the drop of a newer tombstone.
    expect(isCalled).toBe(true)
  })
})
