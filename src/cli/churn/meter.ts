/** Counts the bytes that a peer sends, by what they are for. Around the transport; for `annulus churn`. */
import type { Transport, TransportHandlers } from '../../core/ports.ts'
import { Request, Response } from '../../wire/generated/messages.ts'

/**
 * - `gossip`: probes, and the news of members that go with them.
 * - `records`: records that sessions move, as encoded.
 * - `comparing`: all else in the messages of sessions: sums, fingerprints, heads, envelopes.
 * - `log`: agreeing on who is on the ring, and spreading it.
 * - `registers`: puts and gets between coordinator and replicas, which it may be itself: those bytes are not sent.
 * - `others`: what clients and operators ask.
 */
export const trafficKinds = ['gossip', 'records', 'comparing', 'log', 'registers', 'others'] as const
export type TrafficKind = (typeof trafficKinds)[number]

/** Bytes, without the framing and encryption of the transport. */
export type Traffic = Readonly<Record<TrafficKind, number>>

type BodyName = Exclude<keyof Request, 'epoch'>

/** The kind of a request, and of its answer. What is not named is of `others`. */
const kindByBody: Partial<Record<BodyName, Exclude<TrafficKind, 'records'>>> = {
  ping: 'gossip',
  pingRequest: 'gossip',
  fetchRecords: 'comparing',
  offerVersions: 'comparing',
  pushRecords: 'comparing',
  compareNodes: 'comparing',
  listNodes: 'comparing',
  streamNodes: 'comparing',
  fetchLog: 'log',
  learn: 'log',
  prepare: 'log',
  accept: 'log',
  petition: 'log',
  report: 'log',
  readVersion: 'registers',
  readRecord: 'registers',
  writeRecord: 'registers'
}

const bodyNames = Object.keys(kindByBody) as BodyName[] // the table's type has just these keys

export class Meter {
  readonly #sent: Record<TrafficKind, number> = noTraffic()

  get sent(): Traffic {
    return { ...this.#sent }
  }

  /** A transport whose sending is counted. */
  around(transport: Transport): Transport {
    return {
      peerId: transport.peerId,
      addresses: transport.addresses,
      start: handlers => transport.start(this.#counting(handlers)),
      stop: () => transport.stop(),
      request: (to, body, options) => {
        const request = Request.decode(body)
        this.#count(kindOf(request), body, request.pushRecords?.records)
        return transport.request(to, body, options)
      },
      connect: (address, options) => transport.connect(address, options),
      disconnect: peerId => transport.disconnect(peerId),
      remotes: () => transport.remotes(),
      limits: () => transport.limits?.() ?? {}
    }
  }

  #counting(handlers: TransportHandlers): TransportHandlers {
    return {
      greeting: () => handlers.greeting(),
      admit: remote => handlers.admit(remote),
      serve: async (body, context) => {
        const answer = await handlers.serve(body, context)
        this.#count(kindOf(Request.decode(body)), answer, recordsOf(answer))
        return answer
      },
      connected: remote => handlers.connected(remote),
      disconnected: remote => handlers.disconnected(remote),
      refused: (peerId, kind, words) => handlers.refused?.(peerId, kind, words)
    }
  }

  #count(kind: TrafficKind, message: Uint8Array, records: readonly Uint8Array[] = []): void {
    const recordBytes = records.reduce((sum, { length }) => sum + length, 0)
    this.#sent.records += recordBytes
    this.#sent[kind] += message.length - recordBytes
  }
}

export function noTraffic(): Record<TrafficKind, number> {
  return { gossip: 0, records: 0, comparing: 0, log: 0, registers: 0, others: 0 }
}

function kindOf(request: Request): TrafficKind {
  const name = bodyNames.find(body => request[body] !== undefined)
  return (name === undefined ? undefined : kindByBody[name]) ?? 'others'
}

function recordsOf(answer: Uint8Array): readonly Uint8Array[] {
  const { recordPage, recordStream } = Response.decode(answer)
  return [...(recordPage?.records ?? []), ...(recordStream?.records ?? [])]
}
