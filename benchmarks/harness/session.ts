/**
 * The frame of every benchmark: reads its arguments, ends it in time and at Ctrl-C, prints what it found. What it has
 * started it takes away itself: see belongings.ts.
 */
import { writeFileSync } from 'node:fs'
import type { CommonOptions } from './options.ts'
import { asMarkdown, asText, circumstances, type Findings } from './report.ts'
import type { Table } from './tables.ts'

/** When its time is over, a run has so long to stop in order, in ms. */
const maxEndMs = 15_000

const interrupted = 130

export interface Benchmark<O extends CommonOptions> {
  readonly name: string
  readonly usage: string
  /** Undefined where only the usage was asked for. Throws where the arguments make no sense. */
  readOptions(args: readonly string[]): O | undefined
  /** A run ends by then, in ms, whatever happens. */
  maxRunMs(options: O): number
  run(options: O, session: Session): Promise<Findings & { readonly tables: readonly Table[] }>
}

export interface Session {
  /** Aborts at Ctrl-C, SIGTERM, or when the run takes too long. */
  readonly signal: AbortSignal
  /** Shows what is done, on one line of a terminal. */
  readonly progress: (what: string) => void
}

/** Does not return: what has not ended by then must not keep the process. */
export async function runBenchmark<O extends CommonOptions>(benchmark: Benchmark<O>): Promise<never> {
  try {
    const options = benchmark.readOptions(process.argv.slice(2))
    if (options === undefined) console.log(benchmark.usage)
    else await runAndPrint(benchmark, options)
  } catch (error) {
    progress('')
    console.error(error instanceof Error ? error.message : error)
    process.exitCode ??= 1
  }
  process.exit()
}

async function runAndPrint<O extends CommonOptions>(benchmark: Benchmark<O>, options: O): Promise<void> {
  const { json, markdown, seed, settings } = options
  const known = circumstances(benchmark.name, seed, settings)
  const signal = endOfRun(benchmark.maxRunMs(options))
  const { tables, ...findings } = await benchmark.run(options, { signal, progress })
  progress('')
  if (markdown !== undefined) writeFileSync(markdown, asMarkdown(known, tables, findings.notes))
  if (json) console.log(JSON.stringify({ ...known, ...findings }, undefined, 2))
  else console.log(asText(known, tables, findings.notes))
}

function progress(what: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${what}`)
}

/** At a second signal the process ends at once. */
function endOfRun(maxRunMs: number): AbortSignal {
  const ending = new AbortController()
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(name, () => {
      if (ending.signal.aborted) process.exit(interrupted)
      process.exitCode = interrupted
      ending.abort(new Error('interrupted'))
      setTimeout(() => process.exit(), maxEndMs).unref()
    })
  }
  setTimeout(() => ending.abort(new Error(`the run took more than ${maxRunMs} ms`)), maxRunMs).unref()
  setTimeout(() => process.exit(1), maxRunMs + maxEndMs).unref()
  return ending.signal
}
