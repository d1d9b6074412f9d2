import { beforeAll, describe, expect, it } from 'vitest'
import { maxKeyBytes, maxValueBytes } from '../../src/index.ts'
import type { Peer } from '../../src/index.ts'
import { bytes, errorOf, makeCluster, startCluster, startPeer, text, until, type Cluster } from './peers.ts'

describe('a peer alone', () => {
  it('founds a cluster, serves, and says so', async () => {
    const peer = await startPeer()
    const events: string[] = []
    peer.on('ready', ({ peerId }) => events.push(`ready ${peerId}`))
    peer.on('topology', ({ epoch }) => events.push(`epoch ${epoch}`))
    await peer.ready()
    expect(events).toEqual(['epoch 1', `ready ${peer.peerId}`])
    await peer.put('colour', bytes('blue'))
    expect(text((await peer.get('colour'))?.value)).toBe('blue')
    const { members, replicas, network, transition } = await peer.status()
    expect({ members: members.map(({ peerId }) => peerId), replicas, network, transition }).toEqual({
      members: [peer.peerId],
      replicas: 3,
      network: 'annulus',
      transition: null
    })
  })
})

describe('three peers', () => {
  let cluster: Cluster
  let peers: readonly Peer[]
  beforeAll(async () => {
    cluster = await makeCluster(3)
    peers = cluster.peers
    return () => cluster.stop()
  })

  it('store through any of them what any of them reads, until it is deleted', async () => {
    for (const [i, writer] of peers.entries()) {
      const { version, replicas } = await writer.put(`from ${i}`, bytes(`value ${i}`))
      expect(replicas).toBeGreaterThanOrEqual(2)
      for (const reader of peers) {
        const result = await reader.get(`from ${i}`)
        expect(text(result?.value)).toBe(`value ${i}`)
        expect(result?.version).toBe(version)
        expect(result?.expiresAt).toBeUndefined()
      }
      await peers[(i + 1) % 3]!.delete(`from ${i}`)
      for (const reader of peers) expect(await reader.get(`from ${i}`)).toBeUndefined()
    }
  })

  it('take keys as text or bytes, and values of any size up to the limit', async () => {
    const [a, b] = [peers[0]!, peers[1]!]
    const largest = new Uint8Array(maxValueBytes).fill(7)
    await a.put('é'.repeat(maxKeyBytes / 2), largest)
    const result = await b.get(bytes('é'.repeat(maxKeyBytes / 2)))
    expect(Buffer.compare(result!.value, largest)).toBe(0)
    await a.put(Uint8Array.of(0, 255), new Uint8Array())
    expect((await b.get(Uint8Array.of(0, 255)))?.value).toHaveLength(0)
  })

  it('forget a value when its time is over', async () => {
    const before = Date.now()
    await peers[0]!.put('brief', bytes('x'), { ttl: 300 })
    const result = await peers[1]!.get('brief')
    expect(result!.expiresAt).toBeGreaterThanOrEqual(before + 300)
    expect(result!.expiresAt).toBeLessThanOrEqual(Date.now() + 300)
    await until(async () => (await peers[2]!.get('brief')) === undefined, 'the value has expired')
    expect(Date.now()).toBeGreaterThanOrEqual(before + 300)
  })

  it('heed the consistency asked for', async () => {
    const { replicas } = await peers[0]!.put('for all', bytes('1'), { consistency: 'all' })
    expect(replicas).toBe(3)
    for (const peer of peers) {
      expect(text((await peer.get('for all', { consistency: 'one' }))?.value)).toBe('1')
      expect(text((await peer.get('for all', { consistency: 'all' }))?.value)).toBe('1')
    }
    const one = await peers[1]!.put('for one', bytes('2'), { consistency: 'one' })
    expect(one.replicas).toBeGreaterThanOrEqual(1)
    expect(text((await peers[1]!.get('for one', { consistency: 'one' }))?.value)).toBe('2')
  })

  it('agree on where a key lies, and on who they are', async () => {
    const locations = await Promise.all(peers.map(peer => peer.locate('colour')))
    expect(locations[0]!.position).toMatch(/^[0-9a-f]{64}$/)
    expect([...locations[0]!.replicas[0]!].sort()).toEqual(peers.map(({ peerId }) => peerId).sort())
    for (const location of locations) expect(location).toEqual(locations[0])
    for (const peer of peers) {
      await until(
        async () => (await peer.members()).every(({ addresses }) => addresses.length > 0),
        'addresses'
      )
      const members = await peer.members()
      expect(members.map(({ standing, liveness }) => `${standing} ${liveness}`)).toEqual(
        Array(3).fill('up alive')
      )
      expect(members.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1, 10)
    }
  })

  it('describe themselves in the status of each', async () => {
    await peers[0]!.put('counted', bytes('x'), { consistency: 'all' })
    const { members, epoch, transition, transfers } = await peers[2]!.status()
    expect(epoch).toBeGreaterThan(1)
    expect(transition).toBeNull()
    expect(transfers).toEqual([])
    for (const { records, bytes: held, version } of members) {
      expect(records).toBeGreaterThan(0)
      expect(held).toBeGreaterThan(0)
      expect(version).toMatch(/^\d+\.\d+\.\d+/)
    }
  })

  it('list each live key once, in ring order, over several pages', async () => {
    const prefix = 'listed/'
    const names = Array.from({ length: 2_300 }, (_, i) => `${prefix}${i}`)
    await Promise.all(names.map((name, i) => peers[i % 3]!.put(name, bytes('x'))))
    await peers[0]!.delete(names[0]!, { consistency: 'all' })
    const listed: string[] = []
    for await (const key of peers[1]!.keys()) listed.push(text(key)!)
    expect(new Set(listed).size).toBe(listed.length)
    const found = listed.filter(name => name.startsWith(prefix))
    const positions = await Promise.all(found.map(async name => (await peers[0]!.locate(name)).position))
    expect(positions).toEqual([...positions].sort())
    expect(found.sort()).toEqual(names.slice(1).sort())
  })

  it("keep to a copy of the key that they were given, and give values that are the reader's own", async () => {
    const key = bytes('a key of bytes')
    const putting = peers[0]!.put(key, bytes('mine'))
    key.fill(0)
    await putting
    for (const peer of peers) {
      const first = await peer.get('a key of bytes')
      expect(text(first?.value)).toBe('mine')
      first!.value.fill(0)
      expect(text((await peer.get('a key of bytes'))?.value)).toBe('mine')
    }
  })

  it('refuse what is over a limit or malformed, before anything is done', async () => {
    const peer = peers[0]!
    const value = bytes('x')
    const wrong: Array<[string, () => Promise<unknown>]> = [
      ['an empty key', () => peer.put('', value)],
      ['a key over the limit', () => peer.get('k'.repeat(maxKeyBytes + 1))],
      ['half a surrogate pair', () => peer.delete('\ud800')],
      ['a key that is a number', () => peer.get(7 as unknown as string)],
      ['a value over the limit', () => peer.put('k', new Uint8Array(maxValueBytes + 1))],
      ['a value that is text', () => peer.put('k', 'x' as unknown as Uint8Array)],
      ['an unknown consistency', () => peer.get('k', { consistency: 'most' as 'all' })],
      ['a ttl of nothing', () => peer.put('k', value, { ttl: 0 })],
      ['a ttl that is no number', () => peer.put('k', value, { ttl: NaN })],
      ['a deadline of nothing', () => peer.get('k', { deadline: 0 })],
      ['a deadline over the limit', () => peer.status({ deadline: 60_001 })],
      ['a deadline of a leave', () => peer.leave(peer.peerId, { deadline: -1 })],
      ['a deadline of a listing', () => peer.keys({ deadline: -1 })[Symbol.asyncIterator]().next()],
      ['a peer that is no member', () => peer.remove('nobody')]
    ]
    for (const [what, call] of wrong) {
      const error = await errorOf('ERR_INVALID', call)
      expect(error.indefinite, what).toBe(false)
      expect(error.exitCode, what).toBe(2)
    }
  })

  it('end every call whose signal has aborted', async () => {
    const peer = peers[0]!
    const signal = AbortSignal.abort()
    const calls = [
      () => peer.put('k', bytes('x'), { signal }),
      () => peer.get('k', { signal }),
      () => peer.delete('k', { signal }),
      () => peer.locate('k', { signal }),
      () => peer.members({ signal }),
      () => peer.status({ signal }),
      () => peer.keys({ signal })[Symbol.asyncIterator]().next(),
      () => peer.leave(peers[1]!.peerId, { signal }),
      () => peer.remove(peers[1]!.peerId, { signal })
    ]
    for (const call of calls) expect((await errorOf('ERR_ABORTED', call)).indefinite).toBe(false)
  })
})

describe('a peer that cannot reach a quorum', () => {
  it('ends calls at their deadline, or when they are given up, or when it stops', async () => {
    const { peers } = await startCluster(3)
    const peer = peers[0]!
    await peer.put('k', bytes('before'))
    await Promise.all([peers[1]!.stop(), peers[2]!.stop()])

    const late = await errorOf('ERR_QUORUM', () => peer.get('k', { deadline: 300 }))
    expect(late.missing.length).toBeGreaterThan(0)
    const controller = new AbortController()
    const given = errorOf('ERR_ABORTED', () => peer.get('k', { signal: controller.signal }))
    controller.abort()
    await given
    await errorOf('ERR_QUORUM', async () => {
      for await (const key of peer.keys()) expect(key).toBeDefined()
    })
    // Leaving needs the others' agreement, and is bounded only where its caller says so.
    const leaving = await errorOf('ERR_OUTCOME_UNKNOWN', () => peer.leave(undefined, { deadline: 300 }))
    expect(leaving.indefinite).toBe(true)
    const stopped = [errorOf('ERR_STOPPED', () => peer.get('k')), errorOf('ERR_STOPPED', () => peer.leave())]
    await peer.stop()
    await Promise.all(stopped)
    await errorOf('ERR_STOPPED', () => peer.get('k'))
    await errorOf('ERR_STOPPED', () => peer.status())
  })
})
