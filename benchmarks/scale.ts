/** `npm run bench:scale`: what peers, messages and changes cost as a cluster grows. See README.md. */
import { parseArgs } from 'node:util'
import { commonFlags, commonOf, commonUsage, wholeNumbers, type CommonOptions } from './harness/options.ts'
import { ratiosOf, type Ratios } from './harness/ratios.ts'
import type { Findings } from './harness/report.ts'
import { runBenchmark, type Session } from './harness/session.ts'
import type { Table } from './harness/tables.ts'
import { changeCost, type ChangeCost } from './scale/change.ts'
import { scaleOf, simulatedVnodes, type Scale } from './scale/peers.ts'
import { changeTable, peersTable } from './scale/tables.ts'
import { vnodesByDefault } from './ring/made-up.ts'

const usage = `Usage: npm run bench:scale -- [options]

  --peers L        peers that are simulated, default 10,100,1000
  --ring L         members whose ring is changed, default 10,100,1000,10000
${commonUsage}`

/** Whole peers are in one process. */
const maxPeers = 1_000
const maxMembers = 10_000
/** A thousand peers take minutes of processor time, and more where the machine is shared. */
const maxRunMs = 4 * 3_600_000

interface ScaleOptions extends CommonOptions {
  readonly settings: {
    readonly peers: readonly number[]
    readonly simulatedVnodes: number
    readonly ring: readonly number[]
    readonly vnodes: number
  }
}

function readOptions(args: readonly string[]): ScaleOptions | undefined {
  const { values } = parseArgs({
    args: [...args],
    options: {
      ...commonFlags,
      peers: { type: 'string', default: '10,100,1000' },
      ring: { type: 'string', default: '10,100,1000,10000' }
    }
  })
  if (values.help) return undefined
  const peers = wholeNumbers('--peers', values.peers, { from: 4, to: maxPeers })
  const ring = wholeNumbers('--ring', values.ring, { from: 4, to: maxMembers })
  return { ...commonOf(values), settings: { peers, simulatedVnodes, ring, vnodes: vnodesByDefault } }
}

async function run(
  { settings, seed, only }: ScaleOptions,
  { signal, progress }: Session
): Promise<Findings & { tables: Table[] }> {
  const step = async <T>(what: string, measure: () => T | Promise<T>): Promise<T[]> => {
    if (!what.includes(only)) return []
    progress(what)
    await new Promise(setImmediate)
    signal.throwIfAborted()
    return [await measure()]
  }
  const changes: ChangeCost[] = []
  for (const members of settings.ring)
    changes.push(...(await step(`the ring of ${members} members`, () => changeCost(members))))
  const scales: Scale[] = []
  for (const peers of settings.peers)
    scales.push(...(await step(`${peers} peers`, () => scaleOf({ peers, seed, signal }))))
  const hasCollector = globalThis.gc !== undefined
  return {
    results: [{ scales, changes }],
    ratios: ratiosToSmallest(scales),
    notes: hasCollector ? [] : ['without --expose-gc memory was measured with what was not collected yet'],
    tables: [...peersTable(scales), ...changeTable(changes)]
  }
}

/** For example "gossip/1000": so many times the bytes per second and peer that the smallest cluster has. */
function ratiosToSmallest(scales: readonly Scale[]): Ratios {
  const [smallest, ...larger] = scales
  if (smallest === undefined) return {}
  return ratiosOf(
    larger.flatMap(scale => [
      [`gossip/${scale.peers}`, scale.gossipBytes / smallest.gossipBytes] as const,
      [`memory/${scale.peers}`, scale.memoryBytes / smallest.memoryBytes] as const,
      [`known/${scale.peers}`, scale.openedMs / smallest.openedMs] as const
    ])
  )
}

await runBenchmark({ name: 'scale', usage, readOptions, maxRunMs: () => maxRunMs, run })
