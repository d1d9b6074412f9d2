/** `npm run sim`: runs the simulator over many seeds, and says what it found. See README.md beside this folder. */
import { readArguments, settingsFor, usage, UsageError, type Arguments } from './arguments.ts'
import { guarantees, type Guarantee } from './checker.ts'
import { Pool, type Reply } from './pool.ts'
import { headline, reportOf } from './report.ts'
import { loadRun, saveRun, type SavedRun } from './script-file.ts'
import { describeScript, guaranteeToShrink, shrink } from './shrink.ts'
import { scriptOf, simulate, type RunResult, type Trace } from './simulate.ts'
import { progressOf, tableOf, Totals } from './table.ts'

/** One run in so many is done twice, to see that it is the same. */
const repeatEvery = 10

/** Failing runs that are told in full; of others the seed and what is wrong. */
const maxReports = 3

/** Exit code of what Ctrl-C ended early. */
const interruptedExit = 130

/** Runs that a shrink makes at the most. */
const maxShrinkRuns = 400

async function main(args: Arguments): Promise<void> {
  switch (args.mode) {
    case 'help':
      console.log(usage)
      return
    case 'trace':
      return traceOne({ settings: settingsFor(args.start, args.common) })
    case 'script':
      return traceOne(await loadRun(args.scriptFile!))
    case 'shrink':
      return shrinkOne(args)
    case 'mutants':
      return runMutants(args)
    case 'runs':
      return runSeeds(args)
  }
}

/** One run with all that happens in it. */
async function traceOne({ settings, script }: Pick<SavedRun, 'settings'> & Partial<SavedRun>): Promise<void> {
  const trace: Trace = { event: (atMs, what) => console.log(atMs.toFixed(3).padStart(12), what) }
  console.log(JSON.stringify(settings, undefined, 2))
  const result = await simulate(settings, { trace, script })
  for (const violation of result.violations) console.log(headline(violation))
  process.exitCode = result.violations.length === 0 ? 0 : 1
}

async function shrinkOne(args: Arguments): Promise<void> {
  const settings = settingsFor(args.start, args.common)
  const script = scriptOf(settings)
  const { violations } = await simulate(settings, { script, stopAtFirst: true })
  const guarantee = guaranteeToShrink(violations.map(violation => violation.guarantee))
  if (guarantee === undefined) {
    console.log(`seed ${args.start} breaks nothing`)
    return
  }
  const show = progressLine()
  const found = await shrink(script, {
    maxRuns: maxShrinkRuns,
    breaks: async candidate => {
      const result = await simulate(settings, { script: candidate, stopAtFirst: [guarantee] })
      return result.violations.some(violation => violation.guarantee === guarantee)
        ? result.virtualMs
        : undefined
    },
    onProgress: ({ faults, operations }, runs) =>
      show(
        `${runs} runs: ${guarantee} is still broken by ${faults.length} faults, ${operations.length} operations`
      )
  })
  const file = `sim-seed-${args.start}.json`
  await saveRun(file, { settings, script: found.script })
  console.log(`\n${describeScript(found.script)}\n`)
  const replay = `npm run sim -- --script ${file}`
  const last = await simulate(settings, { script: found.script, stopAtFirst: [guarantee] })
  const violation = last.violations.find(candidate => candidate.guarantee === guarantee)
  if (violation !== undefined)
    console.log(
      await reportOf(settings, violation, { script: found.script, stopAtFirst: [guarantee], replay })
    )
  process.exitCode = 1
}

async function runMutants(args: Arguments): Promise<void> {
  const { onlyMutants, starts, maxSeeds, outcomesFile, jobs, common, isJson } = args
  // Only here: who runs seeds needs nothing of the mutants.
  const { reportMutants } = await import('./mutants.ts')
  const areCaught = await reportMutants({
    ...(onlyMutants === undefined ? {} : { mutants: onlyMutants }),
    ...(starts === undefined ? {} : { starts }),
    ...(maxSeeds === undefined ? {} : { maxSeeds }),
    ...(outcomesFile === undefined ? {} : { file: outcomesFile }),
    jobs,
    settings: common,
    json: isJson
  })
  process.exitCode = areCaught ? 0 : 1
}

async function runSeeds(args: Arguments): Promise<void> {
  const seeds = Array.from({ length: args.seeds }, (_, i) => args.start + i)
  const repeats = new Set(seeds.filter(seed => seed % repeatEvery === 0))
  const jobs = Math.min(args.jobs, seeds.length)
  const totals = new Totals()
  const failed: RunResult[] = []
  const hashes = new Map<number, string>()
  const show = progressLine()
  const say = (text: string): void => {
    show('')
    if (args.isJson) console.error(text)
    else console.log(text)
  }
  const onReply = (seed: number, reply: Reply, isRepeat: boolean): void => {
    if ('error' in reply) {
      totals.runs += isRepeat ? 0 : 1
      totals.violations++
      say(`\nseed ${seed} ended in an error: ${reply.error}`)
    } else if (compare(hashes, seed, reply.result.hash)) {
      if (isRepeat) totals.repeated++
      else {
        totals.add(reply.result)
        if (reply.result.violations.length > 0) failed.push(reply.result)
        for (const violation of reply.result.violations.slice(0, 1))
          say(`\nseed ${seed}: ${headline(violation)}`)
      }
    } else {
      totals.violations++
      say(`\nseed ${seed} ran differently the second time`)
    }
    show(progressOf(totals, seeds.length))
  }
  const pool = new Pool({ jobs, common: args.common, onReply }, seeds, repeats)
  // What was found so far is worth its table; the second Ctrl-C ends at once.
  process.once('SIGINT', () => {
    pool.stop()
    say('the runs under way come to their end; Ctrl-C again ends at once')
    process.exitCode = interruptedExit
  })
  await pool.run()
  show('')
  for (const result of failed.slice(0, maxReports)) say(`\n${await report(result, args)}`)
  console.log(args.isJson ? JSON.stringify(totals.toJson(jobs)) : `\n${tableOf(totals, jobs)}`)
  if (totals.violations > 0) process.exitCode = 1
}

/** False where a seed had another hash before. */
function compare(hashes: Map<number, string>, seed: number, hash: string): boolean {
  const earlier = hashes.get(seed)
  hashes.set(seed, hash)
  return earlier === undefined || earlier === hash
}

async function report({ settings, violations }: RunResult, { replayFlags }: Arguments): Promise<string> {
  const replay = `npm run sim -- --start ${settings.seed}${replayFlags} --trace`
  const others = violations.length === 1 ? '' : `\nand ${violations.length - 1} more violations`
  const first = byImportance(violations)[0]!
  return `${await reportOf(settings, first, { replay })}${others}`
}

function byImportance(violations: RunResult['violations']): RunResult['violations'] {
  const rank = (guarantee: Guarantee): number => guarantees.indexOf(guarantee)
  return violations.toSorted((a, b) => rank(a.guarantee) - rank(b.guarantee))
}

/** Writes over one line of a terminal; nothing off a terminal. */
function progressLine(): (text: string) => void {
  const { stderr } = process
  if (!stderr.isTTY) return () => undefined
  return text => void stderr.write(`\r\x1b[K${text}`)
}

try {
  await main(readArguments(process.argv.slice(2)))
} catch (error) {
  if (!(error instanceof UsageError)) throw error
  console.error(`${error.message}\n\n${usage}`)
  process.exitCode = 2
}
