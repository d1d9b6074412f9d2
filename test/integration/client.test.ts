import { beforeAll, describe, expect, it } from 'vitest'
import { createClient } from '../../src/index.ts'
import type { Client, ClientInit } from '../../src/index.ts'
import {
  addressOf,
  bytes,
  errorOf,
  makeCluster,
  startClient,
  startCluster,
  startPeer,
  text,
  until,
  type Cluster
} from './peers.ts'

/** Nobody listens there; a dial is refused at once. */
const nowhere = '/ip4/127.0.0.1/tcp/1'

/** Of TEST-NET-1 (RFC 5737): on most networks a dial gets no answer at all. */
const unanswered = '/ip4/192.0.2.1/tcp/4001'

describe.each(['direct', 'forward'] as const)('a %s client', mode => {
  let cluster: Cluster
  let client: Client
  beforeAll(async () => {
    cluster = await makeCluster(4)
    client = await createClient({ peers: cluster.addresses, mode })
    return async () => {
      await client.close()
      await cluster.stop()
    }
  })

  it('does what a peer does', async () => {
    const { version, replicas } = await client.put('k', bytes('v'))
    expect(replicas).toBeGreaterThanOrEqual(2)
    const read = await client.get('k')
    expect(text(read?.value)).toBe('v')
    expect(read?.version).toBe(version)
    expect(read?.expiresAt).toBeUndefined()
    for (const peer of cluster.peers) expect(text((await peer.get('k'))?.value)).toBe('v')
    await client.delete('k')
    expect(await client.get('k')).toBeUndefined()
    const brief = await client.put('brief', bytes('v'), { ttl: 60_000, consistency: 'all' })
    expect(brief.replicas).toBe(3)
    expect((await client.get('brief', { consistency: 'one' }))?.expiresAt).toBeGreaterThan(Date.now())
  })

  it('shows what a peer shows', async () => {
    const peer = cluster.peers[0]!
    expect(await client.locate('k')).toEqual(await peer.locate('k'))
    expect((await client.members()).map(({ peerId }) => peerId).sort()).toEqual(
      cluster.peers.map(({ peerId }) => peerId).sort()
    )
    const { members, clusterId } = await client.status()
    expect(members).toHaveLength(4)
    expect(clusterId).toBe((await peer.status()).clusterId)
    await Promise.all(['a', 'b', 'c'].map(name => client.put(name, bytes(name))))
    const listed: string[] = []
    for await (const key of client.keys()) listed.push(text(key)!)
    expect(listed).toEqual(expect.arrayContaining(['a', 'b', 'c']))
  })

  it('refuses what is malformed, and ends what is given up', async () => {
    await errorOf('ERR_INVALID', () => client.put('', bytes('v')))
    await errorOf('ERR_INVALID', () => client.get('k', { deadline: 1e9 }))
    await errorOf('ERR_INVALID', () => client.leave('nobody'))
    const signal = AbortSignal.abort()
    const calls = [
      () => client.put('k', bytes('v'), { signal }),
      () => client.get('k', { signal }),
      () => client.locate('k', { signal }),
      () => client.status({ signal }),
      () => client.keys({ signal })[Symbol.asyncIterator]().next(),
      () => client.remove(cluster.peers[0]!.peerId, { signal })
    ]
    for (const call of calls) expect((await errorOf('ERR_ABORTED', call)).indefinite).toBe(false)
  })

  it('has members leave', async () => {
    const last = cluster.peers[3]!
    await client.leave(last.peerId)
    expect((await client.members()).map(({ peerId }) => peerId)).not.toContain(last.peerId)
  })
})

describe('a client', () => {
  it.each(['direct', 'forward'] as const)(
    'goes on when the peer that it was connected to is lost: %s',
    async mode => {
      const { peers } = await startCluster(3)
      // It is given but one address: the others it learns.
      const client = await startClient({ peers: [addressOf(peers[0]!)], mode })
      await client.put('k', bytes('before'))
      await peers[0]!.stop()
      await client.put('k', bytes('after'))
      expect(text((await client.get('k'))?.value)).toBe('after')
      expect(await client.members()).toHaveLength(3)
    }
  )

  it('asks the next peer where the first one cannot serve yet', async () => {
    const founder = await startPeer()
    await founder.ready()
    const waiting = await startPeer({ join: [nowhere] })
    for (const mode of ['direct', 'forward'] as const) {
      const client = await startClient({ peers: [addressOf(waiting), addressOf(founder)], mode })
      await client.put('k', bytes(mode))
      expect(text((await client.get('k'))?.value)).toBe(mode)
      expect((await client.status()).members).toHaveLength(1)
    }
  })

  it.each([
    ['refuse', nowhere],
    ['swallow', unanswered]
  ])('has a peer do what it cannot: the others announce addresses that %s dials', async (_, announce) => {
    // Each peer can be reached by those it has dialled itself, but by no client.
    const { peers } = await startCluster(3, index => (index === 0 ? {} : { announce: [announce] }))
    const client = await startClient({ peers: [addressOf(peers[0]!)] })
    for (let i = 0; i < 10; i++) {
      await client.put(`k${i}`, bytes(`v${i}`), { deadline: 20_000 })
      expect(text((await client.get(`k${i}`, { consistency: 'all' }))?.value)).toBe(`v${i}`)
    }
  })

  it('says what keeps it from connecting', async () => {
    const peer = await startPeer({ network: 'ours' })
    await peer.ready()
    const fail = (code: 'ERR_INVALID' | 'ERR_CONFIG' | 'ERR_UNREACHABLE', init: ClientInit) =>
      errorOf(code, () => createClient(init))
    const peers = [addressOf(peer)]
    const wrong = await fail('ERR_CONFIG', { peers, network: 'theirs' })
    expect(wrong.message).toMatch(/"ours".*"theirs"/)
    const nobody = await fail('ERR_UNREACHABLE', { peers: [nowhere] })
    expect(nobody.message).toContain(nowhere)
    await fail('ERR_INVALID', { peers: [] })
    await fail('ERR_INVALID', { peers: ['here'] })
    await fail('ERR_INVALID', { peers, network: 'ours', mode: 'sideways' as 'direct' })
    await fail('ERR_INVALID', { peers, network: 'ours', networkKey: bytes('none') })
    const key = bytes(`/key/swarm/psk/1.0.0/\n/base16/\n${'a'.repeat(64)}\n`)
    await fail('ERR_UNREACHABLE', { peers, network: 'ours', networkKey: key })
  })

  it('ends what is under way when it is closed, and refuses the rest', async () => {
    const { peers } = await startCluster(3)
    const client = await startClient({ peers: peers.map(addressOf) })
    await client.put('k', bytes('v'))
    await Promise.all([peers[1]!.stop(), peers[2]!.stop()])
    const cut = [errorOf('ERR_STOPPED', () => client.get('k')), errorOf('ERR_STOPPED', () => client.leave())]
    await Promise.all([client.close(), client.close()])
    await Promise.all(cut)
    await errorOf('ERR_STOPPED', () => client.get('k'))
    await errorOf('ERR_STOPPED', () => client.status())
  })

  it('says what is not known of a put that no quorum could take in time', async () => {
    const { peers } = await startCluster(3)
    const client = await startClient({ peers: [addressOf(peers[0]!)] })
    await client.put('k', bytes('v'))
    await Promise.all([peers[1]!.stop(), peers[2]!.stop()])
    await until(
      () => errorOf('ERR_QUORUM', () => client.put('k', bytes('w'), { deadline: 1_000 })).then(() => true),
      'it is refused'
    )
    expect(text((await client.get('k', { consistency: 'one' }))?.value)).toBe('v')
  })
})
