/** Measures cases in turn, several times over: A B A B, so that what else the machine does hits all alike. */
import type { Load } from './load.ts'
import { Measurement } from './measurement.ts'

export interface Case {
  readonly name: string
  readonly inFlight: number
  readonly load: Load
  /** Ids of the processes that serve it. */
  readonly servers: readonly number[]
}

export interface MeasureSettings {
  /** How long each case is measured, in ms, all rounds together. */
  readonly measureMs: number
  /** Each case is measured in so many parts. */
  readonly rounds: number
  /** How long each case runs before anything is measured, in ms: code that has run little is slow code. */
  readonly firstWarmUpMs: number
  /** Before each part, in ms. */
  readonly warmUpMs: number
}

export interface MeasureInit extends MeasureSettings {
  readonly signal: AbortSignal
  readonly progress: (what: string) => void
}

export interface Measured<C extends Case = Case> {
  readonly case: C
  readonly measurement: Measurement
  /** Why it could not be measured, where that is so. */
  error: string | undefined
}

/** How long all of it takes at most, in ms, but for operations that are late. */
export function plannedMs(
  cases: number,
  { measureMs, rounds, firstWarmUpMs, warmUpMs }: MeasureSettings
): number {
  return cases * (measureMs + rounds * warmUpMs + firstWarmUpMs)
}

/** A case most of whose operations fail is not measured any further; it has an error. */
export async function measureInTurn<C extends Case>(
  cases: readonly C[],
  { measureMs, rounds, firstWarmUpMs, warmUpMs, signal, progress }: MeasureInit
): Promise<Array<Measured<C>>> {
  const all = cases.map((one): Measured<C> => ({
    case: one,
    measurement: new Measurement(one),
    error: undefined
  }))
  const inTurn = async (what: string, run: (measured: Measured<C>) => Promise<unknown>): Promise<void> => {
    for (const measured of all) {
      if (measured.error !== undefined) continue
      progress(`${what}: ${measured.case.name}, ${measured.case.inFlight} in flight`)
      try {
        await run(measured)
      } catch (error) {
        signal.throwIfAborted()
        measured.error = error instanceof Error ? error.message : String(error)
      }
    }
  }
  if (firstWarmUpMs > 0) {
    await inTurn('warming up', ({ case: { load, inFlight } }) =>
      load({ inFlight, durationMs: firstWarmUpMs, signal })
    )
  }
  for (let round = 1; round <= rounds; round++) {
    await inTurn(`round ${round} of ${rounds}`, ({ measurement }) =>
      measurement.add({ warmUpMs, measureMs: measureMs / rounds, signal })
    )
  }
  return all
}
