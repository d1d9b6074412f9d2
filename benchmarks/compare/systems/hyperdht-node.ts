/** A node of HyperDHT in a process of its own, given a port: `found PORT` to be the first, on it, or `join PORT`. */
import { load } from '../installed.ts'
import type { HyperDhtPackage } from './hyperdht.ts'

process.on('disconnect', () => process.exit())
process.on('SIGTERM', () => process.exit())

const host = '127.0.0.1'
const [verb, given] = process.argv.slice(2)
const port = Number(given)

const { default: HyperDht } = await load<HyperDhtPackage>('hyperdht')
const node =
  verb === 'found'
    ? HyperDht.bootstrapper(port, host)
    : new HyperDht({ bootstrap: [{ host, port }], host, ephemeral: false, firewalled: false })
await node.fullyBootstrapped()
console.log(`ready ${node.address().port}`)
