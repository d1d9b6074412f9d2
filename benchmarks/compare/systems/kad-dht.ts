/** libp2p's own hash table, Kademlia: the same transport as Annulus's, records in memory. */
import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { identify } from '@libp2p/identify'
import type { Libp2p } from '@libp2p/interface'
import { tcp } from '@libp2p/tcp'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { load, missingPackage, nodeScript } from '../installed.ts'
import { KeyMissingError, type System } from '../system.ts'

const processes = 5

/** Names of the record kind, which the nodes have to know how to check. */
const kind = 'bench'

/** The part of the packages that is used. */
interface KadDhtPackage {
  readonly kadDHT: (init: object) => (components: object) => KadDht
  readonly passthroughMapper: (peer: object) => object
}

interface PingPackage {
  readonly ping: () => (components: object) => unknown
}

interface KadDht {
  put(key: Uint8Array, value: Uint8Array): AsyncIterable<{ name: string }>
  get(key: Uint8Array): AsyncIterable<{ name: string }>
  readonly routingTable: { readonly size: number }
}

export interface KadNode {
  readonly libp2p: Libp2p
  readonly dht: KadDht
}

export const kadDht: System = {
  name: 'kad-dht',
  promise: 'in memory at all five; a get has what the first of them answer',
  targets: { put: 80, get: 120 },
  missing: () => missingPackage('@libp2p/kad-dht'),
  async start({ belongings }) {
    const addresses: string[] = []
    for (let i = 0; i < processes; i++) {
      addresses.push(await belongings.spawn(nodeScript('kad-dht-node.ts'), addresses).says('ready'))
    }
    const { libp2p, dht } = await createKadNode({ listen: [], isClient: true })
    for (const address of addresses) await libp2p.dial(multiaddr(address))
    const encoder = new TextEncoder()
    const keyOf = (key: string): Uint8Array => encoder.encode(`/${kind}/${key}`)
    return {
      put: (key, value) => ends(dht.put(keyOf(key), value)),
      get: async key => {
        if (!(await comes(dht.get(keyOf(key)), 'VALUE'))) throw new KeyMissingError(key)
      },
      [Symbol.asyncDispose]: async () => libp2p.stop()
    }
  }
}

export async function createKadNode(init: { listen: string[]; isClient: boolean }): Promise<KadNode> {
  const { kadDHT, passthroughMapper } = await load<KadDhtPackage>('@libp2p/kad-dht')
  const { ping } = await load<PingPackage>('@libp2p/ping')
  const libp2p = await createLibp2p({
    addresses: { listen: init.listen },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    connectionMonitor: { enabled: false },
    services: {
      identify: identify(),
      ping: ping(),
      dht: kadDHT({
        protocol: `/${kind}/kad/1.0.0`,
        clientMode: init.isClient,
        peerInfoMapper: passthroughMapper,
        validators: { [kind]: () => Promise.resolve() },
        selectors: { [kind]: () => 0 }
      })
    }
  })
  return { libp2p, dht: libp2p.services.dht }
}

async function ends(events: AsyncIterable<unknown>): Promise<void> {
  const iterator = events[Symbol.asyncIterator]()
  while ((await iterator.next()).done !== true);
}

async function comes(events: AsyncIterable<{ name: string }>, name: string): Promise<boolean> {
  for await (const event of events) if (event.name === name) return true
  return false
}
