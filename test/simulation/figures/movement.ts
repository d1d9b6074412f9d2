/** `npm run movement`: measures what docs/movement.md tells of, and prints its tables in Markdown. */
import { parseArgs } from 'node:util'
import { atRest } from './at-rest.ts'
import { moved, type Moved } from './moved.ts'

const { values } = parseArgs({
  options: { seed: { type: 'string', default: '1' }, records: { type: 'string', default: '4000' } }
})
const seed = Number(values.seed)
const records = Number(values.records)

/** From one put to the next in the rows with a load, in ms. */
const lightLoadMs = 50

/** Where nothing moves, their number hardly matters. */
const recordsAtRest = 10_000

/** A transition lasts some seconds so. */
const bytesPerSecond = 1024 * 1024

row(
  'Change',
  'Took',
  'Load',
  'Least copies',
  'Least bytes',
  'Sent bytes',
  'Sent / least',
  'To others',
  'Not records'
)
row(...Array.from({ length: 9 }, () => '---'))
for (const peers of [3, 5, 10, 20]) await change(peers)
await change(5, lightLoadMs)

console.log('')
row('Peers', 'Comparing', 'The most at one peer', 'Sessions of a peer', 'All else')
row(...Array.from({ length: 5 }, () => '---'))
for (const peers of [5, 10, 50]) await rest(peers)

async function change(peers: number, putEveryMs?: number): Promise<void> {
  const { join, leave } = await moved({
    seed,
    peers,
    records,
    bytesPerSecond,
    ...(putEveryMs === undefined ? {} : { putEveryMs })
  })
  print(`${peers} to ${peers + 1}`, join)
  print(`${peers + 1} to ${peers}`, leave)
}

async function rest(peers: number): Promise<void> {
  const { reconciling, sessions, others } = await atRest({ seed, peers, records: recordsAtRest })
  const [mean, most, rest] = [reconciling.mean, reconciling.most, others].map(
    rate => `${rate.toFixed(0)} B/s`
  )
  row(peers, mean!, most!, `${sessions.toFixed(0)} a minute`, rest!)
}

function print(
  name: string,
  { puts, tookMs, leastCopies, leastBytes, sentBytes, strayBytes, otherBytes }: Moved
): void {
  const ratio = (sentBytes / leastBytes).toFixed(4)
  const load = puts === 0 ? 'none' : `${puts} puts`
  row(
    name,
    `${(tookMs / 1_000).toFixed(1)} s`,
    load,
    leastCopies,
    ...[leastBytes, sentBytes].map(inThousands),
    ratio,
    inThousands(strayBytes),
    inThousands(otherBytes)
  )
}

function inThousands(count: number): string {
  return count.toLocaleString('en-GB')
}

function row(...cells: ReadonlyArray<string | number>): void {
  console.log(`| ${cells.join(' | ')} |`)
}
