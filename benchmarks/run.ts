/** `npm run bench`: how fast peers answer, next to what their libp2p streams could do. See README.md. */
import { Belongings } from './belongings.ts'
import { clientCases, fill, measure, rawCases, select } from './cases.ts'
import { connect, startCluster } from './cluster.ts'
import { readOptions, usage, type Options } from './options.ts'
import { RawStreams } from './raw-streams.ts'
import { circumstances, formatReport, reportOf, type Report } from './report.ts'

/** A run ends by then, in ms, whatever happens. */
const maxRunMs = 175_000

/** By then it ends by force, in ms. */
const maxEndMs = 4_000

const interrupted = 130

async function bench({ settings, only }: Options, signal: AbortSignal): Promise<Report> {
  const known = circumstances(settings)
  await using belongings = new Belongings(signal)
  progress('starting')
  await using raw = await RawStreams.open(belongings, settings.peers)
  const addresses = await startCluster(belongings, settings, signal)
  await using direct = await connect(addresses, 'direct')
  await using forward = await connect(addresses, 'forward')
  progress(`storing ${settings.keys} keys`)
  await fill(direct, settings, signal)
  const cases = [
    ...rawCases(raw, settings),
    ...clientCases('direct', direct, settings),
    ...clientCases('forward', forward, settings)
  ]
  const results = await measure(select(cases, only), {
    pids: belongings.pids,
    settings,
    signal,
    progress
  })
  progress('stopping')
  return reportOf(known, results)
}

/** Shows what is done, on one line of a terminal. */
function progress(what: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${what}`)
}

/** Aborts at Ctrl-C, SIGTERM or when the run takes too long; at a second signal the process ends at once. */
function endOfRun(): AbortSignal {
  const ending = new AbortController()
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(name, () => {
      if (ending.signal.aborted) process.exit(interrupted)
      process.exitCode = interrupted
      ending.abort(new Error('interrupted'))
    })
  }
  setTimeout(() => ending.abort(new Error(`the run took more than ${maxRunMs} ms`)), maxRunMs).unref()
  setTimeout(() => process.exit(1), maxRunMs + maxEndMs).unref()
  return ending.signal
}

async function main(): Promise<void> {
  const options = readOptions(process.argv.slice(2))
  if (options === undefined) {
    console.log(usage)
    return
  }
  const report = await bench(options, endOfRun())
  progress('')
  console.log(options.json ? JSON.stringify(report, undefined, 2) : formatReport(report))
}

try {
  await main()
} catch (error) {
  progress('')
  console.error(error instanceof Error ? error.message : error)
  process.exitCode ??= 1
}
// What has not ended by now must not keep the process.
process.exit()
