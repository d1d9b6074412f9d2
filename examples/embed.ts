/** Three peers in one program: `createPeer` is all that an application needs. Run: `node examples/embed.ts`. */
import { createPeer } from 'annulus'

// The first peer founds a cluster. In memory, since no data folder is given.
const first = await createPeer()
await first.ready()
console.log(`founded a cluster: ${first.multiaddrs[0]}`)

// The others join through any address of a peer. In real life they run on other machines.
const join = first.multiaddrs
const [second, third] = await Promise.all([createPeer({ join }), createPeer({ join })])
const peers = [first, second, third]
await Promise.all(peers.map(peer => peer.ready()))
console.log(`members: ${(await first.members()).length}`)

const { version, replicas } = await second.put('greeting', new TextEncoder().encode('hello, ring'))
console.log(`stored on ${replicas} replicas as version ${version}`)

// Whichever peer is asked: a get sees every put that was answered before.
for (const peer of peers) {
  const result = await peer.get('greeting')
  console.log(`read through ${peer.peerId}: ${new TextDecoder().decode(result?.value)}`)
}

await first.delete('greeting')
const gone = await third.get('greeting')
console.log(gone === undefined ? 'deleted' : 'still there')

await Promise.all(peers.map(peer => peer.stop()))
console.log('stopped')
