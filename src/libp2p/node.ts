/**
 * A libp2p node of our own: TCP, Noise, Yamux and identify, set up for a full mesh of peers. libp2p's
 * defaults are those of a node among strangers: its limits are too low for a hundred peers that start at
 * once on one host, and its connection monitor cuts a connection at the first late ping.
 */
import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { identify } from '@libp2p/identify'
import type { ConnectionProtector, Libp2p, PrivateKey } from '@libp2p/interface'
import { preSharedKey } from '@libp2p/pnet'
import { tcp } from '@libp2p/tcp'
import { createLibp2p } from 'libp2p'
import type { Access } from '../core/access.ts'
import { maxMembers } from '../core/limits.ts'
import { closeUnlisted, gaterOf } from './gater.ts'
import { dialTimeoutMs, maxConnectionsPerHostAndSecond, maxPeers, maxStreamWindowBytes } from './limits.ts'
import { noiseCrypto } from './noise-crypto.ts'
import { Libp2pTransport, type TransportComponents, type TransportInit } from './transport.ts'
import { withFewWindowUpdates } from './window-updates.ts'

export interface NodeInit {
  /** The peer's identity. */
  readonly privateKey: PrivateKey
  /** Multiaddrs to listen on; none for a client. */
  readonly listen?: readonly string[]
  /** Multiaddrs to tell others instead of those. */
  readonly announce?: readonly string[]
  /** The bytes of a libp2p key file (`/key/swarm/psk/1.0.0/`): only nodes with the same one can connect. */
  readonly networkKey?: Uint8Array
  /** Who may connect or be dialled; all when left out. */
  readonly access?: Access
  readonly transport?: TransportInit
}

export interface Node {
  readonly libp2p: Libp2p
  readonly transport: Libp2pTransport
}

/**
 * Makes a node, not yet started, and the transport on it. Start the node first and the transport then; stop
 * them the other way round. Throws where the network key is malformed.
 */
export async function createNode(init: NodeInit): Promise<Node> {
  const libp2p = await createLibp2p({
    start: false,
    privateKey: init.privateKey,
    addresses: { listen: [...(init.listen ?? [])], announce: [...(init.announce ?? [])] },
    transports: [tcp()],
    connectionEncrypters: [noise({ crypto: noiseCrypto })],
    // A stream's window is also what may lie unread at this end: no more than libp2p keeps for a stream.
    streamMuxers: [
      withFewWindowUpdates(yamux({ streamOptions: { maxStreamWindowSize: maxStreamWindowBytes } }))
    ],
    ...(init.networkKey === undefined ? {} : { connectionProtector: protector(init.networkKey) }),
    connectionGater: gaterOf(init.access),
    connectionManager: {
      maxConnections: maxPeers,
      maxIncomingPendingConnections: maxMembers,
      inboundConnectionThreshold: maxConnectionsPerHostAndSecond,
      dialTimeout: dialTimeoutMs
    },
    // Liveness is decided by the core, which asks others before it calls a peer down.
    connectionMonitor: { enabled: false },
    services: {
      identify: identify(),
      // In a box: libp2p would start a service that has a `start`, and does not know the handlers.
      annulus: (components: TransportComponents) => ({
        transport: new Libp2pTransport(components, init.transport)
      })
    }
  })
  const { access } = init
  access?.onChange(() => closeUnlisted(libp2p.getConnections(), access))
  return { libp2p, transport: libp2p.services.annulus.transport }
}

/** Nodes whose keys differ cannot even exchange their identities: the first bytes make no sense to either. */
function protector(networkKey: Uint8Array): () => ConnectionProtector {
  return preSharedKey({ psk: networkKey })
}
