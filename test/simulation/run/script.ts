/**
 * What is done to a cluster in one run, written down before it begins: so a run can be told, replayed, and made
 * shorter by leaving steps out. Nothing here depends on what the cluster does meanwhile: who is hit is a draw,
 * which is resolved among those who run at that moment.
 */
import type { FaultKind } from './settings.ts'

/** One fault. */
export interface FaultStep {
  /** Virtual ms after the load began. */
  readonly atMs: number
  readonly kind: FaultKind
  /** Uniform in [0, 1): whom it hits, and what else is to be drawn for it. */
  readonly draw: number
  /** How long it lasts, where it lasts; virtual ms. */
  readonly durationMs: number
}

/** One operation of one client. A client begins it at its time, or when its operation before is done. */
export interface OperationStep {
  /** Virtual ms after the load began. */
  readonly atMs: number
  readonly client: number
  readonly kind: 'get' | 'put' | 'delete'
  readonly key: string
  /** Length of the value that is put, in bytes. */
  readonly valueBytes: number
  /** Time until what is put expires, in ms. */
  readonly ttlMs: number | undefined
  /** Uniform in [0, 1): which peer is asked. */
  readonly draw: number
}

export interface Script {
  readonly faults: readonly FaultStep[]
  readonly operations: readonly OperationStep[]
}
