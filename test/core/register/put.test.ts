import { describe, expect, it } from 'vitest'
import { maxTime } from '../../../src/core/limits.ts'
import type { TransportFailure } from '../../../src/core/ports.ts'
import { encodeRecord } from '../../../src/core/record/codec.ts'
import { compareVersions } from '../../../src/core/record/version.ts'
import { worldStartMs } from '../../simulation/clock.ts'
import { bytes, key, text, topologyOf, View, World } from './world.ts'

const quorum = { consistency: 'quorum', deadlineMs: 5_000 } as const
const unreachable = { failure: 'unreachable', delivered: false } as const
const value = bytes('v')

const writesTo = (world: World): string[] =>
  world.sent.filter(({ kind }) => kind === 'write').map(({ to }) => to)

describe('put', () => {
  it('asks a quorum for its version, sends to all replicas, and answers when a quorum has it', async () => {
    const world = new World()
    world.host('c').slowMs = 50
    const { node } = world.coordinator()
    const result = await world.settle(node.put(key, value, quorum))
    expect(result.replicas).toBe(2)
    expect(world.sent.map(({ to, kind }) => `${to} ${kind}`)).toEqual([
      'a version',
      'b version',
      'a write',
      'b write',
      'c write'
    ])
    expect(await world.host('c').version()).toBeUndefined()
    await world.time.run(100)
    expect(compareVersions(await world.host('c').version(), result.version)).toBe(0)
    expect(world.time.pending).toBe(0)
  })

  it('is stamped behind the newest version seen, however far the clocks are apart', async () => {
    const world = new World()
    const ahead = world.coordinator({ skewMs: 30_000 }).node
    const behind = world.coordinator({ skewMs: -30_000 }).node
    const first = await world.settle(ahead.put(key, bytes('first'), quorum))
    const second = await world.settle(behind.put(key, bytes('second'), quorum))
    expect(second.version.time).toBe(first.version.time + 1)
    expect(text((await world.settle(ahead.get(key, quorum))).record)).toBe('second')
  })

  it('counts a replica that holds a newer version as having this one', async () => {
    const world = new World()
    const { node } = world.coordinator({ skewMs: -30_000 })
    const newer = world.coordinator().node
    const result = node.put(key, bytes('older'), quorum)
    const version = { time: (worldStartMs + 60_000) * 1000, writer: new Uint8Array(16), rmw: 0 }
    const record = encodeRecord({ key, version, kind: 'value', expiresAt: 0, value: bytes('newer') })
    // It arrives between the version round and the writes.
    world.time.after(2, () => world.hosts.forEach(host => void host.store.merge(record)))
    expect((await world.settle(result)).version.time).toBeLessThan(version.time)
    expect(text((await world.settle(newer.get(key, quorum))).record)).toBe('newer')
  })

  it('needs a quorum of each ring during a transition, and a member of both counts in both', async () => {
    const world = new World(['a', 'b', 'c', 'd'])
    world.move(['a', 'b', 'c'], ['b', 'c', 'd'])
    const { node } = world.coordinator()
    for (const name of ['a', 'd']) world.host(name).failing = unreachable
    expect((await world.settle(node.put(key, value, quorum))).replicas).toBe(2)
    // c alone of both is left: two of the ring before, one of the ring after.
    world.host('a').failing = undefined
    world.host('b').failing = unreachable
    const error = await world.failure(node.put(key, value, quorum))
    expect(error).toMatchObject({ code: 'ERR_QUORUM', indefinite: false, missing: ['b', 'd'] })
    expect((error as Error).message).toContain(
      '2 of 3 replicas of the ring before and 2 of 3 of the ring after'
    )
  })

  it('keeps its stamp when the epoch moves under it, and counts no vote from before', async () => {
    const world = new World(['a', 'b', 'c', 'd', 'e', 'f'])
    const { node } = world.coordinator()
    const b = world.host('b')
    // The write at b is on disk, but before it answers the ring moves: what a and b have counts no more.
    b.beforeAnswer = request => {
      if (request.writeRecord !== undefined && world.topologies.length === 1) world.move(['d', 'e', 'f'])
    }
    world.host('c').failing = unreachable
    const { version } = await world.settle(node.put(key, value, quorum))
    for (const name of ['b', 'd', 'e', 'f']) {
      expect(compareVersions(await world.host(name).version(), version), name).toBe(0)
    }
    expect(world.sent.filter(({ kind }) => kind === 'version')).toHaveLength(2)
  })

  it('counts no vote that was sent in another epoch, though its own has not moved', async () => {
    for (const epoch of [1, 9]) {
      const world = new World()
      world.move(['a', 'b', 'c'])
      const { node } = world.coordinator()
      // b has stored it, but answers at an epoch that is past, or of which the coordinator cannot learn.
      world.host('b').beforeAnswer = request => {
        if (request.writeRecord !== undefined) world.host('b').epoch = epoch
      }
      world.host('c').failing = unreachable
      const error = await world.failure(node.put(key, value, { ...quorum, deadlineMs: 1_000 }))
      expect(error).toMatchObject({ code: 'ERR_OUTCOME_UNKNOWN', answered: ['a'], missing: ['b', 'c'] })
    }
  })

  it('carries the same stamp to a replica that comes back within the deadline', async () => {
    const world = new World()
    const { node } = world.coordinator()
    // b stores it and dies before it answers; c is away all the time.
    world.host('b').beforeAnswer = request => {
      if (request.writeRecord === undefined) return
      world.host('b').failing = unreachable
      world.host('b').loses = 'answers'
    }
    world.host('c').failing = unreachable
    const result = world.settle(node.put(key, value, quorum))
    world.time.after(2_500, () => {
      const b = world.host('b')
      b.failing = undefined
      b.beforeAnswer = undefined
      b.loses = 'nothing'
    })
    const { version } = await result
    expect(world.time.nowMs).toBeGreaterThan(2_500)
    expect(compareVersions(await world.host('b').version(), version)).toBe(0)
    expect(compareVersions(await world.host('a').version(), version)).toBe(0)
  })

  it('pauses longer and longer between tries, and never spins', async () => {
    const world = new World()
    for (const host of world.hosts) host.failing = unreachable
    const { node } = world.coordinator()
    await world.failure(node.put(key, value, quorum))
    const tries = world.sent.filter(({ to }) => to === 'a').map(({ at }) => at)
    const pauses = tries.slice(1).map((at, i) => at - tries[i]!)
    expect(pauses[0]).toBeGreaterThanOrEqual(12.5)
    expect(pauses[0]).toBeLessThanOrEqual(25)
    expect(Math.max(...pauses)).toBeLessThanOrEqual(500)
    expect(tries.length).toBeLessThan(5_000 / 250 + 6)
  })

  it('at `one` asks for no version, sends to all and answers when one has it', async () => {
    const world = new World()
    for (const name of ['a', 'b']) world.host(name).failing = unreachable
    const { node } = world.coordinator()
    const result = await world.settle(node.put(key, value, { ...quorum, consistency: 'one' }))
    expect(result.replicas).toBe(1)
    expect(world.sent.some(({ kind }) => kind === 'version')).toBe(false)
    expect(writesTo(world).slice(0, 3)).toEqual(['a', 'b', 'c'])
  })

  it('at `all` answers when every replica of both rings has it', async () => {
    const world = new World(['a', 'b', 'c', 'd'])
    world.move(['a', 'b', 'c'], ['b', 'c', 'd'])
    const { node } = world.coordinator()
    const all = { consistency: 'all', deadlineMs: 1_000 } as const
    expect((await world.settle(node.put(key, value, all))).replicas).toBe(4)
    world.host('d').failing = unreachable
    expect(await world.failure(node.put(key, value, all))).toMatchObject({
      code: 'ERR_QUORUM',
      indefinite: false
    })
  })

  it('is refused by a damaged replica, which is asked around', async () => {
    const world = new World()
    world.host('a').store.fault = 'damaged'
    const { node } = world.coordinator()
    expect((await world.settle(node.put(key, value, quorum))).replicas).toBe(2)
  })

  it('fails as a fault of the program where no stamp is left above what a replica holds', async () => {
    const world = new World()
    const version = { time: maxTime, writer: new Uint8Array(16), rmw: 0 }
    const record = encodeRecord({ key, version, kind: 'value', expiresAt: 0, value })
    for (const host of world.hosts) await host.store.merge(record)
    const { node } = world.coordinator()
    expect(await world.failure(node.put(key, value, quorum))).toMatchObject({
      code: 'ERR_INTERNAL',
      indefinite: false
    })
  })
})

describe('the outcome of a put that fails', () => {
  it('is known to be none where only versions were asked for', async () => {
    const world = new World()
    for (const name of ['b', 'c']) world.host(name).loses = 'requests'
    const error = await world.failure(world.coordinator().node.put(key, value, quorum))
    expect(error).toMatchObject({
      code: 'ERR_QUORUM',
      indefinite: false,
      answered: ['a'],
      missing: ['b', 'c']
    })
    expect((error as Error).message).toMatch(/; nothing was stored$/)
    expect(writesTo(world)).toEqual([])
  })

  // How all replicas fail at the write; whether the outcome is open.
  const failures: Array<[TransportFailure, boolean, boolean]> = [
    ['unreachable', false, false],
    ['refused', false, false],
    ['not-ready', false, false],
    ['lost', true, true],
    ['timeout', true, true],
    ['internal', true, true]
  ]
  it.each(failures)(
    'when all writes end as %s (delivered: %s) is open: %s',
    async (failure, delivered, isOpen) => {
      const world = new World()
      for (const host of world.hosts) {
        host.beforeAnswer = () => void (host.failing = { failure, delivered })
      }
      const options = { ...quorum, deadlineMs: 1_000 }
      // c was not asked for its version, so it has to be made to fail by hand.
      world.time.after(0.5, () => void (world.host('c').failing = { failure, delivered }))
      const error = await world.failure(world.coordinator().node.put(key, value, options))
      const code = isOpen ? 'ERR_OUTCOME_UNKNOWN' : 'ERR_QUORUM'
      expect(error).toMatchObject({ code, indefinite: isOpen, answered: [] })
      expect(new Set(writesTo(world))).toEqual(new Set(['a', 'b', 'c']))
    }
  )

  it('is open where one replica has it and a quorum has not', async () => {
    const world = new World()
    const { node } = world.coordinator()
    for (const name of ['b', 'c']) {
      const host = world.host(name)
      world.time.after(1.5, () => void (host.failing = unreachable))
    }
    const error = await world.failure(node.put(key, value, quorum))
    expect(error).toMatchObject({ code: 'ERR_OUTCOME_UNKNOWN', indefinite: true, answered: ['a'] })
    expect((error as Error).message).toMatch(/may have been stored, or may yet be: a get will tell$/)
  })

  it('is known to be none where all refused the write for damage, open where their disks failed', async () => {
    for (const [fault, code] of [
      ['damaged value', 'ERR_QUORUM'],
      ['disk', 'ERR_OUTCOME_UNKNOWN']
    ] as const) {
      const world = new World()
      for (const host of world.hosts) world.time.after(1.5, () => void (host.store.fault = fault))
      expect(await world.failure(world.coordinator().node.put(key, value, quorum))).toMatchObject({ code })
    }
  })

  it('is overload, and told at once, where too many replicas keep saying so and none can have it', async () => {
    const world = new World()
    for (const name of ['b', 'c']) world.host(name).failing = { failure: 'overloaded', delivered: false }
    const { node } = world.coordinator()
    const error = await world.failure(node.put(key, value, quorum))
    expect(error).toMatchObject({ code: 'ERR_OVERLOADED', indefinite: false, missing: ['b', 'c'] })
    expect(world.time.nowMs).toBeLessThan(500)
    expect(await world.failure(node.get(key, quorum))).toMatchObject({ code: 'ERR_OVERLOADED' })
    // With one replica holding the value the outcome is open, and the put tries until its deadline.
    const half = await world.failure(node.put(key, value, { consistency: 'all', deadlineMs: 2_000 }))
    expect(half).toMatchObject({ code: 'ERR_OVERLOADED' })
  })

  it('is forbidden, and told so at once, where too many replicas do not let it', async () => {
    const world = new World()
    for (const name of ['b', 'c']) world.host(name).failing = { failure: 'forbidden', delivered: false }
    const { node } = world.coordinator()
    const error = await world.failure(node.put(key, value, quorum))
    expect(error).toMatchObject({ code: 'ERR_FORBIDDEN', indefinite: false })
    expect(world.time.nowMs).toBeLessThan(50)
  })

  it('is not overload where a replica may have it', async () => {
    const world = new World()
    const { node } = world.coordinator()
    for (const name of ['b', 'c']) {
      const host = world.host(name)
      world.time.after(1.5, () => void (host.failing = { failure: 'overloaded', delivered: false }))
    }
    expect(await world.failure(node.put(key, value, quorum))).toMatchObject({ code: 'ERR_OUTCOME_UNKNOWN' })
    expect(world.time.nowMs).toBe(5_000)
  })

  it('is left to somebody else as long as it had no effect, and carried on to its end where it may have', async () => {
    for (const [retreatAtMs, isCarriedOn] of [
      [1, false],
      [3, true]
    ] as const) {
      const world = new World()
      const { node } = world.coordinator()
      for (const host of world.hosts) host.slowMs = 0.5
      const retreat = new AbortController()
      world.time.after(retreatAtMs, () => retreat.abort())
      const ended = node.put(key, value, { ...quorum, retreat: retreat.signal })
      if (isCarriedOn) expect((await world.settle(ended)).replicas).toBeGreaterThanOrEqual(2)
      else expect(await world.failure(ended)).toMatchObject({ code: 'ERR_ABORTED', indefinite: false })
    }
  })

  it('is told as it is when the caller gives up, and nothing is sent after', async () => {
    for (const [abortAtMs, indefinite] of [
      [1, false],
      [3, true]
    ] as const) {
      const world = new World()
      for (const host of world.hosts) host.slowMs = 0.5
      const { node, view } = world.coordinator()
      const caller = new AbortController()
      world.time.after(abortAtMs, () => caller.abort())
      const error = await world.failure(node.put(key, value, { ...quorum, signal: caller.signal }))
      expect(error).toMatchObject({ code: 'ERR_ABORTED', indefinite })
      const sent = world.sent.length
      await world.time.run(10_000)
      expect(world.sent.length).toBe(sent)
      expect(world.time.pending).toBe(0)
      expect(view.listeners).toBe(0)
    }
  })

  it('leaves no timer at the deadline and sends nothing after', async () => {
    const world = new World()
    const { node, view } = world.coordinator()
    for (const name of ['b', 'c']) {
      const host = world.host(name)
      world.time.after(1.5, () => void (host.loses = 'requests'))
    }
    await world.failure(node.put(key, value, quorum))
    expect(world.time.nowMs).toBe(5_000)
    expect(world.time.pending).toBe(0)
    expect(view.listeners).toBe(0)
    const sent = world.sent.length
    await world.time.run(10_000)
    expect(world.sent.length).toBe(sent)
  })

  it('is known to be none where nobody could be asked', async () => {
    const world = new World()
    for (const view of [new View(undefined), new View(topologyOf(1, []))]) {
      const { node } = world.coordinator({ view })
      expect(await world.failure(node.put(key, value, quorum))).toMatchObject({
        code: 'ERR_UNREACHABLE',
        indefinite: false
      })
    }
  })

  it('is open, by its code too, where the log ended with the life of a peer that had begun to store', async () => {
    const world = new World()
    const { node, view } = world.coordinator()
    for (const host of world.hosts) {
      host.beforeAnswer = request => {
        if (request.writeRecord === undefined) return
        host.loses = 'answers'
        view.current = undefined
      }
    }
    expect(await world.failure(node.put(key, value, quorum))).toMatchObject({
      code: 'ERR_OUTCOME_UNKNOWN',
      indefinite: true
    })
  })
})

describe('a value with a time to live', () => {
  it('reads as absent from its expiry on, and still counts as a version', async () => {
    const world = new World()
    const { node } = world.coordinator()
    const { version } = await world.settle(node.put(key, value, { ...quorum, ttlMs: 1_000 }))
    const found = await world.settle(node.get(key, quorum))
    expect(found.record?.expiresAt).toBe(worldStartMs + 1_000)
    await world.time.run(1_000)
    const gone = await world.settle(node.get(key, quorum))
    expect(gone.record).toBeUndefined()
    expect(compareVersions(gone.version, version)).toBe(0)
    // One whose clock is far behind would stamp under it, were it not counted.
    const behind = world.coordinator({ skewMs: -30_000 }).node
    expect((await world.settle(behind.put(key, value, quorum))).version.time).toBe(version.time + 1)
  })

  it('is judged by the clock of the coordinator that reads', async () => {
    const world = new World()
    await world.settle(world.coordinator().node.put(key, value, { ...quorum, ttlMs: 10_000 }))
    const ahead = await world.settle(world.coordinator({ skewMs: 30_000 }).node.get(key, quorum))
    const behind = await world.settle(world.coordinator({ skewMs: -30_000 }).node.get(key, quorum))
    expect(ahead.record).toBeUndefined()
    expect(text(behind.record)).toBe('v')
  })
})

describe('delete', () => {
  it('stores a tombstone, whether the key exists or not', async () => {
    const world = new World()
    const { node } = world.coordinator()
    const first = await world.settle(node.delete(key, quorum))
    await world.settle(node.put(key, value, quorum))
    const second = await world.settle(node.delete(key, quorum))
    expect(compareVersions(second.version, first.version)).toBeGreaterThan(0)
    const gone = await world.settle(node.get(key, quorum))
    expect(gone.record).toBeUndefined()
    expect(compareVersions(gone.version, second.version)).toBe(0)
    expect(await world.host('a').held()).toMatchObject({ kind: 'tombstone', expiresAt: 0 })
  })

  it('says in its own words when it fails', async () => {
    const world = new World()
    for (const host of world.hosts) host.failing = unreachable
    const error = await world.failure(world.coordinator().node.delete(key, quorum))
    expect((error as Error).message).toMatch(/^delete needs .*; nothing was deleted$/)
  })
})
