import { describe, expect, it } from 'vitest'
import { encodeRecord } from '../../../src/core/record/codec.ts'
import { bytes, key, text, topologyOf, View, World, type Host } from './world.ts'

const quorum = { consistency: 'quorum', deadlineMs: 5_000 } as const

/** Puts a record straight to some hosts' disks: what an unfinished put leaves. */
async function lay(hosts: Host[], time: number, value: string): Promise<void> {
  const version = { time, writer: new Uint8Array(16), rmw: 0 }
  const record = encodeRecord({ key, version, kind: 'value', expiresAt: 0, value: bytes(value) })
  for (const host of hosts) await host.store.merge(record)
}

describe('get', () => {
  it('answers absent for a key that nobody wrote', async () => {
    const world = new World()
    const { node } = world.coordinator()
    expect(await world.settle(node.get(key, quorum))).toEqual({ record: undefined, version: undefined })
  })

  it('asks a quorum once, one of it for the record, and writes nothing where all are equal', async () => {
    const world = new World()
    await lay(world.hosts, 5, 'v')
    const { node } = world.coordinator()
    expect(text((await world.settle(node.get(key, quorum))).record)).toBe('v')
    expect(world.sent.map(({ to, kind }) => `${to} ${kind}`)).toEqual(['a record', 'b version'])
    expect(world.time.pending).toBe(0)
  })

  it('reads the record from itself where it is a replica', async () => {
    const world = new World()
    await lay(world.hosts, 5, 'v')
    const { node } = world.coordinator({ self: world.host('c') })
    await world.settle(node.get(key, quorum))
    expect(world.sent.map(({ to, kind }) => `${to} ${kind}`)).toEqual(['c record', 'a version'])
  })

  it('writes back what it met at only half of a quorum, so that no later get misses it', async () => {
    for (const holder of ['a', 'b']) {
      const world = new World()
      await lay(world.hosts, 5, 'old')
      await lay([world.host(holder)], 6, 'new')
      const { node } = world.coordinator()
      expect(text((await world.settle(node.get(key, quorum))).record)).toBe('new')
      for (const absent of world.hosts) {
        absent.failing = { failure: 'unreachable', delivered: false }
        const later = await world.settle(world.coordinator().node.get(key, quorum))
        expect(text(later.record), `${holder} held it, ${absent.member.peerId} is absent`).toBe('new')
        absent.failing = undefined
      }
    }
  })

  it('writes back during a transition until both rings hold it', async () => {
    const world = new World(['a', 'b', 'c', 'd', 'e', 'f'])
    world.move(['a', 'b', 'c'], ['d', 'e', 'f'])
    await lay([world.host('a'), world.host('b')], 5, 'v')
    const { node } = world.coordinator()
    expect(text((await world.settle(node.get(key, quorum))).record)).toBe('v')
    expect(
      (await Promise.all(['d', 'e', 'f'].map(name => world.host(name).version()))).filter(Boolean)
    ).toHaveLength(2)
  })

  it('asks around a slow replica, also where that one was asked for the record', async () => {
    for (const slow of ['a', 'b']) {
      const world = new World()
      await lay(world.hosts, 5, 'v')
      world.host(slow).loses = 'requests'
      const { node } = world.coordinator()
      const before = world.time.nowMs
      expect(text((await world.settle(node.get(key, quorum))).record)).toBe('v')
      expect(world.time.nowMs - before).toBeLessThan(100)
      expect(world.time.pending).toBe(0)
    }
  })

  it('waits for the newest record from its holder, though a quorum of others has answered meanwhile', async () => {
    const world = new World()
    await lay(world.hosts, 5, 'old')
    await lay([world.host('b')], 6, 'new')
    // a is asked around at 50 ms; c's answer sends the get to b for the record, and a's comes before b's.
    world.host('a').slowMs = 51
    const { node } = world.coordinator()
    expect(text((await world.settle(node.get(key, quorum))).record)).toBe('new')
  })

  it('keeps the newest of the records that come, and reads none twice', async () => {
    const world = new World()
    await lay(world.hosts, 5, 'old')
    await lay([world.host('c')], 6, 'new')
    // c is asked in the place of a, for the record too, and a's older one comes after c's.
    world.host('a').slowMs = 60
    world.host('b').loses = 'requests'
    const { node } = world.coordinator()
    expect(text((await world.settle(node.get(key, quorum))).record)).toBe('new')
    expect(world.sent.filter(({ kind }) => kind === 'record').map(({ to }) => to)).toEqual(['a', 'c'])
  })

  it('prefers others to a replica that has been slow', async () => {
    const world = new World()
    await lay(world.hosts, 5, 'v')
    world.host('a').slowMs = 400
    const { node } = world.coordinator()
    await world.settle(node.get(key, quorum))
    world.sent.length = 0
    await world.settle(node.get(key, quorum))
    expect(world.sent.map(({ to }) => to)).not.toContain('a')
  })

  it('asks another quorum when the only holder of the newest version fails before its record is read', async () => {
    const world = new World()
    await lay(world.hosts, 5, 'old')
    const a = world.host('a')
    const b = world.host('b')
    await lay([b], 6, 'new')
    b.beforeAnswer = () => void (b.failing = { failure: 'unreachable', delivered: false })
    a.slowMs = 0
    const { node } = world.coordinator()
    expect(text((await world.settle(node.get(key, quorum))).record)).toBe('old')
  })

  it('asks around a replica whose record is damaged, wholly or only its value', async () => {
    for (const fault of ['damaged', 'damaged value'] as const) {
      for (const name of ['a', 'b']) {
        const world = new World()
        await lay(world.hosts, 5, 'old')
        await lay([world.host(name)], 6, 'new')
        world.host(name).store.fault = fault
        const { node } = world.coordinator()
        expect(text((await world.settle(node.get(key, quorum))).record)).toBe('old')
      }
    }
  })

  it('counts no damaged replica: with another one away there is no quorum', async () => {
    const world = new World()
    await lay(world.hosts, 5, 'v')
    world.host('a').store.fault = 'damaged value'
    world.host('c').failing = { failure: 'unreachable', delivered: false }
    const { node } = world.coordinator()
    expect(await world.failure(node.get(key, quorum))).toMatchObject({ code: 'ERR_QUORUM', answered: ['b'] })
    // It kept on asking until the deadline, but with pauses.
    expect(world.sent.length).toBeLessThan(100)
  })

  it('succeeds when a replica comes back within the deadline', async () => {
    const world = new World()
    await lay(world.hosts, 5, 'v')
    for (const name of ['a', 'b']) world.host(name).failing = { failure: 'unreachable', delivered: false }
    const { node } = world.coordinator()
    const result = world.settle(node.get(key, quorum))
    world.time.after(3_000, () => void (world.host('a').failing = undefined))
    expect(text((await result).record)).toBe('v')
    expect(world.time.nowMs).toBeGreaterThan(3_000)
    expect(world.time.nowMs).toBeLessThan(3_600)
  })

  it('says who answered and who did not, and is definite', async () => {
    const world = new World()
    world.host('b').failing = { failure: 'unreachable', delivered: false }
    world.host('c').loses = 'requests'
    const { node } = world.coordinator()
    const error = await world.failure(node.get(key, quorum))
    expect(error).toMatchObject({
      code: 'ERR_QUORUM',
      indefinite: false,
      answered: ['a'],
      missing: ['b', 'c']
    })
    expect((error as Error).message).toBe(
      'get needs 2 of 3 replicas; a answered, no answer from b (unreachable), c (no answer in time); nothing was read'
    )
    expect(world.time.nowMs).toBe(5_000)
  })

  it('at `one` asks a single replica, the next when it fails, and writes nothing back', async () => {
    const world = new World()
    await lay([world.host('b')], 5, 'v')
    world.host('a').failing = { failure: 'unreachable', delivered: false }
    const { node } = world.coordinator()
    const found = await world.settle(node.get(key, { consistency: 'one', deadlineMs: 1_000 }))
    expect(text(found.record)).toBe('v')
    expect(world.sent.map(({ to, kind }) => `${to} ${kind}`)).toEqual(['a record', 'b record'])
  })

  it('at `all` asks every replica of both rings, and fails when one is away', async () => {
    const world = new World(['a', 'b', 'c', 'd'])
    world.move(['a', 'b', 'c'], ['b', 'c', 'd'])
    await lay([world.host('d')], 5, 'v')
    const { node } = world.coordinator()
    const all = { consistency: 'all', deadlineMs: 1_000 } as const
    expect(text((await world.settle(node.get(key, all))).record)).toBe('v')
    for (const host of world.hosts) expect((await host.version())?.time).toBe(5)
    world.host('a').failing = { failure: 'unreachable', delivered: false }
    expect(await world.failure(node.get(key, all))).toMatchObject({ code: 'ERR_QUORUM', missing: ['a'] })
  })

  it('counts no vote of another epoch, and starts anew when its own epoch moves', async () => {
    const world = new World(['a', 'b', 'c', 'd'])
    await lay(world.hosts.slice(0, 3), 5, 'old')
    // The ring moved on, and d alone of those asked first holds what was written there since.
    const { node, view } = world.coordinator()
    world.move(['b', 'c', 'd'])
    await lay([world.host('c'), world.host('d')], 6, 'new')
    expect(text((await world.settle(node.get(key, quorum))).record)).toBe('new')
    expect(view.current?.epoch).toBe(2)
    expect(view.listeners).toBe(0)
  })

  it('starts anew at once when the epoch moves, rather than wait for who is no longer a replica', async () => {
    const world = new World(['a', 'b', 'c', 'd', 'e', 'f'])
    for (const name of ['a', 'b', 'c']) world.host(name).loses = 'requests'
    const { node, view } = world.coordinator()
    world.time.after(100, () => view.move(world.move(['d', 'e', 'f'])))
    await world.settle(node.get(key, quorum))
    expect(world.time.nowMs).toBe(102)
  })

  it('waits for a replica that is behind to catch up', async () => {
    const world = new World()
    await lay(world.hosts, 5, 'v')
    world.move(['a', 'b', 'c'])
    for (const host of world.hosts) {
      host.epoch = 1
      host.isStuck = true
    }
    const { node } = world.coordinator()
    const result = world.settle(node.get(key, quorum))
    world.time.after(1_000, () => world.hosts.forEach(host => (host.isStuck = false)))
    expect(text((await result).record)).toBe('v')
    expect(world.time.nowMs).toBeGreaterThan(1_000)
    expect(world.sent.length).toBeLessThan(40)
  })

  it('is refused at once where nobody can be asked', async () => {
    const world = new World()
    for (const view of [new View(undefined), new View(topologyOf(1, []))]) {
      const { node } = world.coordinator({ view })
      expect(await world.failure(node.get(key, quorum))).toMatchObject({
        code: 'ERR_UNREACHABLE',
        indefinite: false
      })
    }
    expect(world.time.nowMs).toBe(0)
  })

  it('gives up at the signal, leaves no timer and sends nothing more', async () => {
    const world = new World()
    for (const host of world.hosts) host.loses = 'answers'
    world.host('a').failing = { failure: 'unreachable', delivered: false }
    const { node, view } = world.coordinator()
    const caller = new AbortController()
    world.time.after(300, () => caller.abort())
    const error = await world.failure(node.get(key, { ...quorum, signal: caller.signal }))
    expect(error).toMatchObject({ code: 'ERR_ABORTED', indefinite: false })
    expect(world.time.nowMs).toBe(300)
    const sent = world.sent.length
    await world.time.run(10_000)
    expect(world.sent.length).toBe(sent)
    expect(world.time.pending).toBe(0)
    expect(view.listeners).toBe(0)
  })

  it('asks nobody when the signal has aborted before', async () => {
    const world = new World()
    const { node } = world.coordinator()
    const error = await world.failure(node.get(key, { ...quorum, signal: AbortSignal.abort() }))
    expect(error).toMatchObject({ code: 'ERR_ABORTED' })
    expect(world.sent).toEqual([])
  })
})
