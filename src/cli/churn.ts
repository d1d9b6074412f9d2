/** `annulus churn`: runs a cluster on this machine whose members come and go, under load, and judges what it does. */
import { readFile, writeFile } from 'node:fs/promises'
import { InvalidArgumentError, Option, type Command } from 'commander'
import type { ChurnProgress, ChurnResult } from './churn/run.ts'
import type { ChurnSettings } from './churn/settings.ts'
import type { ChurnEvent } from './churn/trace.ts'
import { maxReplicas, maxVnodes } from '../core/limits.ts'
import { churnLines } from './churn/lines.ts'
import { durationFlag } from './client.ts'
import { CommandError, exitCodes, reasonOf, usageError } from './errors.ts'
import { onInterrupt } from './interrupt.ts'
import { canAnimate, print, printJson, say } from './terminal.ts'
import { durationExample, formatDuration, parseDuration } from './units.ts'

const [minuteMs, hourMs] = [60_000, 3_600_000]

/** Most peers of a run: each is a process of about 100 MB. */
const maxPeers = 64

interface ChurnFlags extends Omit<
  ChurnSettings,
  'medianMs' | 'durationMs' | 'awayMs' | 'removeAfterMs' | 'deadlineMs'
> {
  /** In ms. */
  readonly median: readonly number[]
  readonly duration: number
  readonly away: number
  readonly removeAfter: number
  readonly deadline: number
  readonly trace?: string
  readonly verbose?: boolean
  readonly json?: boolean
  readonly report?: string
  readonly history?: string
}

export function defineChurn(command: Command): void {
  const number = (
    flag: string,
    about: string,
    [least, most, usual]: readonly [number, number, number]
  ): void => {
    command.addOption(new Option(flag, about).argParser(wholeFlag(least, most)).default(usual))
  }
  const share = (flag: string, about: string, usual: number): void => {
    command.addOption(new Option(flag, about).argParser(shareFlag).default(usual))
  }
  const duration = (
    flag: string,
    about: string,
    [least, most, usual]: readonly [number, number, number]
  ): void => {
    const option = new Option(flag, about).argParser(durationFlag(least, most))
    command.addOption(option.default(usual, formatDuration(usual)))
  }
  number('--peers <n>', 'how many are there at any time', [1, maxPeers, 5])
  duration('--duration <duration>', 'how long they come and go under load', [
    1_000,
    24 * hourMs,
    3 * minuteMs
  ])
  command.addOption(
    new Option(
      '--median <durations>',
      'median of their sessions; several, with commas between, are run in turn'
    )
      .argParser(readMedians)
      .default([3 * minuteMs], '3m')
  )
  share('--leave-share <share>', 'of those that depart, how many leave in order; the others are killed', 0.5)
  share('--return-share <share>', 'of those that depart, how many come back with their disk', 0.5)
  duration('--away <duration>', 'how long those stay away, on average', [0, hourMs, 20_000])
  duration('--remove-after <duration>', 'remove a member that was down for so long', [
    1_000,
    24 * hourMs,
    20_000
  ])
  command.option('--trace <file>', 'who comes and goes, from a file instead: lines of seconds,event,peer')
  number('--pace <n>', 'how many times faster than real all times of the cluster go', [1, 5, 1])
  number('--replicas <n>', 'copies of each record', [1, maxReplicas, 3])
  number('--vnodes <n>', 'virtual nodes of each peer', [1, maxVnodes, 128])
  number('--keys <n>', 'how many keys there are', [1, 100_000, 500])
  number('--value-bytes <n>', 'bytes of a value', [32, 1_048_576, 256])
  number('--rate <n>', 'operations per second', [1, 10_000, 50])
  share('--get-share <share>', 'of the operations, how many are gets; the others are puts', 0.7)
  duration('--deadline <duration>', 'how long an operation may take', [100, minuteMs, 10_000])
  number('--seed <n>', 'what is drawn by chance follows from this', [0, 0xffff_ffff, 1])
  command
    .option('--report <dir>', 'write a page to look at, report.html, and its data as CSV')
    .option('--json', 'print JSON')
    .addOption(new Option('--history <file>', 'write all operations, as JSON').hideHelp())
    .addHelpText(
      'after',
      `
Starts peers on this machine, each a process with a folder of its own that is removed in the end, and puts and gets
keys all the while. Each operation is judged: exit code 1 where one was wrong, where a key cannot be read back in the
end, or where gets failed although a quorum of their replicas was up. Nothing that runs here already is touched.

Examples:
  annulus churn                                        five peers, three minutes
  annulus churn --report ./churn                       and a page to look at
  annulus churn --median 15m,7m,3m --pace 5 --peers 8  three runs, time five times faster
  annulus churn --trace who.csv                        who comes and goes, from a file`
    )
    .action((_options: unknown, self: Command) => churn(self.optsWithGlobals()))
}

async function churn(flags: ChurnFlags): Promise<void> {
  const { runChurn } = await import('./churn/run.ts')
  const interrupted = new AbortController()
  const detach = onInterrupt(() => interrupted.abort())
  const results: ChurnResult[] = []
  try {
    for (const { settings, schedule } of await planRuns(flags)) {
      say(describeRun(settings))
      const onProgress = progressTeller(settings)
      const tell = flags.verbose === true ? say : () => undefined
      results.push(await runChurn({ settings, schedule, signal: interrupted.signal, say: tell, onProgress }))
    }
  } catch (error) {
    if (!interrupted.signal.aborted) throw error
    throw new CommandError(exitCodes.interrupted, 'interrupted', 'run it again to start over', {
      cause: error
    })
  } finally {
    detach()
  }
  const summaries = results.map(({ summary }) => summary)
  if (flags.history !== undefined) {
    await writeFile(flags.history, JSON.stringify(results.map(({ operations }) => operations)))
  }
  if (flags.report !== undefined) {
    const { writeReport } = await import('./churn/report.ts')
    await writeReport(flags.report, summaries)
    say(`the report is in ${flags.report}: open report.html`)
  }
  if (flags.json === true) printJson({ runs: summaries })
  else for (const summary of summaries) for (const line of churnLines(summary)) print(line)
  const problems = summaries.flatMap(summary => summary.problems)
  if (problems.length > 0) {
    throw new CommandError(
      exitCodes.error,
      problems.join('; '),
      'please report this with the output of --json'
    )
  }
}

interface PlannedRun {
  readonly settings: ChurnSettings
  readonly schedule: readonly ChurnEvent[]
}

async function planRuns(flags: ChurnFlags): Promise<PlannedRun[]> {
  const { trace, median } = flags
  if (trace !== undefined) return [await planTrace(trace, flags)]
  const { drawSchedule } = await import('./churn/schedule.ts')
  return median.map(medianMs => {
    const settings = settingsOf(flags, medianMs)
    return { settings, schedule: drawSchedule({ ...settings, seed: settings.seed + medianMs, medianMs }) }
  })
}

async function planTrace(path: string, flags: ChurnFlags): Promise<PlannedRun> {
  const { isInitial, parseTrace, TraceError } = await import('./churn/trace.ts')
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    throw usageError(`--trace: the file cannot be read: ${reasonOf(error)}`, 'name another')
  })
  try {
    const schedule = parseTrace(text)
    const peers = schedule.filter(isInitial).length
    const endMs = (schedule.at(-1)?.atMs ?? 0) + 1
    const settings = { ...settingsOf(flags, undefined), peers }
    return { settings: { ...settings, durationMs: Math.max(settings.durationMs, endMs) }, schedule }
  } catch (error) {
    if (!(error instanceof TraceError)) throw error
    throw usageError(`--trace: ${path}: ${error.message}`, 'correct it, or leave --trace out')
  }
}

function settingsOf(flags: ChurnFlags, medianMs: number | undefined): ChurnSettings {
  const { seed, peers, replicas, vnodes, leaveShare, returnShare, pace, keys, valueBytes, rate, getShare } =
    flags
  const { duration: durationMs, away: awayMs, removeAfter: removeAfterMs, deadline: deadlineMs } = flags
  const members = { seed, peers, replicas, vnodes, medianMs, durationMs, leaveShare, returnShare, awayMs }
  return { ...members, removeAfterMs, pace, keys, valueBytes, rate, getShare, deadlineMs }
}

function describeRun({ peers, medianMs, durationMs, pace, removeAfterMs }: ChurnSettings): string {
  const sessions =
    medianMs === undefined ? 'as the trace says' : `sessions of ${formatDuration(medianMs)} by the median`
  const faster = pace === 1 ? '' : `, time ${pace} times faster`
  return (
    `${peers} peers, ${sessions}, for ${formatDuration(durationMs)}${faster}; ` +
    `removed after ${formatDuration(removeAfterMs)}`
  )
}

/** On a terminal one line that changes; elsewhere a line for each coming and going, and for each phase. */
function progressTeller({ durationMs }: ChurnSettings): (progress: ChurnProgress) => void {
  let phase: string | undefined
  return progress => {
    const { atMs, up, operations, failed, event } = progress
    const seconds = `${(atMs / 1_000).toFixed(0)} s of ${(durationMs / 1_000).toFixed(0)} s`
    if (event !== undefined)
      clearAndSay(`${(event.atMs / 1_000).toFixed(1)} s: peer ${event.peer}: ${event.kind}`)
    if (progress.phase !== phase) clearAndSay(`${(phase = progress.phase)} ...`)
    if (!canAnimate() || phase !== 'churning') return
    process.stderr.write(`\r\x1b[K${seconds} | ${up} up | ${operations} operations | ${failed} failed`)
  }
}

function clearAndSay(message: string): void {
  if (canAnimate()) process.stderr.write('\r\x1b[K')
  say(message)
}

function readMedians(text: string): number[] {
  return text.split(',').map(part => {
    const ms = parseDuration(part.trim())
    if (ms === undefined)
      throw new InvalidArgumentError(`Give ${durationExample}, or several with commas between.`)
    if (ms < 10_000) throw new InvalidArgumentError('Give medians of at least 10s.')
    return ms
  })
}

function wholeFlag(least: number, most: number): (text: string) => number {
  return text => {
    const value = /^\d{1,10}$/.test(text) ? Number(text) : NaN
    if (!(value >= least && value <= most))
      throw new InvalidArgumentError(`Give a whole number from ${least} to ${most}.`)
    return value
  }
}

function shareFlag(text: string): number {
  const value = /^\d(\.\d+)?$/.test(text) ? Number(text) : NaN
  if (!(value >= 0 && value <= 1)) throw new InvalidArgumentError('Give a number from 0 to 1.')
  return value
}
