/** A node of kad-dht in a process of its own, given the addresses of those before it. */
import { multiaddr } from '@multiformats/multiaddr'
import { createKadNode } from './kad-dht.ts'

process.on('disconnect', () => process.exit())
process.on('SIGTERM', () => process.exit())

const node = await createKadNode({ listen: ['/ip4/127.0.0.1/tcp/0'], isClient: false })
for (const address of process.argv.slice(2)) await node.libp2p.dial(multiaddr(address))
console.log(`ready ${node.libp2p.getMultiaddrs()[0]?.toString()}`)
