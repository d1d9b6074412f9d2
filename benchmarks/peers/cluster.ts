/** The peers that are measured, each a process of its own with a folder of its own, and clients of theirs. */
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Client } from '../../src/api.ts'
import type { Belongings, Child } from '../harness/belongings.ts'
import { command, createClient } from './library.ts'

/** Between two looks at whether the ring has come to rest, in ms. */
const pollMs = 100

export interface ClusterInit {
  readonly peers: number
  readonly replicas: number
}

/** Starts the peers; resolves with their addresses when all are on the ring and nothing moves any more. */
export async function startCluster(
  belongings: Belongings,
  { peers, replicas }: ClusterInit,
  signal: AbortSignal
): Promise<string[]> {
  const start = (number: number, known: readonly string[]): Promise<string> =>
    startPeer(belongings, join(belongings.folder, String(number)), { replicas }, known).says('ready')
  const founder = await start(1, [])
  const joins = Array.from({ length: peers - 1 }, (_, i) => start(i + 2, [founder]))
  const addresses = [founder, ...(await Promise.all(joins))]
  await comesToRest(addresses, peers, signal)
  return addresses
}

/** Starts one more, which joins where addresses are known; it says `ready` and its address when it serves. */
export function startPeer(
  belongings: Belongings,
  data: string,
  { replicas }: Pick<ClusterInit, 'replicas'>,
  known: readonly string[]
): Child {
  return belongings.spawn(command, [
    'start',
    '--stop-with-parent',
    '--listen=/ip4/127.0.0.1/tcp/0',
    `--data=${data}`,
    `--replicas=${replicas}`,
    '--network=bench',
    ...known.map(address => `--join=${address}`)
  ])
}

/** Resolves when so many peers are on the ring and nothing moves any more. */
export async function comesToRest(
  addresses: readonly string[],
  peers: number,
  signal: AbortSignal
): Promise<void> {
  await using client = await connect(addresses, 'forward')
  for (;;) {
    const { members, transition } = await client.status({ signal })
    if (transition === null && members.filter(({ standing }) => standing === 'up').length === peers) return
    await sleep(pollMs, undefined, { signal })
  }
}

/** A client that closes when it is disposed of. */
export async function connect(
  peers: readonly string[],
  mode: 'direct' | 'forward'
): Promise<Client & AsyncDisposable> {
  const client = await createClient({ peers, mode, network: 'bench' })
  return Object.assign(client, { [Symbol.asyncDispose]: () => client.close() })
}
