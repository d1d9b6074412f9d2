/** Who may connect to a peer, and as what: whole peers and clients with lasting identities, over real libp2p. */
import { generateKeyPair, privateKeyToProtobuf } from '@libp2p/crypto/keys'
import { identify } from '@libp2p/identify'
import { tcp } from '@libp2p/tcp'
import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { createLibp2p } from 'libp2p'
import { afterEach, describe, expect, it, onTestFinished } from 'vitest'
import { TransportError } from '../../src/core/ports.ts'
import { createPeer, type PeerInternals } from '../../src/create-peer.ts'
import { annulus, type AllowLists, type Client, type Peer, type PeerInit } from '../../src/index.ts'
import { Request } from '../../src/wire/generated/messages.ts'
import { silentLogger } from '../../src/silent-logger.ts'
import {
  addressOf,
  bytes,
  errorOf,
  next,
  startClient,
  startPeer,
  temporaryFolder,
  text,
  until,
  vnodes
} from './peers.ts'
import { startPeer as startNode, stopAll, timeoutMs } from './transports.ts'

afterEach(stopAll)

interface Identity {
  readonly peerId: string
  readonly privateKey: Uint8Array
}

async function newIdentity(): Promise<Identity> {
  const key = await generateKeyPair('Ed25519')
  return { peerId: peerIdFromPrivateKey(key).toString(), privateKey: privateKeyToProtobuf(key) }
}

/** A data folder whose peer has been started before, and found nobody to join, so that its peer id is known. */
async function knownPeer(): Promise<{ readonly data: string; readonly peerId: string }> {
  const data = await temporaryFolder()
  const peer = await createPeer({ data, vnodes, join: ['/ip4/127.0.0.1/tcp/1'] })
  await peer.stop()
  return { data, peerId: peer.peerId }
}

/** A peer that founds with these lists, and what it has warned of. */
async function startGuarded(init: PeerInit): Promise<{ peer: Peer; address: string; warned: string[] }> {
  const warned: string[] = []
  const logger = { ...silentLogger, warn: (message: string) => void warned.push(message) }
  const peer = await startPeer({ logger, ...init })
  await peer.ready()
  return { peer, address: addressOf(peer), warned }
}

function clientOf(
  address: string,
  { privateKey }: Identity,
  mode: 'direct' | 'forward' = 'direct'
): Promise<Client> {
  return startClient({ peers: [address], privateKey, mode })
}

describe('a list of clients', () => {
  it('lets in those clients and nobody else, neither as client nor as member', async () => {
    const [listed, stranger] = [await newIdentity(), await newIdentity()]
    const { peer, address, warned } = await startGuarded({ allowClients: [listed.peerId] })
    const client = await clientOf(address, listed)
    expect(client.peerId).toBe(listed.peerId)
    await client.put('k', bytes('v'))
    expect(text((await client.get('k'))?.value)).toBe('v')
    const error = await errorOf('ERR_UNREACHABLE', () => clientOf(address, stranger))
    expect(error.message).toContain(`its allow lists lack this end, ${stranger.peerId}`)
    expect(warned).toEqual([expect.stringContaining('on no allow list of this peer')])
    const joiner = await startPeer({ join: [address] })
    expect((await next(joiner, 'waiting')).reason).toContain(
      `its allow lists lack this end, ${joiner.peerId}`
    )
    expect(await peer.members()).toHaveLength(1)
  })

  it('makes no member of one that says it is one: it waits, and both are told why', async () => {
    const folder = await knownPeer()
    const { peer, address, warned } = await startGuarded({ allow: [], allowClients: [folder.peerId] })
    const joiner = await startPeer({ data: folder.data, join: [address] })
    expect((await next(joiner, 'waiting')).reason).toContain(
      'refused this peer: it may connect as a client alone'
    )
    expect(warned).toEqual([expect.stringContaining('it may connect as a client alone')])
    expect(await peer.members()).toHaveLength(1)
    // It is taken up as soon as it is on the list of members.
    peer.setAllowed({ allow: [folder.peerId] })
    await joiner.ready()
    await until(async () => (await peer.members()).length === 2, 'it has joined')
  })

  it('serves one that is a client by its peer id nothing that members ask each other', async () => {
    const client = await startNode({ role: 'client' })
    const posing = await startNode({ role: 'peer' })
    const peerIds = [client.transport.peerId, posing.transport.peerId]
    const { peer, address } = await startGuarded({ network: 'test', allow: [], allowClients: peerIds })
    await expect(posing.transport.connect(address, { timeoutMs })).rejects.toMatchObject({
      failure: 'refused',
      refusal: { code: 'role' }
    })
    const remote = await client.transport.connect(address, { timeoutMs })
    const ping = Request.encode({ epoch: 1, ping: { rumours: [], addresses: [] } })
    await expect(client.transport.request(remote, ping, { timeoutMs })).rejects.toMatchObject({
      failure: 'bad-request',
      message: expect.stringContaining('only peers may ask this') as string
    })
    expect(await peer.members()).toHaveLength(1)
  })
})

describe.each(['direct', 'forward'] as const)('a %s client that may only read', mode => {
  it('gets and looks around, and is told that it may not change anything', async () => {
    const [writer, reader] = [await newIdentity(), await newIdentity()]
    const allowClients = [writer.peerId, { peerId: reader.peerId, readOnly: true }]
    const { peer, address } = await startGuarded({ allowClients })
    await (await clientOf(address, writer, mode)).put('k', bytes('v'))
    const client = await clientOf(address, reader, mode)
    expect(text((await client.get('k'))?.value)).toBe('v')
    expect((await client.locate('k')).replicas).toEqual([[peer.peerId]])
    expect((await client.status()).members).toHaveLength(1)
    expect(await client.members()).toHaveLength(1)
    expect((await client.plan({ kind: 'join' })).moves).toHaveLength(1)
    const listed: string[] = []
    for await (const key of client.keys()) listed.push(text(key)!)
    expect(listed).toEqual(['k'])
    const change = [
      () => client.put('k', bytes('w')),
      () => client.delete('k'),
      () => client.leave(),
      () => client.remove(peer.peerId),
      () => client.restore([peer.peerId], { acceptLoss: 'x' })
    ]
    for (const each of change) {
      const error = await errorOf('ERR_FORBIDDEN', each)
      expect(error.indefinite).toBe(false)
    }
    expect(text((await peer.get('k'))?.value)).toBe('v')
    expect(await peer.members()).toHaveLength(1)
  })
})

it('has a peer write back what a get finds at too few replicas, where the client may only read', async () => {
  const [folders, reader] = [[await knownPeer(), await knownPeer(), await knownPeer()], await newIdentity()]
  const lists: AllowLists = {
    allow: folders.map(({ peerId }) => peerId),
    allowClients: [{ peerId: reader.peerId, readOnly: true }]
  }
  const [own, ...others] = folders
  // What it coordinates, it stores with itself alone.
  const first = await startPeer({ data: own!.data, ...lists }, { ports: keepingWrites })
  await first.ready()
  const join = [addressOf(first)]
  const joined = await Promise.all(others.map(({ data }) => startPeer({ data, join, ...lists })))
  await Promise.all(joined.map(peer => peer.ready()))
  await first.put('k', bytes('v'), { consistency: 'one' })
  const client = await clientOf(addressOf(joined[0]!), reader)
  expect(text((await client.get('k', { consistency: 'all' }))?.value)).toBe('v')
  for (const peer of joined) expect(text((await peer.get('k', { consistency: 'one' }))?.value)).toBe('v')
})

/** A network on which no write of records gets through to others. */
const keepingWrites: NonNullable<PeerInternals['ports']> = ({ clock, transport }) => ({
  clock,
  transport: new Proxy(transport, {
    get(target, name) {
      if (name === 'request') {
        return (...[to, body, options]: Parameters<typeof target.request>) =>
          Request.decode(body).writeRecord === undefined
            ? target.request(to, body, options)
            : Promise.reject(new TransportError('unreachable', 'held back', { delivered: false }))
      }
      const value: unknown = Reflect.get(target, name)
      // Its private fields are those of the target.
      return typeof value === 'function' ? (value.bind(target) as unknown) : value
    }
  })
})

describe('lists that change at run time', () => {
  it('cut off who is on them no more, at once, and let in who is new', async () => {
    const [old, young] = [await newIdentity(), await newIdentity()]
    const { peer, address } = await startGuarded({ allowClients: [old.peerId] })
    const client = await clientOf(address, old)
    await client.put('k', bytes('v'))
    peer.setAllowed({ allowClients: [young.peerId] })
    await errorOf('ERR_UNREACHABLE', () => client.get('k', { deadline: 1_000 }))
    expect(text((await (await clientOf(address, young)).get('k'))?.value)).toBe('v')
  })

  it('make a client one that may only read, and back, without a break', async () => {
    const identity = await newIdentity()
    const { peer, address } = await startGuarded({ allowClients: [identity.peerId] })
    const client = await clientOf(address, identity)
    await client.put('k', bytes('v'))
    peer.setAllowed({ allowClients: [{ peerId: identity.peerId, readOnly: true }] })
    await errorOf('ERR_FORBIDDEN', () => client.put('k', bytes('w')))
    peer.setAllowed({ allowClients: [identity.peerId] })
    await client.put('k', bytes('x'))
    expect(text((await peer.get('k'))?.value)).toBe('x')
  })

  it('cut off a member, which is told why and comes back when it is on them again', async () => {
    const folder = await knownPeer()
    const { peer, address } = await startGuarded({ allow: [folder.peerId] })
    const second = await startPeer({ data: folder.data, join: [address] })
    await second.ready()
    peer.setAllowed({ allow: [] })
    await until(
      async () => (await peer.members()).some(({ liveness }) => liveness !== 'alive'),
      'the member is missed',
      30_000
    )
    expect((await peer.members()).map(({ standing }) => standing)).toEqual(['up', 'up'])
    peer.setAllowed({ allow: [folder.peerId] })
    await until(
      async () => (await peer.members()).every(({ liveness }) => liveness === 'alive'),
      'the member is back',
      30_000
    )
  }, 60_000)

  it('stay in force where the new ones are wrong', async () => {
    const identity = await newIdentity()
    const { peer, address } = await startGuarded({ allowClients: [identity.peerId] })
    expect(() => peer.setAllowed({ allow: ['nobody'] })).toThrow('"allow" has "nobody"')
    await clientOf(address, identity)
  })
})

it('keeps them too as a service of a libp2p node, which connects to whom it likes', async () => {
  const [listed, stranger] = [await newIdentity(), await newIdentity()]
  const node = await createLibp2p({
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    services: { identify: identify(), store: annulus({ vnodes, allowClients: [listed.peerId] }) }
  })
  onTestFinished(async () => node.stop())
  const { store } = node.services
  await store.ready()
  const address = node.getMultiaddrs()[0]!.toString()
  const client = await clientOf(address, listed)
  await client.put('k', bytes('v'))
  const error = await errorOf('ERR_FORBIDDEN', () => clientOf(address, stranger))
  expect(error.message).toContain('on no allow list of this peer')
  store.setAllowed({ allowClients: [stranger.peerId] })
  await errorOf('ERR_FORBIDDEN', () => client.get('k', { deadline: 2_000 }))
  await clientOf(address, stranger)
})
