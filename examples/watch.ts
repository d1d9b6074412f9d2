/** What happens in a cluster, as one of its peers sees it. Run: `node examples/watch.ts`. */
import { createPeer } from 'annulus'

const watcher = await createPeer()
watcher.on('ready', ({ peerId }) => console.log(`ready: ${peerId}`))
watcher.on('topology', ({ epoch, transition }) => {
  const change =
    transition === null
      ? 'no change under way'
      : `joining ${transition.joining.length}, leaving ${transition.leaving.length}`
  console.log(`epoch ${epoch}: ${change}`)
})
watcher.on('liveness', ({ peerId, liveness }) => console.log(`${peerId} is ${liveness}`))
await watcher.ready()

const other = await createPeer({ join: watcher.multiaddrs })
other.on('waiting', ({ reason }) => console.log(`the other one waits: ${reason}`))
other.on('gone', ({ standing }) => console.log(`the other one has ${standing}`))
other.on('failed', ({ error }) => console.log(`the other one failed: ${error.message}`))
await other.ready()
await other.put('watched', new TextEncoder().encode('over'))

const { clusterId, members } = await watcher.status()
console.log(`cluster ${clusterId}`)
for (const { peerId, standing, liveness, share, records } of members) {
  console.log(
    `${peerId} ${standing} ${liveness}, ${Math.round(share * 100)} % of all copies, ${records} records`
  )
}

// It hands over what it holds, and ends by itself.
const gone = new Promise(resolve => other.on('gone', resolve))
await other.leave()
await gone
console.log(`members: ${(await watcher.members()).length}`)
await Promise.all([other.stop(), watcher.stop()])
console.log('stopped')
