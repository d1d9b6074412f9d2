/**
 * A process that sends each frame back as it came, some of them after they are on disk; started by the benchmarks
 * for their raw streams, with the file to write to.
 */
import { openSync } from 'node:fs'
import { echoProtocol, FrameStream } from './frames.ts'
import { createRawNode } from './raw-node.ts'
import { SyncedFile } from './synced-file.ts'

process.on('disconnect', () => process.exit())
process.on('SIGTERM', () => process.exit())

const file = new SyncedFile(openSync(process.argv[2] ?? '', 'a'))
const node = await createRawNode(['/ip4/127.0.0.1/tcp/0'])
await node.handle(echoProtocol, stream => {
  const frames = new FrameStream(stream, frame => {
    if (frame.toDisk) file.append(() => frames.send(frame))
    else frames.send(frame)
  })
})
console.log(`ready ${node.getMultiaddrs()[0]?.toString()}`)
