import { expect, it } from 'vitest'
import { SimulatedCluster } from './cluster.ts'
import { expectSettled, fill } from './scenario.ts'

/** A field that no version knows: number 5,000, three bytes. */
const unknownField = Uint8Array.of(0xc2, 0xb8, 0x02, 3, 1, 2, 3)

it('a peer of a later version, which adds a field to each message, lives with those of this one', async () => {
  const cluster = new SimulatedCluster({ seed: 5 })
  let added = 0
  cluster.network.rewrite = (from, body) => {
    if (from !== cluster.peers[1]?.peerId) return body.slice()
    added++
    return Uint8Array.from([...unknownField, ...body, ...unknownField])
  }
  await cluster.grow(4)
  const records = await fill(cluster, 20)
  await cluster.restart(cluster.peers[0]!)
  await cluster.ready(cluster.peers[0]!)
  await cluster.ready(await cluster.time.settle(cluster.add()))
  await expectSettled(cluster, records)
  expect(added).toBeGreaterThan(50)
})
