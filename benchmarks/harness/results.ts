/** What was measured of cases, as it is reported: in a document for programs and as rows of a table. */
import type { Measured } from './measure.ts'

export interface CaseResult {
  readonly case: string
  readonly inFlight: number
  readonly operationsPerSecond: number
  /** From call to answer, in microseconds. */
  readonly p50Us: number
  readonly p99Us: number
  readonly p999Us: number
  /** Processor time for one operation of the requesting process, in microseconds. */
  readonly requesterCpuUs: number
  /** The same of all others that serve it together; null where the system does not tell. */
  readonly serversCpuUs: number | null
  /** Operations that failed, not counted in any of the above. */
  readonly failures: number
}

export const resultColumns = ['per second', 'p50 ms', 'p99 ms', 'p99.9 ms', 'cpu us', 'others us'] as const

export function resultOf({ case: { name }, measurement }: Measured): CaseResult {
  const { inFlight, operationsPerSecond, requesterCpuUs, serversCpuUs, failures } = measurement
  return {
    case: name,
    inFlight,
    operationsPerSecond: Math.round(operationsPerSecond),
    p50Us: measurement.percentileUs(50),
    p99Us: measurement.percentileUs(99),
    p999Us: measurement.percentileUs(99.9),
    requesterCpuUs: Math.round(requesterCpuUs),
    serversCpuUs: serversCpuUs === undefined ? null : Math.round(serversCpuUs),
    failures
  }
}

/** Under `resultColumns`. */
export function cellsOf(result: CaseResult): string[] {
  const { operationsPerSecond, p50Us, p99Us, p999Us, requesterCpuUs, serversCpuUs } = result
  return [
    String(operationsPerSecond),
    ...[p50Us, p99Us, p999Us].map(us => (us / 1000).toFixed(2)),
    String(requesterCpuUs),
    String(serversCpuUs ?? '')
  ]
}

/** Those that were measured to the end. */
export function complete<M extends Measured>(measured: readonly M[]): M[] {
  return measured.filter(({ error }) => error === undefined)
}

/** What went wrong, in sentences. */
export function problemsOf(measured: readonly Measured[]): string[] {
  return measured.flatMap(({ case: { name, inFlight }, measurement: { failures }, error }) => {
    const what = `${name}, ${inFlight} in flight`
    if (error !== undefined) return [`${what}: not measured: ${error}`]
    return failures > 0 ? [`${what}: ${failures} operations failed, which do not count`] : []
  })
}
