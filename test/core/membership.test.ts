import { describe, expect, it } from 'vitest'
import { EventEmitter } from '../../src/core/emitter.ts'
import { identityClusterName, identityKeyName } from '../../src/core/identity.ts'
import { Membership, type MembershipInit } from '../../src/core/membership.ts'
import type { Store, Transport } from '../../src/core/ports.ts'
import { Refusals } from '../../src/core/requests/refusals.ts'
import { MemoryStore } from '../../src/storage/memory.ts'
import { peerIdOf } from '../support/peer-ids.ts'
import { VirtualClock, VirtualTime } from '../simulation/clock.ts'
import { SeededRandom } from '../simulation/random.ts'
import { recordOf } from './movement/world.ts'
import { failureOf } from './requests/fakes.ts'
import { silent } from './topology/fakes.ts'

/** A store that tells of a loss when it is opened. */
function withLoss(store: MemoryStore, loss: string): Store {
  return new Proxy<Store>(store, {
    get: (target, name: keyof Store) => {
      if (name === 'loss') return loss
      const value: unknown = Reflect.get(target, name, target)
      return typeof value === 'function' ? (value.bind(target) as unknown) : value
    }
  })
}

const routes = {} as MembershipInit['routes']

/** One start of the only peer of a cluster, on a disk of an earlier start or a new one. */
function make(init: Partial<MembershipInit> = {}, store: Store = new MemoryStore(), seed = 1) {
  const time = new VirtualTime()
  const disconnected: string[] = []
  const transport = {
    peerId: peerIdOf(0),
    remotes: () => [{ peerId: peerIdOf(1) }],
    disconnect: (peerId: string) => disconnected.push(peerId),
    addresses: { multiaddrs: () => ['at home'] }
  } as unknown as Transport
  const events = new EventEmitter({ logger: silent })
  const seen: string[] = []
  events.on('ready', ({ multiaddrs }) => seen.push(`ready ${multiaddrs.join()}`))
  events.on('topology', ({ epoch }) => seen.push(`epoch ${epoch}`))
  const random = new SeededRandom(seed)
  const clock = new VirtualClock(time)
  const membership = new Membership(
    {
      clock,
      random,
      transport,
      store,
      events,
      logger: silent,
      refusals: new Refusals({ clock, logger: silent })
    },
    { vnodes: 4, routes, ...init }
  )
  const stop = new AbortController()
  return { time, membership, store, seen, disconnected, stop }
}

/** Founds a cluster on a disk, and stops. */
async function founded(init: Partial<MembershipInit> = {}): Promise<MemoryStore> {
  const store = new MemoryStore()
  const { time, membership, stop } = make(init, store)
  await membership.load()
  const running = membership.run(stop.signal)
  await time.settle(membership.ready)
  stop.abort()
  await failureOf(time.settle(running))
  return store
}

describe('a peer with nothing on disk and nobody to join', () => {
  it('founds a cluster with what it was given, and is ready', async () => {
    const { time, membership, seen, stop } = make({ network: 'ours', replicas: 5 })
    await membership.load()
    expect(membership.life).toBeUndefined()
    const running = membership.run(stop.signal)
    await time.settle(membership.ready)
    expect(membership.log.current).toMatchObject({ network: 'ours', replicas: 5, epoch: 1 })
    expect(membership.log.current!.clusterId).toMatch(/^[0-9a-f]{32}$/)
    expect(seen).toEqual(['epoch 1', 'ready at home'])
    expect(membership.life).toBeDefined()
    stop.abort()
    await time.settle(running)
    expect(membership.life).toBeUndefined()
    expect(time.pending).toBe(0)
  })

  it('has the defaults where it was given nothing', async () => {
    const { membership } = make({}, await founded())
    await membership.load()
    expect(membership.log.current).toMatchObject({ network: 'annulus', replicas: 3 })
  })
})

describe('a peer that starts again', () => {
  it('is the same life with a higher boot number, in its cluster', async () => {
    const store = await founded()
    const boots: number[] = []
    const lives = new Set<string>()
    for (let start = 0; start < 3; start++) {
      const { time, membership, stop } = make({}, store, start)
      await membership.load()
      boots.push(membership.identity.boot)
      lives.add(membership.identity.life)
      const running = membership.run(stop.signal)
      await time.settle(membership.ready)
      expect(membership.log.epoch).toBe(1)
      stop.abort()
      await time.settle(running)
    }
    expect(boots).toEqual([2, 3, 4])
    expect(lives.size).toBe(1)
  })

  it('is refused with both values where its settings are not those of the cluster on its disk', async () => {
    const store = await founded({ network: 'ours', replicas: 3 })
    const network = await failureOf(make({ network: 'theirs' }, store).membership.load())
    expect(network).toMatchObject({ code: 'ERR_CONFIG' })
    expect(String(network)).toMatch(/"ours".*"theirs"/)
    const replicas = await failureOf(make({ network: 'ours', replicas: 5 }, store).membership.load())
    expect(replicas).toMatchObject({ code: 'ERR_CONFIG' })
    expect(String(replicas)).toMatch(/keeps 3 replicas .* not 5/)
    expect(await failureOf(make({ network: 'ours' }, store).membership.load())).toBeUndefined()
  })
})

describe('a peer that lost what it had acknowledged', () => {
  /** With somebody to join; with nobody it is left as it is. */
  const expectNewLife = async (store: MemoryStore, loss?: string): Promise<void> => {
    const before = new TextDecoder().decode(await store.readMeta('peer/life'))
    await store.merge(recordOf('key'))
    await store.writeMeta([[identityKeyName, new Uint8Array([1])]])
    const opened = loss === undefined ? store : withLoss(store, loss)
    const refusal = await failureOf(make({}, opened, 2).membership.load())
    expect(refusal).toMatchObject({ code: 'ERR_STORE' })
    expect(String(refusal)).toMatch(/has lost something .*no address is known of another member/)
    expect(store.usage().records).toBe(1)
    expect(new TextDecoder().decode(await store.readMeta('peer/life'))).toBe(before)
    const { membership, disconnected } = make({ join: ['sim:another'] }, opened, 2)
    await membership.load()
    expect(membership.identity.life).not.toBe(before)
    expect(membership.identity.boot).toBe(1)
    expect(membership.log.current).toBeUndefined()
    expect(store.usage().records).toBe(0)
    // Its peer id stays, and nobody goes on with the life that was.
    expect(await store.readMeta(identityKeyName)).toEqual(new Uint8Array([1]))
    expect(disconnected).toEqual([peerIdOf(1)])
  }

  it('begins a new life with an empty store where the store says so, and somebody can bring it all back', async () => {
    const store = await founded()
    await expectNewLife(store, 'the log was cut short')
  })

  it('does so too where what is on disk of the log does not decode', async () => {
    const store = await founded()
    await store.writeMeta([['log/topology', new Uint8Array([0xff, 0xff])]])
    await expectNewLife(store)
  })

  it('does so too where the log is gone but for its entries', async () => {
    const store = await founded()
    await store.writeMeta([['log/topology', undefined]])
    await expectNewLife(store)
  })

  it.each(['peer/life', 'peer/boot'])('does so too where the row %s is damaged', async name => {
    const store = await founded()
    await store.writeMeta([[name, new Uint8Array([0xff, 0xff])]])
    await expectNewLife(store)
  })
})

describe('a peer that knows which cluster it belongs to, and no address of it', () => {
  it('founds no other one', async () => {
    const store = new MemoryStore()
    await store.writeMeta([[identityClusterName, new TextEncoder().encode('6bd6')]])
    const { time, membership, seen, stop } = make({}, store)
    await membership.load()
    const failure = await failureOf(time.settle(membership.run(stop.signal)))
    expect(failure).toMatchObject({ code: 'ERR_CONFIG' })
    expect(String(failure)).toMatch(/belongs to the cluster 6bd6 and knows no address/)
    expect(await failureOf(membership.ready)).toBe(failure)
    expect(seen).toEqual([])
    expect(time.pending).toBe(0)
  })
})

describe('a peer that is stopped', () => {
  it('before it is ready says so to whoever waits', async () => {
    const { time, membership, stop } = make({ join: ['sim:nobody'] })
    await membership.load()
    stop.abort()
    await failureOf(time.settle(membership.run(stop.signal)))
    expect(await failureOf(membership.ready)).toBeDefined()
    expect(membership.life).toBeUndefined()
    expect(time.pending).toBe(0)
  })
})
