/** `npm run bench:memory`: what a peer with many records holds in memory, and whether that grows under load. See README.md. */
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { Belongings } from './harness/belongings.ts'
import { newHistogram } from './harness/load.ts'
import { OpenLoop } from './harness/open-loop.ts'
import { commonFlags, commonOf, commonUsage, wholeNumber, type CommonOptions } from './harness/options.ts'
import { median, rounded } from './harness/ratios.ts'
import type { Findings } from './harness/report.ts'
import { runBenchmark, type Session } from './harness/session.ts'
import type { Table } from './harness/tables.ts'
import { Workload } from './harness/workload.ts'
import { connect, startCluster } from './peers/cluster.ts'

const usage = `Usage: npm run bench:memory -- [options]

  --records N      records of 128 bytes in each peer; default 100000
  --minutes N      how long the load lasts, 1 to 600; default 20
  --rate N         operations a second, half of them gets, 10 to 5000; default 300
${commonUsage}`

/** Between two looks, in ms. */
const pollMs = 5_000

const bytesPerMiB = 1024 * 1024

/** Storing the records takes so long at most, in ms, at some hundred a second. */
const maxFillMs = 3_600_000

interface MemoryOptions extends CommonOptions {
  readonly settings: {
    /** As many as there are copies: so each peer has all records. */
    readonly peers: number
    readonly replicas: number
    readonly valueBytes: number
    readonly records: number
    readonly perSecond: number
    readonly loadMs: number
  }
}

function readOptions(args: readonly string[]): MemoryOptions | undefined {
  const { values } = parseArgs({
    args: [...args],
    options: {
      ...commonFlags,
      records: { type: 'string', default: '100000' },
      minutes: { type: 'string', default: '20' },
      rate: { type: 'string', default: '300' }
    }
  })
  if (values.help) return undefined
  const settings = {
    peers: 3,
    replicas: 3,
    valueBytes: 128,
    records: wholeNumber('--records', values.records, { from: 100, to: 5_000_000 }),
    perSecond: wholeNumber('--rate', values.rate, { from: 10, to: 5_000 }),
    loadMs: wholeNumber('--minutes', values.minutes, { from: 1, to: 600 }) * 60_000
  }
  return { ...commonOf(values), settings }
}

async function run(
  { settings, seed }: MemoryOptions,
  { signal, progress }: Session
): Promise<Findings & { tables: Table[] }> {
  const { records, perSecond, loadMs } = settings
  await using belongings = new Belongings(signal)
  progress('starting')
  const addresses = await startCluster(belongings, settings, signal)
  const { pids } = belongings
  const look = (): number[] => pids.map(residentBytes)
  const empty = look()
  await using client = await connect(addresses, 'direct')
  progress(`storing ${records} records`)
  const workload = new Workload({ seed, keys: records, valueBytes: settings.valueBytes })
  await workload.fill((key, value) => client.put(key, value), { signal })
  const filled = look()
  const operation = (): Promise<unknown> =>
    workload.percent(50) ? client.get(workload.key()) : client.put(workload.key(), workload.value())
  const loop = new OpenLoop(operation, { perSecond, signal })
  const recorder = { latencies: newHistogram(), failures: 0 }
  loop.record(recorder)
  const looks: number[][] = []
  const endAt = performance.now() + loadMs
  while (performance.now() < endAt) {
    await sleep(pollMs, undefined, { signal })
    looks.push(look())
    progress(
      `${Math.round((endAt - performance.now()) / 60_000)} minutes left: ${looks.at(-1)!.map(mib).join(', ')} MiB`
    )
  }
  progress('stopping')
  await loop.stop()
  return findingsOf({
    empty,
    filled,
    looks,
    operations: recorder.latencies.totalCount,
    failures: recorder.failures
  })
}

interface Seen {
  /** Resident bytes of each peer: with nothing in it, with all records, and under load. */
  readonly empty: readonly number[]
  readonly filled: readonly number[]
  readonly looks: ReadonlyArray<readonly number[]>
  readonly operations: number
  readonly failures: number
}

/** The first quarter of the load is left out of the growth: V8 takes what it needs first. */
function findingsOf({ empty, filled, looks, operations, failures }: Seen): Findings & { tables: Table[] } {
  const quarter = Math.floor(looks.length / 4)
  const results = empty.map((emptyBytes, peer) => {
    const under = looks.map(bytes => bytes[peer]!)
    const second = median(under.slice(quarter, 2 * quarter)) ?? NaN
    const last = median(under.slice(-quarter)) ?? NaN
    return {
      peer: peer + 1,
      emptyBytes,
      filledBytes: filled[peer]!,
      secondQuarterBytes: second,
      lastQuarterBytes: last,
      mostBytes: Math.max(...under),
      growth: rounded(last / second)
    }
  })
  const rows = results.map(one => [
    `peer ${one.peer}`,
    ...[one.emptyBytes, one.filledBytes, one.secondQuarterBytes, one.lastQuarterBytes, one.mostBytes].map(
      mib
    ),
    String(one.growth)
  ])
  const head = ['MiB', 'empty', 'filled', 'second quarter', 'last quarter', 'most', 'last / second']
  return {
    results,
    ratios: { 'growth/worst': Math.max(...results.map(({ growth }) => growth)) },
    notes: [`${operations} operations under load, ${failures} failed`],
    tables: [{ title: 'resident memory', head, rows }]
  }
}

/** Of a process, from /proc, in bytes. Throws where the system has none. */
function residentBytes(pid: number): number {
  const line = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))
  if (line === null) throw new Error(`the system does not tell how much memory process ${pid} has`)
  return Number(line[1]) * 1024
}

function mib(bytes: number): string {
  return (bytes / bytesPerMiB).toFixed(0)
}

await runBenchmark({
  name: 'memory',
  usage,
  readOptions,
  maxRunMs: ({ settings }) => settings.loadMs + maxFillMs,
  run
})
