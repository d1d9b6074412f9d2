/** `npm run bench:latency`: what delays small gets: moving records, and large values. See README.md. */
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Client } from '../src/api.ts'
import { Belongings } from './harness/belongings.ts'
import { loadOf, newHistogram } from './harness/load.ts'
import { OpenLoop, type Recorder } from './harness/open-loop.ts'
import { pairedRatio, ratiosOf, rounded, type Ratios } from './harness/ratios.ts'
import type { Findings } from './harness/report.ts'
import { runBenchmark, type Session } from './harness/session.ts'
import type { Table } from './harness/tables.ts'
import { Workload } from './harness/workload.ts'
import { latencyUsage, readLatencyOptions, type LatencyOptions } from './latency/options.ts'
import { comesToRest, connect, startCluster, startPeer } from './peers/cluster.ts'

/** Between two looks at whether the ring changes, in ms; in all phases, so that it disturbs them alike. */
const pollMs = 100

/** A run may take so long, in ms: storing the records at a hundred a second, and minutes for each change. */
const maxRunMs = 3_600_000

const phases = ['rest', 'a peer starts', 'it joins', 'it leaves', 'large values'] as const
type Phase = (typeof phases)[number]

/** Its ratio to a rest is told by this name. */
const ratioNames: Readonly<Partial<Record<Phase, string>>> = {
  'it joins': 'p99-join/rest',
  'it leaves': 'p99-leave/rest',
  'large values': 'p99-large/rest'
}

/** What was recorded of a phase, one recorder for each round. */
type Recorded = Readonly<Record<Phase, Recorder[]>>

async function run(
  { settings, seed }: LatencyOptions,
  { signal, progress }: Session
): Promise<Findings & { tables: Table[] }> {
  const { records, rounds, perSecond, phaseMs } = settings
  await using belongings = new Belongings(signal)
  progress('starting')
  const addresses = await startCluster(belongings, settings, signal)
  await using client = await connect(addresses, 'direct')
  await using watcher = await connect(addresses, 'forward')
  progress(`storing ${records} records`)
  const workload = new Workload({ seed, keys: records, valueBytes: settings.valueBytes })
  await workload.fill((key, value) => client.put(key, value), { signal })
  const recorded: Recorded = {
    rest: [],
    'a peer starts': [],
    'it joins': [],
    'it leaves': [],
    'large values': []
  }
  const loop = new OpenLoop(() => client.get(workload.key()), { perSecond, signal })
  const enter = (phase: Phase): void => {
    progress(`round ${recorded[phase].length + 1} of ${rounds}: ${phase}`)
    const recorder = { latencies: newHistogram(), failures: 0 }
    recorded[phase].push(recorder)
    loop.record(recorder)
  }
  await sleep(phaseMs, undefined, { signal })
  for (let round = 1; round <= rounds; round++) {
    enter('rest')
    await watched(watcher, () => false, { forMs: phaseMs, signal })
    enter('a peer starts')
    const newcomer = startPeer(belongings, join(belongings.folder, `newcomer-${round}`), settings, addresses)
    await watched(watcher, isOpen => isOpen, { signal })
    enter('it joins')
    const peerId = (await newcomer.says('ready')).split('/').at(-1)!
    await comesToRest(addresses, settings.peers + 1, signal)
    enter('it leaves')
    await watcher.leave(peerId, { signal })
    await comesToRest(addresses, settings.peers, signal)
    loop.record(undefined)
    await newcomer.stop()
    enter('large values')
    const { largeBytes, largeInFlight } = settings
    await loadOf(
      largeOperation(client, new Workload({ seed, keys: 8, valueBytes: largeBytes, prefix: 'large' }))
    )({
      inFlight: largeInFlight,
      durationMs: phaseMs,
      signal
    })
    loop.record(undefined)
  }
  progress('stopping')
  await loop.stop()
  return findingsOf(recorded)
}

/** Puts and gets in turn. */
function largeOperation(client: Client, workload: Workload): () => Promise<unknown> {
  let count = 0
  return () => (count++ % 2 === 0 ? client.put(workload.key(), workload.value()) : client.get(workload.key()))
}

/** Looks whether the ring changes until that is what is waited for, or the time is over. */
async function watched(
  watcher: Client,
  isEnough: (isOpen: boolean) => boolean,
  { forMs = Infinity, signal }: { forMs?: number; signal: AbortSignal }
): Promise<void> {
  const endAt = performance.now() + forMs
  while (performance.now() < endAt) {
    const { transition } = await watcher.status({ signal })
    if (isEnough(transition !== null)) return
    await sleep(pollMs, undefined, { signal })
  }
}

function findingsOf(recorded: Recorded): Findings & { tables: Table[] } {
  const p99s = (phase: Phase): number[] =>
    recorded[phase].map(({ latencies }) => latencies.getValueAtPercentile(99))
  const ratioOf = (phase: Phase): number | undefined => pairedRatio(p99s(phase), p99s('rest'))
  const results = phases.map(phase => {
    const all = newHistogram()
    for (const { latencies } of recorded[phase]) all.add(latencies)
    const [p50Us, p99Us, p999Us] = [50, 99, 99.9].map(share => all.getValueAtPercentile(share)) as [
      number,
      number,
      number
    ]
    const failures = recorded[phase].reduce((sum, one) => sum + one.failures, 0)
    return { phase, gets: all.totalCount, p50Us, p99Us, p999Us, maxUs: all.maxValue, failures }
  })
  const ratios: Ratios = ratiosOf(
    phases.flatMap(phase => {
      const name = ratioNames[phase]
      return name === undefined ? [] : [[name, ratioOf(phase)] as const]
    })
  )
  const rows = results.map(({ phase, gets, p50Us, p99Us, p999Us, maxUs, failures }) => [
    phase,
    ...[gets, failures].map(String),
    ...[p50Us, p99Us, p999Us, maxUs].map(us => (us / 1000).toFixed(2)),
    phase === 'rest' ? '' : String(rounded(ratioOf(phase) ?? NaN))
  ])
  const head = ['while', 'gets', 'failed', 'p50 ms', 'p99 ms', 'p99.9 ms', 'longest ms', 'p99, of a rest']
  return { results, ratios, notes: [], tables: [{ title: 'small gets', head, rows }] }
}

await runBenchmark({
  name: 'latency',
  usage: latencyUsage,
  readOptions: readLatencyOptions,
  maxRunMs: () => maxRunMs,
  run
})
