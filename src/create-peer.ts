/** `createPeer`: a peer with a libp2p node of its own. */
import { generateKeyPair, privateKeyFromProtobuf, privateKeyToProtobuf } from '@libp2p/crypto/keys'
import type { Libp2p, PrivateKey } from '@libp2p/interface'
import { accessOf } from './access-lists.ts'
import type { Peer, PeerInit } from './api.ts'
import { AnnulusError } from './core/errors.ts'
import { identityKeyName } from './core/identity.ts'
import type { Store } from './core/ports.ts'
import { PeerCore, type PeerComponents } from './core/peer.ts'
import { makeNode } from './make-node.ts'
import { systemClock, systemRandom } from './libp2p/system.ts'
import { checkPeerInit, peerCoreInit } from './settings.ts'
import { silentLogger } from './silent-logger.ts'
import { openLevelStore } from './storage/level.ts'
import { MemoryStore } from './storage/memory.ts'

/** Where a peer listens when nobody says, so that a first try opens nothing to the network. */
const defaultListen = ['/ip4/127.0.0.1/tcp/0']

/** What tests and measurements need beside what users do. */
export interface PeerInternals {
  /** How far this peer's wall clock is ahead of the machine's, in ms. */
  readonly clockSkewMs?: number
  /** What the peer is given instead of these, so that it can be watched and its time goes as wanted. */
  readonly ports?: (
    ports: Pick<PeerComponents, 'clock' | 'transport'>
  ) => Pick<PeerComponents, 'clock' | 'transport'>
}

/**
 * Starts a peer. Resolves when it listens; `ready()` tells when it is a member and serves. Throws
 * `AnnulusError`: ERR_INVALID, ERR_CONFIG, ERR_LISTEN, ERR_STORE, ERR_STORE_LOCKED.
 */
export async function createPeer(init: PeerInit = {}, internals: PeerInternals = {}): Promise<Peer> {
  checkPeerInit(init)
  const logger = init.logger ?? silentLogger
  const store = init.data === undefined ? new MemoryStore() : await openLevelStore(init.data, { logger })
  let libp2p: Libp2p | undefined
  try {
    const privateKey = await identityOf(store)
    const { listen = defaultListen, announce = [], networkKey } = init
    const access = accessOf(init, logger)
    const node = await makeNode({ privateKey, listen, announce, networkKey, access })
    libp2p = node.libp2p
    await startListening(libp2p, listen)
    const ports = { transport: node.transport, clock: systemClock(internals.clockSkewMs) }
    const peer = new PeerCore(
      {
        ...(internals.ports?.(ports) ?? ports),
        store,
        random: systemRandom,
        logger,
        access,
        release: async () => node.libp2p.stop()
      },
      peerCoreInit(init)
    )
    await peer.start()
    return peer
  } catch (error) {
    await libp2p?.stop()
    await store.close()
    throw error
  }
}

/** The key behind the peer id, from the store; made and kept there at the first start. */
async function identityOf(store: Store): Promise<PrivateKey> {
  const kept = await store.readMeta(identityKeyName)
  if (kept !== undefined) {
    try {
      return privateKeyFromProtobuf(kept)
    } catch (error) {
      throw new AnnulusError('ERR_STORE', 'the key of this peer in its data folder is unreadable', {
        cause: error
      })
    }
  }
  const key = await generateKeyPair('Ed25519')
  await store.writeMeta([[identityKeyName, privateKeyToProtobuf(key)]])
  return key
}

async function startListening(libp2p: Libp2p, addresses: readonly string[]): Promise<void> {
  try {
    await libp2p.start()
  } catch (error) {
    const why = whyNotListening(error)
    throw new AnnulusError('ERR_LISTEN', `cannot listen on ${addresses.join(', ')}: ${why}`, { cause: error })
  }
}

/** What libp2p's failures to listen mean, by what their text has in it. */
const listenFailures: Readonly<Record<string, string>> = {
  EADDRINUSE: 'the port is in use by another process; choose another, or 0 for any',
  EADDRNOTAVAIL: 'this machine has no such address',
  EACCES: 'the port is not allowed to this user; choose one above 1023, or 0 for any',
  UnsupportedListenAddressError: 'only TCP addresses such as /ip4/127.0.0.1/tcp/4001 can be listened on'
}

/** libp2p puts the stacks of all failures into one message; users get the reason alone. */
function whyNotListening(error: unknown): string {
  const reasons = reasonsOf(error)
  const known = Object.entries(listenFailures).find(([sign]) => reasons.includes(sign))
  return known?.[1] ?? reasons.replace(/\s*\n\s*(at .*)?/g, ' ').trim()
}

/** The messages of an error and of those it was made of. */
function reasonsOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const inner =
    error instanceof AggregateError ? error.errors : [error.cause].filter(cause => cause !== undefined)
  return [error.message, ...inner.map(reasonsOf)].join(': ')
}
