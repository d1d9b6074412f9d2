/** How the adapter's limits stand, by the names of their constants: for the status. Used by the transport. */
import type { LimitUse } from '../api.ts'
import { maxMessageBytes } from '../core/limits.ts'
import type { ChannelLoad } from './channel.ts'
import type { LimitHits, LimitName } from './limit-hits.ts'
import * as limits from './limits.ts'

export interface InUse {
  readonly hits: LimitHits
  readonly peers: { readonly connected: number; readonly limit: number }
  /** On the connection that has the most. */
  readonly streams: number
  /** Of all channels. */
  readonly loads: readonly ChannelLoad[]
  /** On all channels together. */
  readonly served: { readonly count: number; readonly bytes: number }
  readonly addresses: { readonly kept: number; readonly forgotten: number }
}

export function limitsOf({
  hits,
  peers,
  streams,
  loads,
  served,
  addresses
}: InUse): Record<string, LimitUse> {
  const most = (of: (load: ChannelLoad) => number): number =>
    loads.reduce((fullest, load) => Math.max(fullest, of(load)), 0)
  const inUse: Record<LimitName, number | null> = {
    maxPeers: peers.connected,
    maxStreams: streams,
    greetingTimeoutMs: null,
    maxHelloBytes: null,
    maxMessageBytes: null,
    maxInFlight: most(load => load.inFlight),
    maxServedPerChannel: most(load => load.served),
    maxServed: served.count,
    maxServedBytesPerChannel: most(load => load.servedBytes),
    maxServedBytes: served.bytes,
    maxQueuedRequestBytes: most(load => load.queuedBytes),
    maxQueuedReplyBytes: most(load => load.queuedBytes),
    maxQueuedFrames: most(load => load.queuedFrames),
    maxKnownPeers: addresses.kept
  }
  const names = Object.keys(inUse) as LimitName[] // the table's type has just these keys
  const limit = { ...limits, maxMessageBytes, maxPeers: peers.limit }
  const uses = names.map(name => {
    return [
      name,
      {
        limit: limit[name],
        inUse: inUse[name],
        hits: name === 'maxKnownPeers' ? addresses.forgotten : hits.of(name)
      }
    ]
  })
  return Object.fromEntries(uses) as Record<LimitName, LimitUse>
}
