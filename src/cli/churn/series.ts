/** Latencies, as a whole and over time. In real ms, of operations that succeeded. */
import type { Operation } from '../../judge/operation.ts'

/** Points over the time of a run. */
const maxPoints = 120

/** The shortest time that one point stands for, in ms of the cluster's time. */
const minPointMs = 1_000

export interface Latency {
  readonly p50: number
  readonly p95: number
  readonly p99: number
  readonly max: number
}

export interface SeriesPoint {
  /** Its middle, in ms of the cluster's time since the load began. */
  readonly atMs: number
  /** Null where none succeeded. */
  readonly get: Latency | null
  readonly put: Latency | null
  readonly succeeded: number
  readonly failed: number
}

export function latencyOf(operations: readonly Operation[], pace: number): Latency {
  const ms = operations
    .filter(({ outcome }) => outcome === 'ok')
    .map(({ calledAt, endedAt }) => (endedAt - calledAt) / pace)
    .sort((a, b) => a - b)
  const at = (share: number): number => ms[Math.min(ms.length - 1, Math.floor(share * ms.length))] ?? 0
  return { p50: at(0.5), p95: at(0.95), p99: at(0.99), max: ms.at(-1) ?? 0 }
}

export function seriesOf(
  operations: readonly Operation[],
  {
    loadFromMs,
    loadMs,
    pace
  }: { readonly loadFromMs: number; readonly loadMs: number; readonly pace: number }
): SeriesPoint[] {
  const pointMs = Math.max(minPointMs, loadMs / maxPoints)
  const points = Map.groupBy(operations, ({ calledAt }) => Math.floor((calledAt - loadFromMs) / pointMs))
  return Array.from({ length: Math.ceil(loadMs / pointMs) }, (_, index) => {
    const called = points.get(index) ?? []
    const succeeded = called.filter(({ outcome }) => outcome === 'ok')
    const of = (wanted: 'get' | 'put'): Latency | null => {
      const ofKind = succeeded.filter(({ kind }) => kind === wanted)
      return ofKind.length === 0 ? null : latencyOf(ofKind, pace)
    }
    return {
      atMs: (index + 0.5) * pointMs,
      get: of('get'),
      put: of('put'),
      succeeded: succeeded.length,
      failed: called.length - succeeded.length
    }
  })
}
