/** `npm run figures`: measures what docs/liveness.md tells of, at all sizes, and prints its tables in Markdown. */
import { parseArgs } from 'node:util'
import { falsePositives, lifeguardParts } from './false-suspicions.ts'
import {
  firstDetection,
  firstFailedPing,
  periodsAtRandom,
  periodsInRounds,
  timeInRounds
} from './first-detection.ts'
import { bytesAtRest, bytesUnderChurn, deaths } from './gossip.ts'
import { spread } from './log-spread.ts'
import { shown, type Sampled } from './statistics.ts'

const { values } = parseArgs({
  options: { seed: { type: 'string', default: '1' }, only: { type: 'string' } }
})
const seed = Number(values.seed)

const tables: Readonly<Record<string, () => Promise<void>>> = {
  detection: detectionTable,
  lifeguard: lifeguardTable,
  gossip: gossipTable,
  deaths: deathTable,
  log: logTable
}

async function detectionTable(): Promise<void> {
  heading('Peers', 'At random', 'In rounds', 'Measured', 'As time, in rounds', 'Measured')
  for (const [peers, moments, failuresAtOnce] of [
    [5, 1_000, 3],
    [10, 1_000, 3],
    [50, 100, 20],
    [100, 50, 30]
  ] as const) {
    const { periods, sentMs } = await firstDetection({ seed, peers, moments, failuresAtOnce })
    const analysis = [periodsAtRandom(peers), periodsInRounds(peers)].map(mean => mean.toFixed(2))
    row(peers, ...analysis, shown(periods), `${timeInRounds(peers).toFixed(2)} s`, seconds(sentMs))
  }
  for (const how of ['vanished', 'killed'] as const) {
    const failedMs = await firstFailedPing({ seed, peers: 10, samples: 300, how })
    console.log(`\nFirst failed ping of one of 10 that ${how}: ${seconds(failedMs)}`)
  }
}

async function lifeguardTable(): Promise<void> {
  heading('Slow peers', 'Detector', 'False positives at all', 'At healthy peers')
  for (const how of ['blocked', 'stopped'] as const) {
    for (const [name, config] of Object.entries(lifeguardParts)) {
      const figures = { all: 0, atHealthy: 0 }
      for (let run = 0; run < 5; run++) {
        const slow = { seed: seed + run, peers: 20, slowMs: 16_384, wellMs: 1_024, how, config }
        const { all, atHealthy } = await falsePositives(slow)
        figures.all += all
        figures.atHealthy += atHealthy
      }
      row(how, name, figures.all, figures.atHealthy)
    }
  }
}

async function gossipTable(): Promise<void> {
  heading('Peers', 'At rest', 'One death and one return in 10 s')
  for (const peers of [10, 100, 1_000]) {
    const rest = await bytesAtRest({ seed, peers })
    const churn = await bytesUnderChurn({ seed, peers, deaths: 6 })
    row(peers, `${rest.toFixed(0)} B/s`, `${churn.toFixed(0)} B/s`)
  }
}

async function deathTable(): Promise<void> {
  heading(
    'Peers',
    'Died by',
    'Deaths',
    'First suspicion',
    'First to hold it down',
    'All hold it down',
    'Longest'
  )
  for (const [peers, samples] of [
    [10, 20],
    [100, 8],
    [1_000, 3]
  ] as const) {
    for (const how of ['killed', 'vanished'] as const) {
      const { suspectedMs, firstDownMs, allDownMs } = await deaths({ seed, peers, samples, how })
      const means = [suspectedMs, firstDownMs, allDownMs].map(seconds)
      row(peers, how, samples, ...means, `${(allDownMs.max / 1_000).toFixed(2)} s`)
    }
  }
}

async function logTable(): Promise<void> {
  heading('Members', 'Spread by', 'Entries', 'Until all know', 'Longest')
  // Every second entry lets a peer join, and 1,000 members are the limit.
  for (const [peers, samples] of [
    [10, 20],
    [100, 10],
    [998, 4]
  ] as const) {
    for (const by of ['told', 'pings'] as const) {
      const known = await spread({ seed, peers, samples, by })
      row(peers, by, samples, seconds(known, 3), `${(known.max / 1_000).toFixed(3)} s`)
    }
  }
}

function seconds({ samples, mean, error, max }: Sampled, digits = 2): string {
  return `${shown({ samples, mean: mean / 1_000, error: error / 1_000, max }, digits)} s`
}

function heading(...cells: readonly string[]): void {
  console.log('')
  row(...cells)
  row(...cells.map(() => '---'))
}

function row(...cells: ReadonlyArray<string | number>): void {
  console.log(`| ${cells.join(' | ')} |`)
}

for (const [name, print] of Object.entries(tables)) {
  if (values.only === undefined || values.only.split(',').includes(name)) await print()
}
