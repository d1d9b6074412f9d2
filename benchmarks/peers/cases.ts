/** What `npm run bench` measures: the raw streams, and puts and gets by both kinds of client. */
import type { Client } from '../../src/api.ts'
import { loadOf } from '../harness/load.ts'
import type { Case } from '../harness/measure.ts'
import type { Workload } from '../harness/workload.ts'
import type { RawStreams } from '../raw/raw-streams.ts'

export interface PeersCase extends Case {
  /** The case that sends the same messages over raw streams; left out by those themselves. */
  readonly floor?: string
  /** Its name in `ratios`, before the number in flight. */
  readonly ratio?: string
}

/** How many take part in a round of a get, and in the second one of a put where nothing fails. */
export interface Rounds {
  readonly quorum: number
  readonly replicas: number
}

export function roundsOf(replicas: number): Rounds {
  return { quorum: Math.floor(replicas / 2) + 1, replicas }
}

/** Asks a quorum, as a get does. */
export function rawGet(raw: RawStreams, { quorum }: Rounds): () => Promise<unknown> {
  return () => raw.round({ to: quorum })
}

/** Asks a quorum, sends to all replicas, and is done when a quorum has it on disk, as a put does. */
export function rawPut(raw: RawStreams, { quorum, replicas }: Rounds): () => Promise<unknown> {
  return async () => {
    await raw.round({ to: quorum })
    await raw.round({ to: replicas, need: quorum, toDisk: true })
  }
}

export function clientGet(client: Pick<Client, 'get'>, workload: Workload): () => Promise<unknown> {
  return async () => {
    const key = workload.key()
    if ((await client.get(key)) === undefined) throw new Error(`${key} is not there`)
  }
}

export function clientPut(client: Pick<Client, 'put'>, workload: Workload): () => Promise<unknown> {
  return () => client.put(workload.key(), workload.value())
}

export interface PeersCasesInit {
  readonly raw: RawStreams
  readonly rawPids: readonly number[]
  readonly clients: ReadonlyArray<readonly [name: string, client: Client]>
  readonly peerPids: readonly number[]
  readonly workload: Workload
  readonly replicas: number
  readonly inFlight: readonly number[]
}

export function peersCases(init: PeersCasesInit): PeersCase[] {
  const { raw, rawPids, clients, peerPids, workload, replicas } = init
  const rounds = roundsOf(replicas)
  const { quorum } = rounds
  const getFloor = `raw: to ${quorum} at once`
  const putFloor = `raw: to ${quorum}, then ${replicas} to disk`
  const rows: Array<Omit<PeersCase, 'inFlight' | 'load'> & { operation: () => Promise<unknown> }> = [
    { name: 'raw: to one process', servers: rawPids, operation: () => raw.toOne() },
    { name: getFloor, servers: rawPids, operation: rawGet(raw, rounds) },
    {
      name: `raw: to ${quorum}, then ${replicas}`,
      servers: rawPids,
      operation: async () => {
        await raw.round({ to: quorum })
        await raw.round({ to: replicas, need: quorum })
      }
    },
    { name: putFloor, servers: rawPids, operation: rawPut(raw, rounds) }
  ]
  for (const [name, client] of clients) {
    const get = clientGet(client, workload)
    const put = clientPut(client, workload)
    rows.push(
      { name: `get, ${name}`, floor: getFloor, ratio: `get/raw/${name}`, servers: peerPids, operation: get },
      { name: `put, ${name}`, floor: putFloor, ratio: `put/raw/${name}`, servers: peerPids, operation: put }
    )
  }
  return init.inFlight.flatMap(inFlight =>
    rows.map(({ operation, ...row }) => ({ ...row, inFlight, load: loadOf(operation) }))
  )
}

/** Cases by name that match, and the floors of these. */
export function select(cases: readonly PeersCase[], only: string): PeersCase[] {
  const floors = new Set(cases.filter(({ name }) => name.includes(only)).map(({ floor }) => floor))
  return cases.filter(({ name }) => name.includes(only) || floors.has(name))
}
