/**
 * An upgrade as users do it: all peers restarted one after the other, each with SIGTERM and as soon as the one
 * before says that it is ready, while clients put and get all the time. No operation fails, not even one that a
 * second try would have saved.
 */
import { startPeers } from '../../test/support/peers.ts'
import { underLoad } from './clients.ts'
import { expect, seen } from './report.ts'

const rounds = 3

/** How long a peer may take until it serves again, in ms. */
const readyTimeoutMs = 180_000

export async function rollingRestart(folder: string): Promise<void> {
  const peers = await startPeers(folder, 5)
  seen('five peers serve')
  await underLoad(peers, { retries: 0 }, async load => {
    for (let round = 1; round <= rounds; round++) {
      for (const [i, peer] of peers.entries()) {
        const { code, stderr } = await peer.end('SIGTERM')
        expect(code === 0, `peer ${i + 1} stops cleanly: exits with ${code}: ${stderr}`)
        await peer.start([], { readyTimeoutMs })
      }
      seen(`all five restarted, round ${round}`)
      load.expectNoFailure()
    }
    return peers
  })
  await Promise.all(peers.map(peer => peer.end('SIGTERM')))
}
