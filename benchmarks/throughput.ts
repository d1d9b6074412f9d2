/** `npm run bench:throughput`: how operations per second depend on what is asked and how. See README.md. */
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Client } from '../src/api.ts'
import { Belongings, type Child } from './harness/belongings.ts'
import { decodeHistogram, loadOf, type Load } from './harness/load.ts'
import { measureInTurn, plannedMs, type Case, type Measured } from './harness/measure.ts'
import { pairedRatio, ratiosOf, type Ratios } from './harness/ratios.ts'
import type { Findings } from './harness/report.ts'
import { cellsOf, complete, problemsOf, resultColumns, resultOf } from './harness/results.ts'
import { runBenchmark, type Session } from './harness/session.ts'
import type { Table } from './harness/tables.ts'
import type { Workload } from './harness/workload.ts'
import { comesToRest, connect, startCluster } from './peers/cluster.ts'
import type { EmbeddedPart, EmbeddedRequest } from './throughput/embedded.ts'
import { nameOf, pointsOf, type Point } from './throughput/matrix.ts'
import { operationOf, workloadOf } from './throughput/operations.ts'
import { readThroughputOptions, throughputUsage, type ThroughputOptions } from './throughput/options.ts'

const embeddedScript = fileURLToPath(new URL('./throughput/embedded.ts', import.meta.url))

/** Starting, storing and stopping take so long at most, in ms. */
const overheadMs = 240_000

/** Operations that are late make a part longer than planned, at most so many times. */
const patience = 2

interface ThroughputCase extends Case {
  readonly point: Point
}

async function run(
  { settings, seed, only, choice }: ThroughputOptions,
  { signal, progress }: Session
): Promise<Findings & { tables: Table[] }> {
  const points = pointsOf(choice).filter(point => nameOf(point).includes(only))
  if (points.length === 0) throw new Error(`--only ${only} leaves nothing to measure`)
  await using belongings = new Belongings(signal)
  progress('starting')
  const { peers } = settings
  const addresses = await startCluster(belongings, { ...settings, peers: peers - 1 }, signal)
  const embedded = belongings.spawn(embeddedScript, [addresses[0]!, join(belongings.folder, 'embedded')])
  addresses.push(await embedded.says('ready'))
  await comesToRest(addresses, peers, signal)
  await using client = await connect(addresses, 'direct')
  const workloads = new Map<number, Workload>()
  for (const valueBytes of new Set(points.map(point => point.valueBytes))) {
    progress(`storing values of ${valueBytes} bytes`)
    const workload = workloadOf(valueBytes, settings, seed)
    await workload.fill((key, value) => client.put(key, value), { signal, inFlight: 16 })
    workloads.set(valueBytes, workload)
  }
  const cases = points.map((point): ThroughputCase => {
    const { mode, inFlight, valueBytes } = point
    // The embedded peer's processor time is the requester's.
    const servers = belongings.pids.filter(pid => mode === 'direct' || pid !== embedded.pid)
    const load =
      mode === 'direct'
        ? directLoad(client, point, workloads.get(valueBytes)!)
        : embeddedLoad(embedded, { point, seed, settings })
    return { name: nameOf(point), point, inFlight, servers, load }
  })
  const measured = await measureInTurn(cases, { ...settings, signal, progress })
  progress('stopping')
  const done = complete(measured)
  const ratios = ratiosToFirst(done)
  return { results: done.map(resultOf), ratios, notes: problemsOf(measured), tables: [tableOf(done, ratios)] }
}

function directLoad(client: Client, point: Point, workload: Workload): Load {
  return loadOf(operationOf(client, point, workload))
}

function embeddedLoad(child: Child, request: Omit<EmbeddedRequest, 'durationMs'>): Load {
  return async ({ durationMs }) => {
    // What our own script answers with.
    const part = (await child.ask({ ...request, durationMs })) as EmbeddedPart
    return { ...part, latencies: decodeHistogram(part.latencies) }
  }
}

/** Of each case to the first one of the same mix. */
function ratiosToFirst(measured: ReadonlyArray<Measured<ThroughputCase>>): Ratios {
  return ratiosOf(
    measured.flatMap(({ case: one, measurement }) => {
      const first = measured.find(({ case: { point } }) => point.mix === one.point.mix)!
      if (first.case === one) return []
      return [[`${one.name}/${first.case.name}`, pairedRatio(measurement.rates, first.measurement.rates)]]
    })
  )
}

function tableOf(measured: ReadonlyArray<Measured<ThroughputCase>>, ratios: Ratios): Table {
  const rows = measured.map(one => {
    const ratio = Object.entries(ratios).find(([name]) => name.startsWith(`${one.case.name}/`))?.[1]
    return [one.case.name, ...cellsOf(resultOf(one)), ratio === undefined ? '' : `${ratio} x`]
  })
  return { title: 'throughput', head: ['', ...resultColumns, 'of the first'], rows }
}

await runBenchmark({
  name: 'throughput',
  usage: throughputUsage,
  readOptions: readThroughputOptions,
  maxRunMs: ({ settings, choice }) => overheadMs + patience * plannedMs(pointsOf(choice).length, settings),
  run
})
