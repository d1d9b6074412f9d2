/** Annulus as a service of a libp2p node that an application already has. Run: `node examples/service.ts`. */
import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { identify } from '@libp2p/identify'
import { tcp } from '@libp2p/tcp'
import { annulus } from 'annulus'
import { createLibp2p } from 'libp2p'

function createNode(join: string[]) {
  return createLibp2p({
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    // The store starts and stops with the node, and has the node's peer id.
    services: { identify: identify(), store: annulus({ join }) }
  })
}

const first = await createNode([])
await first.services.store.ready()
const second = await createNode(first.services.store.multiaddrs)
await second.services.store.ready()
console.log(`two libp2p nodes, ${(await first.services.store.members()).length} members`)

await first.services.store.put('shared', new TextEncoder().encode('through the node'))
const result = await second.services.store.get('shared')
console.log(`the other node reads: ${new TextDecoder().decode(result?.value)}`)

await second.stop()
await first.stop()
console.log('stopped')
