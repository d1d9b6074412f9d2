/**
 * Prints what reconciling two stores in memory costs in bytes: `node --experimental-transform-types
 * scripts/reconcile-figures.ts [RECORDS]`, 1,000,000 records by default (then with --max-old-space-size=6000).
 */
import { change, type Cost, costOf, equalPair } from '../test/core/movement/session-figures.ts'

const count = Number(process.argv[2] ?? 1_000_000)

function print(what: string, { moved, recordBytes, otherBytes, requests }: Cost): void {
  const cells = [
    what.padEnd(22),
    ...[moved, recordBytes, otherBytes, requests].map(n => String(n).padStart(12))
  ]
  console.log(cells.join(''))
}

console.log(`two stores of ${count} records with values of 16 bytes`)
console.log('differing                    moved record bytes other bytes    requests')
const pair = await equalPair(count)
for (const [i, differing] of [0, 1, 10, 100, 1_000, 10_000].entries()) {
  await change(pair, differing, 2 + i)
  print(String(differing), await costOf(pair))
}
// One after the other: they take memory.
pair.a.clear([]).catch(console.error)
print('all: one side is empty', await costOf(pair))
