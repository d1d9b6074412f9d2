/**
 * The simulator's proof: breaks the core in each of the ways that test/simulation/mutants names, and counts how
 * many seeds it takes until a run shows a guarantee broken that the mutant breaks. Used by `npm run sim --
 * --mutants`, or run by itself. Each mutant has a process of its own at each start seed.
 */
import { fork, type ChildProcess } from 'node:child_process'
import { appendFileSync, existsSync, readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { mutantNamed, mutants as allMutants } from '../mutants/all.ts'
import { ensureFresh } from '../mutants/loader.ts'
import type { Mutant } from '../mutants/mutant.ts'
import type { Guarantee } from './checker.ts'
import { mutantTable, progressLine } from './mutants-table.ts'
import type { SettingsInit } from './settings.ts'

/** From where seeds are counted up, again and again. */
const defaultStarts = 20

/** Seeds tried from one start: a mutant that lives through so many is not caught. */
const defaultMaxSeeds = 500

/** Virtual minutes of load and faults in each run: what shows at all shows early, and a run costs what it lasts. */
const defaultMinutes = 5

/** Between the first seeds of two starts: more than are ever tried from one. */
const startSpacing = 10_000

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
   * A file to which each outcome is written as it comes, a JSON document a line. What it says already is not run
   * again, so that a table that was stopped can be gone on with.
   */
  readonly file?: string
  /** Told of each start that is done. */
  readonly onOutcome?: (outcome: Outcome, soFar: Progress) => void
}

/** What became of one mutant from one start seed. */
export interface Outcome {
  readonly mutant: string
  readonly start: number
  /** Runs made. */
  readonly seeds: number
  /** Undefined: not caught. */
  readonly caught: { readonly guarantee: Guarantee; readonly what: string } | undefined
  /** Violations of guarantees that the mutant is not said to break, and runs that ended in an error. */
  readonly others: Readonly<Record<string, number>>
  readonly virtualMs: number
  readonly realMs: number
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
  readonly start: number
  readonly maxSeeds: number
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
  const known = options.file === undefined ? [] : readOutcomes(options.file)
  const outcomes = new Map<string, Outcome[]>(
    chosen.map(({ name }) => [name, known.filter(({ mutant }) => mutant === name)])
  )
  // One start of each before the second of any: what is stopped has tried all of them as often.
  const queue = Array.from({ length: starts }, (_, k) => 1 + startSpacing * k).flatMap(start =>
    chosen
      .filter(({ name }) => !outcomes.get(name)!.some(outcome => outcome.start === start))
      .map(({ name }): WorkOrder => ({ mutant: name, start, maxSeeds, settings }))
  )
  const progress = { done: 0, of: queue.length, startedAt: performance.now() }
  const worker = async (): Promise<void> => {
    for (let order = queue.shift(); order !== undefined; order = queue.shift()) {
      const outcome = await workOff(order)
      outcomes.get(order.mutant)!.push(outcome)
      if (options.file !== undefined) appendFileSync(options.file, `${JSON.stringify(outcome)}\n`)
      options.onOutcome?.(outcome, { ...progress, done: ++progress.done })
    }
  }
  const jobs = Math.min(options.jobs ?? availableParallelism(), queue.length)
  await Promise.all(Array.from({ length: jobs }, worker))
  return chosen.map(mutant => ({ mutant, outcomes: outcomes.get(mutant.name)! }))
}

function readOutcomes(file: string): Outcome[] {
  if (!existsSync(file)) return []
  const lines = readFileSync(file, 'utf8').split('\n')
  // What this runner wrote.
  return lines.filter(line => line !== '').map(line => JSON.parse(line) as Outcome)
}

/** Has a process of its own do this, since there is one mutant to a process; throws where it ends before it is done. */
async function workOff(order: WorkOrder): Promise<Outcome> {
  const child = fork(new URL('mutant-worker.ts', import.meta.url), { execArgv: process.execArgv })
  let outcome: Outcome | undefined
  child.on('message', (message: Outcome) => {
    outcome = message
    child.disconnect()
  })
  child.send(order)
  const code = await exitOf(child)
  if (outcome === undefined) throw new Error(`the process of mutant ${order.mutant} ended with ${code}`)
  return outcome
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

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      'only-mutants': { type: 'string' },
      starts: { type: 'string', default: String(defaultStarts) },
      'max-seeds': { type: 'string', default: String(defaultMaxSeeds) },
      jobs: { type: 'string', default: String(availableParallelism()) },
      minutes: { type: 'string', default: String(defaultMinutes) },
      file: { type: 'string' },
      json: { type: 'boolean', default: false }
    }
  })
  const { 'only-mutants': only, file } = values
  const isGood = await reportMutants({
    ...(only === undefined ? {} : { mutants: only.split(',') }),
    starts: Number(values.starts),
    maxSeeds: Number(values['max-seeds']),
    jobs: Number(values.jobs),
    settings: { minutes: Number(values.minutes) },
    ...(file === undefined ? {} : { file }),
    json: values.json
  })
  process.exitCode = isGood ? 0 : 1
}
