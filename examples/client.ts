/** A client talks to a cluster without being part of it. Run: `node examples/client.ts`. */
import { AnnulusError, createClient, createPeer } from 'annulus'

// A cluster to talk to. In real life it runs elsewhere.
const peer = await createPeer()
await peer.ready()

const client = await createClient({ peers: peer.multiaddrs })
console.log('connected')

await client.put('session/7', new TextEncoder().encode('anna'), { ttl: 60_000 })
const session = await client.get('session/7', { deadline: 2_000 })
console.log(`read: ${new TextDecoder().decode(session?.value)}`)
console.log(`expires within a minute: ${(session?.expiresAt ?? 0) <= Date.now() + 60_000}`)

for (const fruit of ['apple', 'cherry', 'pear']) await client.put(`fruit/${fruit}`, new Uint8Array())
let count = 0
for await (const key of client.keys()) if (new TextDecoder().decode(key).startsWith('fruit/')) count++
console.log(`fruits: ${count}`)

try {
  await client.put('', new Uint8Array())
} catch (error) {
  // Every error has a code, and says whether the call may have had an effect.
  if (!(error instanceof AnnulusError)) throw error
  console.log(`${error.code}, indefinite: ${error.indefinite}: ${error.message}`)
}

await client.close()
await peer.stop()
console.log('closed')
