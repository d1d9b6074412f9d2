/** Peers and clients on real libp2p nodes on loopback, for the tests of the transport. */
import { generateKeyPair } from '@libp2p/crypto/keys'
import type { PrivateKey } from '@libp2p/interface'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import type { Greeting, Refusal, Remote, ServeContext, TransportHandlers } from '../../src/core/ports.ts'
import { createNode, type Node, type NodeInit } from '../../src/libp2p/node.ts'

/** Handlers that answer with what they were asked, and remember what they were told. */
export class TestHandlers implements TransportHandlers {
  life: string
  boot = 1
  role: Greeting['role'] = 'peer'
  refusal: Refusal | undefined
  readonly opened: Remote[] = []
  readonly closed: Remote[] = []
  answer: (body: Uint8Array, context: ServeContext) => Promise<Uint8Array> = body => Promise.resolve(body)

  constructor(life: string) {
    this.life = life
  }

  greeting(): Greeting {
    const { life, boot, role } = this
    return { network: 'test', clusterId: '', generation: 0, role, life, boot, epoch: 0 }
  }

  admit(): Refusal | undefined {
    return this.refusal
  }

  serve(body: Uint8Array, context: ServeContext): Promise<Uint8Array> {
    return this.answer(body, context)
  }

  connected(remote: Remote): void {
    this.opened.push(remote)
  }

  disconnected(remote: Remote): void {
    this.closed.push(remote)
  }
}

export interface TestPeer extends Node {
  readonly privateKey: PrivateKey
  readonly handlers: TestHandlers
  /** Where it listens, with its peer id. */
  readonly address: string
  /** What requests are sent to. */
  readonly id: { readonly peerId: string; readonly life: string }
  stop(): Promise<void>
}

export interface TestPeerInit extends Partial<NodeInit> {
  readonly life?: string
  readonly role?: Greeting['role']
}

const running = new Set<TestPeer>()
let lives = 0

export async function startPeer(init: TestPeerInit = {}): Promise<TestPeer> {
  const { life, role = 'peer', ...nodeInit } = init
  const privateKey = init.privateKey ?? (await generateKeyPair('Ed25519'))
  const listen = role === 'peer' ? ['/ip4/127.0.0.1/tcp/0'] : []
  const node = await createNode({ listen, ...nodeInit, privateKey })
  const handlers = new TestHandlers(life ?? (role === 'client' ? '' : newLife()))
  handlers.role = role
  await node.libp2p.start()
  await node.transport.start(handlers)
  const peer: TestPeer = {
    ...node,
    privateKey,
    handlers,
    address: node.libp2p.getMultiaddrs()[0]?.toString() ?? '',
    get id() {
      return { peerId: node.transport.peerId, life: handlers.life }
    },
    async stop() {
      running.delete(peer)
      await node.transport.stop()
      await node.libp2p.stop()
    }
  }
  running.add(peer)
  return peer
}

/** Stops what the test has left running. */
export async function stopAll(): Promise<void> {
  await Promise.all([...running].map(peer => peer.stop()))
}

export function newLife(): string {
  lives += 1
  return lives.toString(16).padStart(16, '0')
}

/** Lets `from` know where `to` listens, as a ping's gossip would. */
export async function introduce(to: TestPeer, from: TestPeer): Promise<void> {
  await from.transport.addresses.learn(await to.transport.addresses.own())
}

/** Two peers that know each other's addresses; the one with the lower peer id first. */
export async function startPair(): Promise<[TestPeer, TestPeer]> {
  const keys = [await generateKeyPair('Ed25519'), await generateKeyPair('Ed25519')]
  keys.sort((a, b) => (idOf(a) < idOf(b) ? -1 : 1))
  const [low, high] = await Promise.all(keys.map(privateKey => startPeer({ privateKey })))
  await introduce(low!, high!)
  await introduce(high!, low!)
  return [low!, high!]
}

function idOf(key: PrivateKey): string {
  return peerIdFromPrivateKey(key).toString()
}

/** Resolves when `condition` holds; fails after 5 s. */
export async function until(condition: () => boolean, what: string): Promise<void> {
  const dueAt = performance.now() + 5_000
  while (!condition()) {
    if (performance.now() > dueAt) throw new Error(`still waiting: ${what}`)
    await new Promise(resolve => setTimeout(resolve, 5))
  }
}

export const text = (value: string): Uint8Array => new TextEncoder().encode(value)
export const timeoutMs = 5_000
