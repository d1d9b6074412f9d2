import { cp } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { once } from 'node:events'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { createPeer } from '../../src/index.ts'
import type { Events, Peer } from '../../src/index.ts'
import { openLevelStore } from '../../src/storage/level.ts'
import { silentLogger } from '../../src/silent-logger.ts'
import {
  addressOf,
  bytes,
  errorOf,
  next,
  startClient,
  startCluster,
  startPeer,
  temporaryFolder,
  text,
  until
} from './peers.ts'

/** A private network's key file, as libp2p writes it. */
const keyFile = (digit: string): Uint8Array => bytes(`/key/swarm/psk/1.0.0/\n/base16/\n${digit.repeat(64)}\n`)

/** A port that nobody listens on, for now. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

describe('a peer that joins', () => {
  it('waits until the others can be reached, and says so', async () => {
    const port = await freePort()
    const joiner = await startPeer({ join: [`/ip4/127.0.0.1/tcp/${port}`] })
    const { reason } = await next(joiner, 'waiting')
    expect(reason).toContain(`/ip4/127.0.0.1/tcp/${port}`)
    expect(reason).toContain('nobody listens there')
    await errorOf('ERR_UNREACHABLE', () => joiner.get('k'))
    await errorOf('ERR_ABORTED', () => joiner.ready({ signal: AbortSignal.timeout(10) }))
    const founder = await startPeer({ listen: [`/ip4/127.0.0.1/tcp/${port}`] })
    await joiner.ready()
    expect(await joiner.members()).toHaveLength(2)
    expect(await founder.members()).toHaveLength(2)
  })

  it('fails with both values where it was started for other settings', async () => {
    const founder = await startPeer({ replicas: 2, network: 'ours' })
    await founder.ready()
    const join = [addressOf(founder)]
    const factor = await startPeer({ join, replicas: 3, network: 'ours' })
    const failed = next(factor, 'failed')
    const wrongFactor = await errorOf('ERR_CONFIG', () => factor.ready())
    expect(wrongFactor.message).toMatch(/\b2\b/)
    expect(wrongFactor.message).toMatch(/\b3\b/)
    expect((await failed).error).toBe(wrongFactor)
    await errorOf('ERR_STOPPED', () => factor.get('k'))

    const network = await startPeer({ join, network: 'theirs' })
    const wrongNetwork = await errorOf('ERR_CONFIG', () => network.ready())
    expect(wrongNetwork.message).toContain('"ours"')
    expect(wrongNetwork.message).toContain('"theirs"')
    expect(await founder.members()).toHaveLength(1)
  })

  it('finds nobody where its network key is another one', async () => {
    const founder = await startPeer({ networkKey: keyFile('a') })
    await founder.ready()
    const same = await startPeer({ networkKey: keyFile('a'), join: [addressOf(founder)] })
    await same.ready()
    const other = await startPeer({ networkKey: keyFile('b'), join: [addressOf(founder)] })
    const { reason } = await next(other, 'waiting')
    // Either end may take the other's first bytes for the beginning of something long, and wait for the rest.
    expect(reason).toMatch(/private network key|did not answer/)
  })

  it('finds nobody where it is not on the allow list', async () => {
    const stranger = await startPeer({ join: [`/ip4/127.0.0.1/tcp/${await freePort()}`] })
    const friendsFolder = await temporaryFolder()
    const friend = await createPeer({ data: friendsFolder })
    const { peerId } = friend
    await friend.stop()
    const warned: unknown[] = []
    const logger = { ...silentLogger, warn: (...entry: unknown[]) => void warned.push(entry) }
    const founder = await startPeer({ allow: [peerId], logger })
    await founder.ready()
    const refused = await startPeer({ join: [addressOf(founder)] })
    const { reason } = await next(refused, 'waiting')
    expect(reason).toContain(`its allow lists lack this end, ${refused.peerId}`)
    expect(warned[0]).toEqual([
      expect.stringContaining('on no allow list of this peer: --allow names the members') as string,
      { peerId: refused.peerId, count: 1 }
    ])
    expect(stranger.peerId).not.toBe(peerId)
    expect(await founder.members()).toHaveLength(1)
  })
})

describe('createPeer', () => {
  it('says which of its settings is wrong', async () => {
    const wrong = [
      { replicas: 0 },
      { replicas: 16 },
      { vnodes: 1.5 },
      { network: '' },
      { removeAfter: -1 },
      { transferRate: 63_999 },
      { listen: ['here'] },
      { join: ['127.0.0.1:4001'] },
      { join: '/ip4/127.0.0.1/tcp/1' as unknown as string[] },
      { allow: ['nobody'] },
      { networkKey: bytes('no key') }
    ]
    for (const init of wrong) {
      const error = await errorOf('ERR_INVALID', () => createPeer(init))
      const [name] = Object.keys(init)
      expect(error.message).toContain(name === 'networkKey' ? 'network key' : `"${name}"`)
    }
  })

  it('fails where its port is in use, and leaves its data folder free', async () => {
    const first = await startPeer()
    const data = await temporaryFolder()
    const port = /tcp\/(\d+)/.exec(addressOf(first))![1]!
    const listen = [`/ip4/127.0.0.1/tcp/${port}`]
    const error = await errorOf('ERR_LISTEN', () => createPeer({ listen, data }))
    expect(error.message).toContain(listen[0]!)
    expect(error.message).toContain('in use')
    const second = await startPeer({ data })
    await second.ready()
  })

  it('fails where another peer has the data folder', async () => {
    const data = await temporaryFolder()
    await startPeer({ data })
    const error = await errorOf('ERR_STORE_LOCKED', () => createPeer({ data }))
    expect(error.message).toContain(data)
  })

  it('fails where the data folder is of another network or replication factor', async () => {
    const data = await temporaryFolder()
    const first = await createPeer({ data, network: 'ours', replicas: 2 })
    await first.ready()
    await first.stop()
    const network = await errorOf('ERR_CONFIG', () => createPeer({ data, network: 'theirs' }))
    expect(network.message).toMatch(/"ours".*"theirs"/)
    const factor = await errorOf('ERR_CONFIG', () => createPeer({ data, network: 'ours', replicas: 3 }))
    expect(factor.message).toMatch(/\b2\b.*\b3\b/)
  })

  it('founds no second cluster from a folder that has one', async () => {
    const data = await temporaryFolder()
    const first = await createPeer({ data })
    await first.ready()
    const { clusterId } = await first.status()
    await first.stop()
    const again = await startPeer({ data })
    await again.ready()
    expect((await again.status()).clusterId).toBe(clusterId)
  })
})

describe('a peer that stops', () => {
  const sockets = (): number =>
    process.getActiveResourcesInfo().filter(name => name.startsWith('TCP') || name === 'Timeout').length

  it('leaves no socket and no timer behind, however often and soon it is stopped', async () => {
    const before = sockets()
    const cluster = await startCluster(3)
    const { peers } = cluster
    await peers[0]!.put('k', bytes('x'))
    expect(sockets()).toBeGreaterThan(before)
    await Promise.all([cluster.stop(), cluster.stop()])
    await cluster.stop()
    const early = await createPeer({ join: ['/ip4/127.0.0.1/tcp/1'] })
    await early.stop()
    await errorOf('ERR_STOPPED', () => early.ready())
    await until(() => sockets() <= before, 'the sockets and timers are gone')
  })

  it('is the same member with the same data when it comes back, at another address too', async () => {
    const folders = [await temporaryFolder(), await temporaryFolder(), await temporaryFolder()]
    const { peers } = await startCluster(3, index => ({ data: folders[index]! }))
    const [a, b, c] = [peers[0]!, peers[1]!, peers[2]!]
    await a.put('before', bytes('1'), { consistency: 'all' })
    const lives = lifeOf(await a.members())
    const boot = await stoppedBoot(c, folders[2]!)
    const missed = await a.put('while away', bytes('2'))
    expect(missed.replicas).toBe(2)
    const back = await startPeer({ data: folders[2]! })
    await back.ready()
    expect(back.peerId).toBe(c.peerId)
    expect(lifeOf(await back.members())).toEqual(lives)
    expect(text((await back.get('before', { consistency: 'one' }))?.value)).toBe('1')
    expect(text((await back.get('while away'))?.value)).toBe('2')
    await until(async () => {
      const known = (await b.members()).find(({ peerId }) => peerId === c.peerId)
      return (
        known?.addresses.includes(back.multiaddrs[0]!.replace(/\/p2p\/.*/, '')) === true ||
        known?.addresses.includes(back.multiaddrs[0]!) === true
      )
    }, 'its new address is known')
    expect(await stoppedBoot(back, folders[2]!)).toBe(boot + 1)
  })

  const lifeOf = (members: readonly { peerId: string; life: string }[]): Record<string, string> =>
    Object.fromEntries(members.map(({ peerId, life }) => [peerId, life]))

  /** Stops a peer and reads the number of its start from its folder. */
  async function stoppedBoot(peer: Peer, folder: string): Promise<number> {
    await peer.stop()
    const store = await openLevelStore(folder, { logger: silentLogger })
    const boot = await store.readMeta('peer/boot')
    await store.close()
    return Number(text(boot))
  }
})

describe('a copied data folder', () => {
  it('is refused while the original runs, which goes on', async () => {
    const data = await temporaryFolder()
    const { peers } = await startCluster(2, index => (index === 1 ? { data } : {}))
    const original = peers[1]!
    await original.put('k', bytes('x'))
    // Copied as it lies there, but for the lock: what a restored backup or a cloned machine looks like.
    await until(
      () => original.members().then(all => all.every(({ addresses }) => addresses.length > 0)),
      'addresses'
    )
    await original.stop()
    const copy = await temporaryFolder()
    await cp(data, copy, { recursive: true, filter: source => !source.endsWith(join('level', 'LOCK')) })
    const again = await startPeer({ data })
    await again.ready()
    await again.get('k')

    const double = await createPeer({ data: copy, join: [addressOf(peers[0]!)] })
    onTestFinished(() => double.stop())
    const failed = next(double, 'failed')
    const error = await errorOf('ERR_DUPLICATE', () => double.ready())
    expect(error.message).toContain(again.peerId)
    expect((await failed).error).toBe(error)
    await errorOf('ERR_STOPPED', () => double.get('k'))
    expect(text((await again.get('k'))?.value)).toBe('x')
    expect(text((await peers[0]!.get('k'))?.value)).toBe('x')
  })
})

describe('members', () => {
  it('leave by themselves: their data stays, they say so and end', async () => {
    const { peers } = await startCluster(3)
    const [a, b, c] = [peers[0]!, peers[1]!, peers[2]!]
    for (let i = 0; i < 20; i++) await c.put(`k${i}`, bytes(`v${i}`))
    const gone = next(c, 'gone')
    const transitions: Array<Events['topology']> = []
    a.on('topology', event => transitions.push(event))
    await c.leave()
    expect(await gone).toEqual({ standing: 'left' })
    await until(async () => (await b.members()).length === 2, 'b knows')
    await until(() => transitions.at(-1)?.transition === null, 'the transition is closed')
    expect(transitions[0]?.transition?.leaving).toEqual([c.peerId])
    for (let i = 0; i < 20; i++) {
      expect(text((await b.get(`k${i}`, { consistency: 'all' }))?.value)).toBe(`v${i}`)
    }
    await until(
      () =>
        errorOf('ERR_STOPPED', () => c.get('k0')).then(
          () => true,
          () => false
        ),
      'it has ended by itself'
    )
  })

  it('send each other away, and the last one stays', async () => {
    const { peers } = await startCluster(2)
    await peers[0]!.leave(peers[1]!.peerId)
    expect((await peers[0]!.members()).map(({ peerId }) => peerId)).toEqual([peers[0]!.peerId])
    const error = await errorOf('ERR_REFUSED', () => peers[0]!.leave())
    expect(error.message).toContain('last member')
  })

  it('say what a leave waits for, asked by a peer or a client', async () => {
    const { peers } = await startCluster(3)
    const [a, b, c] = [peers[0]!, peers[1]!, peers[2]!]
    await c.stop()
    const client = await startClient({ peers: [addressOf(a)] })
    for (const store of [a, client]) {
      const enough = new AbortController()
      const reasons: string[] = []
      const onWaiting = (reason: string): void => {
        reasons.push(reason)
        // It may be found to be down before the leave has begun, or after.
        if (reason.includes(`${c.peerId}, which is`) || reason.includes(`(down: ${c.peerId}`)) enough.abort()
      }
      const leaving = store.leave(b.peerId, { signal: enough.signal, onWaiting })
      expect((await errorOf('ERR_ABORTED', () => leaving)).indefinite).toBe(true)
      expect(new Set(reasons).size).toBe(reasons.length)
    }
  })

  it('remove one that is dead, and replicate anew what it held', async () => {
    const { peers } = await startCluster(4, () => ({ replicas: 2 }))
    const [a, b, c, d] = [peers[0]!, peers[1]!, peers[2]!, peers[3]!]
    const suspected = new Promise<void>(resolve => {
      a.on('liveness', ({ peerId, liveness }) => {
        if (peerId === d.peerId && liveness === 'suspect') resolve()
      })
    })
    for (let i = 0; i < 20; i++) await a.put(`k${i}`, bytes(`v${i}`), { consistency: 'all' })
    await d.stop()
    await suspected
    await a.remove(d.peerId)
    for (const peer of [a, b, c]) {
      await until(async () => (await peer.members()).length === 3, 'it knows')
      for (let i = 0; i < 20; i++) {
        expect(text((await peer.get(`k${i}`, { consistency: 'all' }))?.value)).toBe(`v${i}`)
      }
    }
  })

  it('give up the only copies of something only where that is accepted', async () => {
    const { peers } = await startCluster(3, () => ({ replicas: 1 }))
    const [a, b, c] = [peers[0]!, peers[1]!, peers[2]!]
    await c.stop()
    await until(
      async () => (await a.members()).some(({ liveness }) => liveness !== 'alive'),
      'it does not answer'
    )
    const error = await errorOf('ERR_REFUSED', () => a.remove(c.peerId))
    expect(error.message).toContain(`too few copies left; missing are ${c.peerId}`)
    await a.remove(c.peerId, { acceptLoss: true })
    await until(async () => (await b.members()).length === 2, 'b knows')
    for (let i = 0; i < 20; i++) await b.put(`k${i}`, bytes(`v${i}`))
  })

  it('that were removed while they run join anew by themselves', async () => {
    const { peers } = await startCluster(3)
    const [a, , c] = [peers[0]!, peers[1]!, peers[2]!]
    const life = (await a.members()).find(({ peerId }) => peerId === c.peerId)!.life
    const gone = next(c, 'gone')
    const ready = next(c, 'ready')
    await a.remove(c.peerId)
    expect(await gone).toEqual({ standing: 'removed' })
    await ready
    const anew = (await a.members()).find(({ peerId }) => peerId === c.peerId)
    expect(anew?.standing).toBe('up')
    expect(anew?.life).not.toBe(life)
    await c.put('k', bytes('x'))
    expect(text((await a.get('k'))?.value)).toBe('x')
  })
})

describe('clocks half a minute apart', () => {
  it('do not keep a get from seeing the put that was answered just before', async () => {
    const skews = [-30_000, 0, 30_000]
    const { peers } = await startCluster(3, index => ({ clockSkewMs: skews[index]! }))
    const chain = async (key: string): Promise<void> => {
      for (let i = 0; i < 250; i++) {
        const [writer, reader] = [peers[i % 3]!, peers[(i + 1 + (Math.floor(i / 3) % 2)) % 3]!]
        await writer.put(key, bytes(String(i)))
        expect(text((await reader.get(key))?.value)).toBe(String(i))
      }
    }
    await Promise.all(['w', 'x', 'y', 'z'].map(chain))
  })
})
