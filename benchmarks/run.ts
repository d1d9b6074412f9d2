/** `npm run bench`: how fast peers answer, next to what their libp2p streams could do. See README.md. */
import { Belongings } from './harness/belongings.ts'
import { measureInTurn, type Measured } from './harness/measure.ts'
import { pairedRatio, ratiosOf, type Ratios } from './harness/ratios.ts'
import type { Findings } from './harness/report.ts'
import { cellsOf, complete, problemsOf, resultColumns, resultOf } from './harness/results.ts'
import { runBenchmark, type Session } from './harness/session.ts'
import type { Table } from './harness/tables.ts'
import { Workload } from './harness/workload.ts'
import { peersCases, select, type PeersCase } from './peers/cases.ts'
import { connect, startCluster } from './peers/cluster.ts'
import { peersUsage, readPeersOptions, type PeersOptions } from './peers/options.ts'
import { RawStreams } from './raw/raw-streams.ts'

const maxRunMs = 175_000

async function run(
  { settings, seed, only }: PeersOptions,
  { signal, progress }: Session
): Promise<Findings & { tables: Table[] }> {
  const { peers, replicas, inFlight } = settings
  await using belongings = new Belongings(signal)
  progress('starting')
  await using raw = await RawStreams.open(belongings, peers)
  const rawPids = belongings.pids
  const addresses = await startCluster(belongings, settings, signal)
  const peerPids = belongings.pids.filter(pid => !rawPids.includes(pid))
  await using direct = await connect(addresses, 'direct')
  await using forward = await connect(addresses, 'forward')
  progress(`storing ${settings.keys} keys`)
  const workload = new Workload({ seed, ...settings })
  await workload.fill((key, value) => direct.put(key, value), { signal })
  const clients = Object.entries({ direct, forward })
  const cases = peersCases({ raw, rawPids, clients, peerPids, workload, replicas, inFlight })
  const measured = await measureInTurn(select(cases, only), { ...settings, signal, progress })
  progress('stopping')
  const done = complete(measured)
  const ratios = ratiosOfRaw(done)
  return {
    results: done.map(resultOf),
    ratios,
    notes: problemsOf(measured),
    tables: inFlight.map(count => tableOf(count, done, ratios))
  }
}

/** Of each case over the raw streams with the same messages, by name and number in flight. */
function ratiosOfRaw(measured: ReadonlyArray<Measured<PeersCase>>): Ratios {
  return ratiosOf(
    measured.flatMap(({ case: one, measurement }) => {
      const floor = measured.find(
        ({ case: { name, inFlight } }) => name === one.floor && inFlight === one.inFlight
      )
      if (floor === undefined) return []
      return [[ratioName(one), pairedRatio(measurement.rates, floor.measurement.rates)] as const]
    })
  )
}

function ratioName({ ratio = '', inFlight }: PeersCase): string {
  return `${ratio}/${inFlight}`
}

function tableOf(count: number, measured: ReadonlyArray<Measured<PeersCase>>, ratios: Ratios): Table {
  const rows = measured
    .filter(({ case: { inFlight } }) => inFlight === count)
    .map(one => {
      const ratio = ratios[ratioName(one.case)]
      const share = ratio === undefined ? '' : `${Math.round(ratio * 100)} %`
      return [one.case.name, ...cellsOf(resultOf(one)), share]
    })
  return { title: `${count} in flight`, head: ['', ...resultColumns, 'of raw'], rows }
}

await runBenchmark({
  name: 'peers',
  usage: peersUsage,
  readOptions: readPeersOptions,
  maxRunMs: () => maxRunMs,
  run
})
