/** What a peer that runs for `annulus churn` tells the process that started it. */
import type { MemberLiveness } from '../../api.ts'
import type { TopologyState } from '../../core/topology/topology.ts'
import type { Traffic } from './meter.ts'

/** What it has sent since its process began, and how far its records are those that it should have. */
export interface MeasuredMessage {
  readonly event: 'measured'
  readonly sent: Traffic
  /**
   * All it replicates was reconciled with all other replicas at this epoch, in sessions that began so many real ms
   * ago or later, and it holds nothing else; null where that cannot be said.
   */
  readonly reconciled: { readonly epoch: number; readonly ageMs: number } | null
}

/** The log has moved, on this peer's disk. */
export interface TopologyMessage {
  readonly event: 'topology'
  readonly state: TopologyState
  /** Of this peer now. */
  readonly life: string
}

/** It has changed its mind about another peer. */
export interface SawMessage {
  readonly event: 'saw'
  readonly peerId: string
  readonly liveness: MemberLiveness
}

export type PeerMessage = MeasuredMessage | TopologyMessage | SawMessage

const events: readonly unknown[] = ['measured', 'topology', 'saw']

/** They come from a process of ours, of the same version. */
export function isPeerMessage(message: unknown): message is PeerMessage {
  return (
    typeof message === 'object' && message !== null && 'event' in message && events.includes(message.event)
  )
}
