/** What is measured: the raw streams, and puts and gets by both kinds of client. */
import { randomBytes } from 'node:crypto'
import type { Client } from '../src/api.ts'
import { loop, Measurement } from './load.ts'
import type { Settings } from './options.ts'
import type { RawStreams } from './raw-streams.ts'

export interface Case {
  readonly name: string
  /** The name of the case that sends the same messages over raw streams; left out by those themselves. */
  readonly floor?: string
  readonly operation: () => Promise<unknown>
}

/** Random bytes from which values are cut, so that making one costs nothing that counts. */
const randomPool = randomBytes(1024 * 1024)

/** The rounds of a get and of a put where nothing fails: to a quorum, and then to all replicas. */
export function rawCases(raw: RawStreams, { replicas }: Settings): Case[] {
  const quorum = Math.floor(replicas / 2) + 1
  return [
    { name: 'raw: to one process', operation: () => raw.toOne() },
    { name: `raw: to ${quorum} at once`, operation: () => raw.toSome(quorum) },
    { name: `raw: to ${replicas} at once`, operation: () => raw.toSome(replicas) },
    {
      name: `raw: to ${quorum}, then ${replicas}`,
      operation: async () => {
        await raw.toSome(quorum)
        await raw.toSome(replicas)
      }
    }
  ]
}

export function clientCases(name: string, client: Client, settings: Settings): Case[] {
  const { replicas } = settings
  const quorum = Math.floor(replicas / 2) + 1
  return [
    {
      name: `get, ${name}`,
      floor: `raw: to ${quorum} at once`,
      operation: async () => {
        const key = randomKey(settings)
        if ((await client.get(key)) === undefined) throw new Error(`${key} is not there`)
      }
    },
    {
      name: `put, ${name}`,
      floor: `raw: to ${quorum}, then ${replicas}`,
      operation: () => client.put(randomKey(settings), randomValue(settings))
    }
  ]
}

/** Puts every key once. */
export async function fill(client: Client, settings: Settings, signal: AbortSignal): Promise<void> {
  const keys = Array.from({ length: settings.keys }, (_, index) => keyOf(index)).values()
  const putNext = async (): Promise<void> => {
    for (const key of keys) await client.put(key, randomValue(settings), { signal })
  }
  await Promise.all(Array.from({ length: 64 }, putNext))
}

/** Cases by name that match, and the floors of these. */
export function select(cases: readonly Case[], only: string): Case[] {
  const floors = new Set(cases.filter(({ name }) => name.includes(only)).map(({ floor }) => floor))
  return cases.filter(({ name }) => name.includes(only) || floors.has(name))
}

export interface Result {
  readonly case: Case
  readonly inFlight: number
  readonly measurement: Measurement
}

export interface MeasureInit {
  /** Ids of the processes that serve. */
  readonly pids: readonly number[]
  readonly settings: Settings
  readonly signal: AbortSignal
  readonly progress: (what: string) => void
}

/** Measures all cases in turn, and that several times over. */
export async function measure(
  cases: readonly Case[],
  { pids, settings, signal, progress }: MeasureInit
): Promise<Result[]> {
  const { inFlight, rounds, warmUpMs, measureMs, firstWarmUpMs } = settings
  for (const { name, operation } of cases) {
    progress(`warming up: ${name}`)
    await loop(operation, { inFlight: Math.max(...inFlight), durationMs: firstWarmUpMs, signal })
  }
  const results = inFlight.flatMap(count =>
    cases.map(one => ({ case: one, inFlight: count, measurement: new Measurement(pids) }))
  )
  for (let round = 1; round <= rounds; round++) {
    for (const result of results) {
      progress(`round ${round} of ${rounds}: ${result.case.name}, ${result.inFlight} in flight`)
      await result.measurement.add(result.case.operation, {
        inFlight: result.inFlight,
        warmUpMs,
        measureMs: measureMs / rounds,
        signal
      })
    }
  }
  return results
}

function keyOf(index: number): string {
  return `key ${index}`
}

function randomKey({ keys }: Settings): string {
  return keyOf(Math.floor(Math.random() * keys))
}

function randomValue({ valueBytes }: Settings): Uint8Array {
  const start = Math.floor(Math.random() * (randomPool.length - valueBytes))
  return randomPool.subarray(start, start + valueBytes)
}
