/** A system that serves, with keys stored and the number of operations under way found at which it is fastest. */
import { loadOf, type Load } from '../harness/load.ts'
import type { Case } from '../harness/measure.ts'
import { Workload } from '../harness/workload.ts'
import type { CompareSettings } from './options.ts'
import { operations, type Operation, type RunningSystem } from './system.ts'

export interface ContestantInit {
  readonly name: string
  readonly system: Omit<RunningSystem, typeof Symbol.asyncDispose>
  readonly servers: readonly number[]
  readonly settings: CompareSettings
  readonly seed: number
  readonly signal: AbortSignal
  readonly progress: (what: string) => void
}

export interface CompareCase extends Case {
  readonly system: string
  readonly operation: Operation
}

/** A case for each operation, at its best. Throws where most operations fail. */
export async function prepare(init: ContestantInit): Promise<CompareCase[]> {
  const { name, system, servers, settings, seed, signal, progress } = init
  const { keys, valueBytes, maxFillMs, inFlight, trialMs } = settings
  progress(`${name}: storing keys`)
  const workload = new Workload({ seed, keys, valueBytes })
  await workload.fill((key, value) => system.put(key, value), {
    signal,
    maxMs: maxFillMs,
    inFlight: Math.min(...inFlight)
  })
  const calls = {
    put: () => system.put(workload.key(), workload.value()),
    get: () => system.get(workload.key())
  }
  const cases: CompareCase[] = []
  for (const operation of operations) {
    progress(`${name}: how many ${operation}s at once are best`)
    const load = loadOf(calls[operation])
    const best = await fastest(load, inFlight, { durationMs: trialMs, signal })
    cases.push({ name: `${operation}, ${name}`, system: name, operation, load, inFlight: best, servers })
  }
  return cases
}

/** The number of operations under way at which most are done, after each was tried for so long. */
async function fastest(
  load: Load,
  counts: readonly number[],
  init: { readonly durationMs: number; readonly signal: AbortSignal }
): Promise<number> {
  // Code that has run little is slow code: the first trial would always lose.
  await load({ ...init, inFlight: Math.max(...counts) })
  let best = { inFlight: counts[0]!, rate: 0 }
  for (const inFlight of counts) {
    const { latencies, tookMs } = await load({ ...init, inFlight })
    const rate = latencies.totalCount / tookMs
    if (rate > best.rate) best = { inFlight, rate }
  }
  return best.inFlight
}
