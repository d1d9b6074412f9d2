/**
 * A process with a peer in it that loads itself: what a program gets that embeds one. Given the address of a peer to
 * join and a folder; loads at each message with an `EmbeddedRequest`, and answers with an `EmbeddedPart`.
 */
import { encodeHistogram, loadOf } from '../harness/load.ts'
import { createPeer } from '../peers/library.ts'
import type { Point } from './matrix.ts'
import { operationOf, workloadOf } from './operations.ts'

export interface EmbeddedRequest {
  readonly point: Point
  readonly durationMs: number
  readonly seed: number
  readonly settings: { readonly keys: number; readonly maxStoredBytes: number }
}

export interface EmbeddedPart {
  /** Of the histogram, as its library encodes it. */
  readonly latencies: string
  readonly tookMs: number
  readonly requesterMs: number
  readonly failures: number
}

process.on('disconnect', () => process.exit())
process.on('SIGTERM', () => process.exit())

const [join = '', data = ''] = process.argv.slice(2)
const peer = await createPeer({ join: [join], data, network: 'bench' })
await peer.ready()

// A run asks for one part at a time.
process.on('message', (request: EmbeddedRequest) => {
  answer(request).then(
    value => process.send?.({ value }),
    (error: unknown) => process.send?.({ error: error instanceof Error ? error.message : String(error) })
  )
})
console.log(`ready ${peer.multiaddrs[0]}`)

async function answer({ point, durationMs, seed, settings }: EmbeddedRequest): Promise<EmbeddedPart> {
  const load = loadOf(operationOf(peer, point, workloadOf(point.valueBytes, settings, seed)))
  const signal = new AbortController().signal
  const { latencies, ...part } = await load({ inFlight: point.inFlight, durationMs, signal })
  return { ...part, latencies: encodeHistogram(latencies) }
}
