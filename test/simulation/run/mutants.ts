/**
 * The simulator's proof: breaks the core in each of the ways that test/simulation/mutants names, and counts how
 * many seeds it takes until a run shows a guarantee broken that the mutant breaks. Used by `npm run sim --
 * --mutants`. A process has one mutant, and runs the seeds that one start lacks.
 */
import { fork, type ChildProcess } from 'node:child_process'
import { appendFileSync, existsSync, readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { mutantNamed, mutants as allMutants } from '../mutants/all.ts'
import { ensureFresh } from '../mutants/loader.ts'
import type { Mutant } from '../mutants/mutant.ts'
import { MutantRuns, type MutantRun, type Outcome } from './mutant-runs.ts'
import { mutantTable, progressLine } from './mutants-table.ts'
import type { SettingsInit } from './settings.ts'

/** From where seeds are counted up, again and again. */
const defaultStarts = 20

/** Seeds tried from one start: a mutant that lives through so many is not caught. */
const defaultMaxSeeds = 500

/** Virtual minutes of load and faults in each run: what shows at all shows early, and a run costs what it lasts. */
const defaultMinutes = 5

/** Seeds between two starts. Small, so that they share runs: a seed is run once for all starts before it. */
const startSpacing = 3

export interface MutantsOptions {
  /** By name. Default: all. */
  readonly mutants?: readonly string[]
  readonly starts?: number
  readonly maxSeeds?: number
  /** Processes at a time. Default: one for each core. */
  readonly jobs?: number
  /** What runs have in common; else drawn from the seed. */
  readonly settings?: Omit<SettingsInit, 'seed'>
  /**
   * A file to which each run is written as it ends, a JSON document a line. What it says already is not run again,
   * so that a table that was stopped can be gone on with.
   */
  readonly file?: string
  /** Told of each start that is done. */
  readonly onOutcome?: (outcome: Outcome, soFar: Progress) => void
}

export interface Progress {
  readonly done: number
  readonly of: number
  readonly startedAt: number
}

/** All starts of one mutant. */
export interface MutantResult {
  readonly mutant: Mutant
  readonly outcomes: readonly Outcome[]
}

/** What a process is told to do, by message. */
export interface WorkOrder {
  readonly mutant: string
  /** Seeds from `first` to before `end`, until one catches it. */
  readonly first: number
  readonly end: number
  readonly settings: Omit<SettingsInit, 'seed'>
}

/**
 * Runs each mutant from each start seed, and gives what became of them, in the order of the mutants. Throws
 * StaleMutantError before it runs any where one no longer fits the source.
 */
export async function runMutants(options: MutantsOptions = {}): Promise<MutantResult[]> {
  const { starts = defaultStarts, maxSeeds = defaultMaxSeeds } = options
  const settings = { minutes: defaultMinutes, ...options.settings }
  const chosen = options.mutants?.map(mutantNamed) ?? allMutants
  // All of them before the first: a run of an hour should not end at the last one.
  for (const mutant of chosen) await ensureFresh(mutant)
  const runs = new Map(chosen.map(({ name }) => [name, new MutantRuns()]))
  if (options.file !== undefined) {
    for (const run of readRuns(options.file)) runs.get(run.mutant)?.add(run)
  }
  const outcomes = new Map<string, Outcome[]>(chosen.map(({ name }) => [name, []]))
  // One start of each before the second of any: what is stopped has tried all of them as often.
  const queue = Array.from({ length: starts }, (_, k) => 1 + startSpacing * k).flatMap(start =>
    chosen.map(({ name }) => ({ mutant: name, start }))
  )
  const progress = { done: 0, of: queue.length, startedAt: performance.now() }
  // Two starts of one mutant at a time would run the same seeds.
  const busy = new Set<string>()
  const next = (): { mutant: string; start: number } | undefined => {
    const index = queue.findIndex(({ mutant }) => !busy.has(mutant))
    return index < 0 ? undefined : queue.splice(index, 1)[0]
  }
  const onRun = (run: MutantRun): void => {
    runs.get(run.mutant)!.add(run)
    if (options.file !== undefined) appendFileSync(options.file, `${JSON.stringify(run)}\n`)
  }
  const worker = async (): Promise<void> => {
    for (let order = next(); order !== undefined; order = next()) {
      const { mutant, start } = order
      busy.add(mutant)
      let found = runs.get(mutant)!.from(start, maxSeeds)
      for (; 'end' in found; found = runs.get(mutant)!.from(start, maxSeeds)) {
        await workOff({ mutant, first: found.first, end: found.end, settings }, onRun)
      }
      busy.delete(mutant)
      outcomes.get(mutant)!.push(found)
      options.onOutcome?.(found, { ...progress, done: ++progress.done })
    }
  }
  const jobs = Math.min(options.jobs ?? availableParallelism(), queue.length)
  await Promise.all(Array.from({ length: jobs }, worker))
  return chosen.map(mutant => ({ mutant, outcomes: outcomes.get(mutant.name)! }))
}

function readRuns(file: string): MutantRun[] {
  if (!existsSync(file)) return []
  const lines = readFileSync(file, 'utf8').split('\n')
  // What this runner wrote.
  return lines.filter(line => line !== '').map(line => JSON.parse(line) as MutantRun)
}

/** Has a process of its own do this, since there is one mutant to a process; throws where it ends before it is done. */
async function workOff(order: WorkOrder, onRun: (run: MutantRun) => void): Promise<void> {
  const child = fork(new URL('mutant-worker.ts', import.meta.url), { execArgv: process.execArgv })
  child.on('message', onRun)
  child.send(order)
  const code = await exitOf(child)
  if (code !== 0) throw new Error(`the process of mutant ${order.mutant} ended with ${code}`)
}

function exitOf(child: ChildProcess): Promise<number | null> {
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', resolve)
  })
}

/** `sim.ts --mutants`: runs them, shows how far it is, prints the table. False: not all were caught each time. */
export async function reportMutants(options: MutantsOptions & { readonly json?: boolean }): Promise<boolean> {
  const results = await runMutants({
    ...options,
    onOutcome: (outcome, progress) => process.stderr.write(progressLine(outcome, progress))
  })
  console.log(options.json === true ? JSON.stringify(results, undefined, 2) : mutantTable(results))
  return results.every(({ outcomes }) => outcomes.every(({ caught }) => caught !== undefined))
}
