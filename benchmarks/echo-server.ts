/** A process that sends each frame back as it came; started by the benchmark, for its raw streams. */
import { echoProtocol, FrameStream } from './frames.ts'
import { createRawNode } from './raw-node.ts'

process.on('disconnect', () => process.exit())
process.on('SIGTERM', () => process.exit())

const node = await createRawNode(['/ip4/127.0.0.1/tcp/0'])
await node.handle(echoProtocol, stream => {
  const frames = new FrameStream(stream, id => frames.send(id))
})
console.log(`ready ${node.getMultiaddrs()[0]?.toString()}`)
