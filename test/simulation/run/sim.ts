/**
 * `npm run sim`: runs the simulator over many seeds, on both cores, and says what it found. See README.md beside
 * this folder.
 */
import { fork, type ChildProcess } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import type { RunResult } from './simulate.ts'
import {
  faultKinds,
  profiles,
  settingsOf,
  type FaultKind,
  type Profile,
  type SettingsInit
} from './settings.ts'

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '100' },
    start: { type: 'string', default: '1' },
    peers: { type: 'string' },
    minutes: { type: 'string' },
    profile: { type: 'string' },
    only: { type: 'string' },
    trace: { type: 'boolean', default: false },
    worker: { type: 'boolean', default: false }
  }
})

/** One run in so many is done twice, to see that it is the same. */
const repeatEvery = 10

function initOf(seed: number): SettingsInit {
  const { peers, minutes, profile, only } = values
  return {
    seed,
    ...(peers === undefined ? {} : { peers: Number(peers) }),
    ...(minutes === undefined ? {} : { minutes: Number(minutes) }),
    ...(profile === undefined ? {} : { profile: oneOf(profile, profiles) }),
    ...(only === undefined ? {} : { only: only.split(',').map(kind => oneOf(kind, faultKinds)) })
  }
}

function oneOf<T extends string>(text: string, allowed: readonly T[]): T {
  const found = allowed.find(candidate => candidate === text)
  if (found !== undefined) return found
  console.error(`"${text}" is none of ${allowed.join(', ')}`)
  process.exit(2)
}

/** What is told apart from the seed on the command that replays a run. */
function flags(): string {
  const names = ['peers', 'minutes', 'profile', 'only'] as const
  return names.flatMap(name => (values[name] === undefined ? [] : [` --${name} ${values[name]}`])).join('')
}

async function work(): Promise<void> {
  const { simulate } = await import('./simulate.ts')
  process.on('message', (init: SettingsInit) => {
    void simulate(settingsOf(init)).then(
      result => process.send!({ result }),
      (error: unknown) => process.send!({ error: error instanceof Error ? error.stack : String(error) })
    )
  })
  process.send!('ready')
}

async function traceOne(seed: number): Promise<void> {
  const { simulate } = await import('./simulate.ts')
  const settings = settingsOf(initOf(seed))
  console.log(JSON.stringify(settings, undefined, 2))
  const result = await simulate(settings, { event: (atMs, what) => console.log(atMs.toFixed(3), what) })
  console.log(JSON.stringify(result, undefined, 2))
  process.exitCode = result.violations.length === 0 ? 0 : 1
}

/** Adds up what runs have in common. */
class Totals {
  runs = 0
  repeated = 0
  violations = 0
  virtualMs = 0
  readonly operations = { answered: 0, unknown: 0, refused: 0 }
  readonly faults = Object.fromEntries(faultKinds.map(kind => [kind, 0])) as Record<FaultKind, number>
  readonly branches: Record<string, number> = {}
  readonly profiles: Partial<Record<Profile, number>> = {}

  add(result: RunResult): void {
    this.runs++
    this.virtualMs += result.virtualMs
    this.profiles[result.settings.profile] = (this.profiles[result.settings.profile] ?? 0) + 1
    for (const kind of faultKinds) this.faults[kind] += result.faults[kind]
    for (const outcome of ['answered', 'unknown', 'refused'] as const) {
      this.operations[outcome] += result.operations[outcome]
    }
    for (const [branch, count] of Object.entries(result.branches)) {
      this.branches[branch] = (this.branches[branch] ?? 0) + count
    }
  }
}

async function runAll(): Promise<void> {
  const first = Number(values.start)
  const count = Number(values.seeds)
  const totals = new Totals()
  const hashes = new Map<number, string>()
  const queue = Array.from({ length: count }, (_, i) => first + i)
  queue.push(...queue.filter(seed => seed % repeatEvery === 0))
  const startedAt = performance.now()

  const take = (child: ChildProcess): void => {
    const seed = queue.shift()
    if (seed === undefined) child.disconnect()
    else {
      current.set(child, seed)
      child.send(initOf(seed))
    }
  }
  const current = new Map<ChildProcess, number>()
  const done = (seed: number, result: RunResult): void => {
    const earlier = hashes.get(seed)
    if (earlier === undefined) {
      hashes.set(seed, result.hash)
      totals.add(result)
      report(seed, result)
      totals.violations += result.violations.length
    } else {
      totals.repeated++
      if (earlier !== result.hash) {
        totals.violations++
        console.log(`\nseed ${seed} ran differently the second time: ${earlier} and ${result.hash}`)
      }
    }
    if (process.stderr.isTTY)
      process.stderr.write(`\r${totals.runs} of ${count} runs, ${totals.violations} violations `)
  }
  const children = Array.from({ length: Math.min(availableParallelism(), queue.length) }, () => {
    const child = fork(import.meta.filename, ['--worker'], { execArgv: process.execArgv })
    child.on('message', (message: 'ready' | { result: RunResult } | { error: string }) => {
      if (message !== 'ready') {
        const seed = current.get(child)!
        if ('result' in message) done(seed, message.result)
        else {
          totals.runs++
          totals.violations++
          console.log(`\nseed ${seed} failed: ${message.error}`)
        }
      }
      take(child)
    })
    return child
  })
  await Promise.all(children.map(child => new Promise(resolve => child.on('exit', resolve))))
  summary(totals, (performance.now() - startedAt) / 1000)
  process.exitCode = totals.violations === 0 ? 0 : 1
}

function report(seed: number, { settings, violations }: RunResult): void {
  if (violations.length === 0) return
  console.log(`\nseed ${seed}, profile ${settings.profile}: ${violations.length} violations`)
  for (const { guarantee, subject, what } of violations.slice(0, 5))
    console.log(`  ${guarantee} ${subject}: ${what}`)
  console.log(`  replay: npm run sim -- --start ${seed} --seeds 1${flags()} --trace`)
}

function summary(totals: Totals, seconds: number): void {
  const { answered, unknown, refused } = totals.operations
  const rows: [string, unknown][] = [
    ['runs', `${totals.runs} (${totals.repeated} of them twice)`],
    [
      'profiles',
      Object.entries(totals.profiles)
        .map(([name, runs]) => `${name} ${runs}`)
        .join(', ')
    ],
    ['operations', `${answered} answered, ${unknown} with an outcome unknown, ${refused} refused`],
    ['virtual hours', (totals.virtualMs / 3_600_000).toFixed(1)],
    ['real seconds', seconds.toFixed(1)],
    ['speed-up', (totals.virtualMs / 1000 / seconds).toFixed(0)],
    ['violations', totals.violations]
  ]
  console.log()
  for (const [name, value] of rows) console.log(`${name.padEnd(16)}${String(value)}`)
  console.log('\nfaults')
  for (const kind of faultKinds) console.log(`  ${kind.padEnd(14)}${totals.faults[kind]}`)
  console.log('\nlogged by the peers, most often first')
  const branches = Object.entries(totals.branches).sort((a, b) => b[1] - a[1])
  for (const [branch, count] of branches.slice(0, 40)) console.log(`  ${String(count).padStart(9)} ${branch}`)
}

if (values.worker) await work()
else if (values.trace) await traceOne(Number(values.start))
else await runAll()
