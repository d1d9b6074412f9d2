/**
 * A peer whose wall clock is wrong: `node skewed-peer.ts SKEW_MS DATA [JOIN]`. Prints a ready line as `annulus
 * start` does. The command has no flag for it, since nobody should want it.
 */
import { createPeer } from './library.ts'

const [skewMs, data, join] = process.argv.slice(2)
const peer = await createPeer(
  { data: data!, ...(join === undefined ? {} : { join: [join] }) },
  { clockSkewMs: Number(skewMs) }
)
process.once('SIGTERM', () => void peer.stop())
await peer.ready()
process.stdout.write(`ready ${peer.multiaddrs[0]!}\n`)
