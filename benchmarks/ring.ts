/** `npm run bench:ring`: what lookups and changes cost, how even the ring is, how much moves. See README.md. */
import { parseArgs } from 'node:util'
import { commonFlags, commonOf, commonUsage, wholeNumbers, type CommonOptions } from './harness/options.ts'
import { median, pairedRatio, ratiosOf, type Ratios } from './harness/ratios.ts'
import type { Findings } from './harness/report.ts'
import { runBenchmark, type Session } from './harness/session.ts'
import type { Table } from './harness/tables.ts'
import { balanceOfKeys, balanceOfShares, fullest } from './ring/balance.ts'
import { annulus, copies, otherContenders } from './ring/contenders.ts'
import { costs, type RingCost } from './ring/cost.ts'
import { keysOf, vnodesByDefault } from './ring/made-up.ts'
import { movement } from './ring/movement.ts'
import { balanceTables, costTable, movementTable } from './ring/tables.ts'

const usage = `Usage: npm run bench:ring -- [options]

  --peers L        sizes of the ring, default 10,100,1000,10000
${commonUsage}`

const maxPeers = 10_000
/** More than fit in a processor's cache together with what they touch of the ring. */
const keyCount = 100_000
/** Of a larger ring too few of these keys would change hands to tell. */
const maxPeersMoved = 100
const movedKeyCount = 20_000
const chordKeyCount = 1_000_000
const maxRunMs = 400_000

interface RingOptions extends CommonOptions {
  readonly settings: {
    readonly peers: readonly number[]
    readonly vnodes: number
    readonly copies: number
    readonly keys: number
  }
}

function readOptions(args: readonly string[]): RingOptions | undefined {
  const { values } = parseArgs({
    args: [...args],
    options: { ...commonFlags, peers: { type: 'string', default: '10,100,1000,10000' } }
  })
  if (values.help) return undefined
  const peers = wholeNumbers('--peers', values.peers, { from: 4, to: maxPeers })
  return { ...commonOf(values), settings: { peers, vnodes: vnodesByDefault, copies, keys: keyCount } }
}

/** What costs processor time is not interrupted, so between the steps there are turns of the event loop. */
async function run(
  { settings: { peers }, seed, only }: RingOptions,
  { signal, progress }: Session
): Promise<Findings & { tables: Table[] }> {
  const { contenders, notes } = await otherContenders()
  const all = [annulus, ...contenders]
  const step = async <T>(what: string, compute: () => T): Promise<T[]> => {
    if (!what.includes(only)) return []
    progress(what)
    await new Promise(setImmediate)
    signal.throwIfAborted()
    return [compute()]
  }
  const keys = keysOf(keyCount, seed)
  const cost: RingCost[] = []
  for (const size of peers) {
    const able = all.filter(contender => contender.maxPeers >= size)
    cost.push(...(await step(`cost of ${size} peers`, () => costs(able, size, keys))).flat())
  }
  const moved = []
  for (const size of peers.filter(size => size <= maxPeersMoved)) {
    for (const one of all.filter(contender => contender.maxPeers > size)) {
      moved.push(
        ...(await step(`movement to ${size} peers`, () => movement(one, size, keys.slice(0, movedKeyCount))))
      )
    }
  }
  const shares = (await step('balance of shares', balanceOfShares)).flat()
  const chord = (await step('balance of keys', () => balanceOfKeys(chordKeyCount))).flat()
  const most = await step('balance of 10 and 50 peers', () =>
    [10, 50].map(size => ({ peers: size, ...fullest(size, copies) }))
  )
  return {
    results: [{ cost, moved, shares, chord, fullest: most.flat() }],
    ratios: ratiosToOthers(cost),
    notes,
    tables: [
      ...costTable(cost),
      ...movementTable(moved),
      ...balanceTables({ shares, chord, fullest: most.flat() })
    ]
  }
}

/** For example "lookup/hashring/100": so many times as many lookups; "join/...": so many times as fast a join. */
function ratiosToOthers(cost: readonly RingCost[]): Ratios {
  return ratiosOf(
    cost
      .filter(({ name }) => name !== annulus.name)
      .flatMap(other => {
        const ours = cost.find(({ name, peers }) => name === annulus.name && peers === other.peers)!
        const joins = median(other.joins.map((ms, i) => ms / ours.joins[i]!))
        return [
          [`lookup/${other.name}/${other.peers}`, pairedRatio(ours.rates, other.rates)],
          [`join/${other.name}/${other.peers}`, joins]
        ] as const
      })
  )
}

await runBenchmark({ name: 'ring', usage, readOptions, maxRunMs: () => maxRunMs, run })
