/** `npm run bench:compare`: Annulus beside what people would take instead. See README.md. */
import type { Client } from '../src/api.ts'
import { prepare, type CompareCase } from './compare/contestant.ts'
import { compareUsage, readCompareOptions, type CompareOptions } from './compare/options.ts'
import { compareRatios, compareTables, pairResult, type Pair } from './compare/results.ts'
import { KeyMissingError, operations, type RunningSystem, type System } from './compare/system.ts'
import { etcd } from './compare/systems/etcd.ts'
import { hyperdht, hyperdhtImmutable } from './compare/systems/hyperdht.ts'
import { kadDht } from './compare/systems/kad-dht.ts'
import { raw } from './compare/systems/raw.ts'
import { redis, redisDurable } from './compare/systems/redis.ts'
import { Belongings } from './harness/belongings.ts'
import { measureInTurn } from './harness/measure.ts'
import type { Findings } from './harness/report.ts'
import { complete, problemsOf } from './harness/results.ts'
import { runBenchmark, type Session } from './harness/session.ts'
import type { Table } from './harness/tables.ts'
import { connect, startCluster } from './peers/cluster.ts'

const systems: readonly System[] = [raw, kadDht, hyperdht, hyperdhtImmutable, etcd, redis, redisDurable]

/** Starting, storing, trying and stopping take a system so long at most, in ms, besides what is measured. */
const overheadMs = 90_000

async function run(
  { settings, seed, only }: CompareOptions,
  session: Session
): Promise<Findings & { tables: Table[] }> {
  const { signal, progress } = session
  await using belongings = new Belongings(signal)
  progress('starting Annulus')
  const addresses = await startCluster(belongings, settings, signal)
  await using client = await connect(addresses, 'direct')
  const common = { settings, seed, signal, progress }
  const annulus = await prepare({
    name: 'annulus',
    system: annulusThrough(client),
    servers: belongings.pids,
    ...common
  })
  const pairs: Pair[] = []
  const notes: string[] = []
  for (const system of systems.filter(({ name }) => name.includes(only))) {
    const missing = system.missing()
    if (missing !== undefined) {
      notes.push(`${system.name} is left out: ${missing}`)
      continue
    }
    try {
      const found = await compareWith(system, annulus, common)
      pairs.push(...found.pairs)
      notes.push(...found.notes)
    } catch (error) {
      signal.throwIfAborted()
      notes.push(`${system.name} failed: ${error instanceof Error ? error.message : String(error)}`)
    }
  }
  return {
    results: pairs.map(pairResult),
    ratios: compareRatios(pairs),
    notes,
    tables: compareTables(pairs)
  }
}

/** Only one other system runs at a time: what is idle takes processor time too. */
async function compareWith(
  system: System,
  annulus: readonly CompareCase[],
  common: Pick<CompareOptions, 'settings' | 'seed'> & Session
): Promise<{ pairs: Pair[]; notes: string[] }> {
  const { settings, signal, progress } = common
  const { replicas, inFlight } = settings
  await using belongings = new Belongings(signal)
  progress(`${system.name}: starting`)
  const maxInFlight = Math.max(...inFlight)
  await using running = await system.start({ belongings, signal, replicas, maxInFlight })
  const servers = belongings.pids
  const others = await prepare({ name: system.name, system: running, servers, ...common })
  const inTurn = operations.flatMap(operation => [
    ofOperation(annulus, operation),
    ofOperation(others, operation)
  ])
  const measured = await measureInTurn(inTurn, { ...settings, signal, progress })
  const done = complete(measured)
  const pairs = operations.flatMap(operation => {
    const [first, second] = done.filter(({ case: one }) => one.operation === operation)
    return first === undefined || second === undefined
      ? []
      : [{ system, operation, annulus: first, other: second }]
  })
  return { pairs, notes: problemsOf(measured) }
}

function ofOperation(cases: readonly CompareCase[], operation: string): CompareCase {
  return cases.find(one => one.operation === operation)!
}

function annulusThrough(client: Client): Omit<RunningSystem, typeof Symbol.asyncDispose> {
  return {
    put: (key, value) => client.put(key, value),
    get: async key => {
      if ((await client.get(key)) === undefined) throw new KeyMissingError(key)
    }
  }
}

await runBenchmark({
  name: 'compare',
  usage: compareUsage,
  readOptions: readCompareOptions,
  maxRunMs: ({ settings: { measureMs, rounds, warmUpMs } }) =>
    (systems.length + 1) * overheadMs + systems.length * 4 * (measureMs + rounds * warmUpMs),
  run
})
