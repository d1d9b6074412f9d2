/**
 * The sweep in the simulator: whole peers in virtual time, as many as a thousand, with the schedule, the record and
 * the judge of `annulus churn`. Prints a table in Markdown.
 */
import { parseArgs } from 'node:util'
import { AnnulusError } from '../../src/core/errors.ts'
import { maxMembers } from '../../src/core/limits.ts'
import { churnInSimulator, type SimulatedChurn } from './simulation.ts'

const { values } = parseArgs({
  options: {
    peers: { type: 'string', default: '30' },
    medians: { type: 'string', default: '60,30,15,7,3,1.4' },
    minutes: { type: 'string', default: '5' },
    'remove-after': { type: 'string', default: '20' },
    'return-share': { type: 'string', default: '0.5' },
    rate: { type: 'string', default: '20' },
    seed: { type: 'string', default: '1' }
  }
})

const peers = inRange('--peers', values.peers, [2, maxMembers])
const minutes = inRange('--minutes', values.minutes, [0.1, 600])
const removeAfterMs = inRange('--remove-after', values['remove-after'], [1, 86_400]) * 1_000
const returnShare = inRange('--return-share', values['return-share'], [0, 1])
const rate = inRange('--rate', values.rate, [1, 1_000])
const seed = inRange('--seed', values.seed, [0, 0xffff_ffff])

const columns = [
  'Median, min',
  'Events',
  'Gets',
  'Gets failed',
  'No quorum',
  'Puts',
  'Puts failed',
  'Wrong',
  'Read back',
  'Epochs',
  'Real s'
]
row(columns)
row(columns.map(() => '---'))
let isWrong = false
for (const median of values.medians.split(',')) {
  const medianMs = inRange('--medians', median, [0.1, 10_000]) * 60_000
  const began = performance.now()
  const init = { seed, peers, medianMs, durationMs: minutes * 60_000, removeAfterMs, returnShare, rate }
  const shown = await churnInSimulator(init)
  print(median, shown, performance.now() - began)
  isWrong ||= shown.wrong.length > 0
}
if (isWrong) process.exitCode = 1

function print(
  median: string,
  { events, gets, puts, wrong, readBack, keys, epochs }: SimulatedChurn,
  tookMs: number
): void {
  const failed = [gets.failed, gets.lackedQuorum]
  const cells = [
    median,
    events,
    gets.called,
    ...failed,
    puts.called,
    puts.failed,
    wrong.length,
    `${readBack} of ${keys}`
  ]
  row([...cells, epochs, (tookMs / 1_000).toFixed(0)])
  for (const { what, subject } of wrong.slice(0, 5)) console.log(`\nWRONG, ${subject}: ${what}\n`)
}

function row(cells: ReadonlyArray<string | number>): void {
  console.log(`| ${cells.join(' | ')} |`)
}

function inRange(flag: string, text: string, [least, most]: readonly [number, number]): number {
  const value = Number(text)
  if (value >= least && value <= most) return value
  throw new AnnulusError('ERR_INVALID', `${flag} takes ${least} to ${most}, not ${text}`)
}
