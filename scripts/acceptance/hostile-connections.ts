/**
 * A thousand connections misbehave against one of three peers (attackers.ts), which have one core of the machine, as the
 * attackers have another: honest gets go on, none of them is wrong, and the 99th percentile of their latency stays
 * within three times what it was. On one core, or without `taskset`, all share what there is.
 */
import { execFile, fork, type ChildProcess } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { promisify } from 'node:util'
import { startPeers } from '../../test/support/peers.ts'
import { createClient } from './library.ts'
import { expect, seen } from './report.ts'

type Client = Awaited<ReturnType<typeof createClient>>

const keys = Array.from({ length: 200 }, (_, i) => `key ${i}`)

/** A value whose answers fill what is kept for a reader that does not read. */
const largeKey = 'large'
const largeBytes = 256 * 1024

/** Gets under way at once. */
const inFlight = 4

/** Seconds of gets without attackers and with them; and before, in which code is compiled and attackers all come. */
const measuredSeconds = 20
const warmSeconds = 5

/** How many times slower the slowest hundredth may be. */
const most = 3

export async function hostileConnections(folder: string): Promise<void> {
  const peers = await startPeers(folder, 3)
  const client = await createClient({ peers: peers.map(({ address }) => address) })
  for (const key of keys) await client.put(key, Buffer.from(`value of ${key}`))
  await client.put(largeKey, Buffer.alloc(largeBytes))
  const { clusterId } = await client.status()
  const pids = [process.pid, ...peers.map(({ running }) => running.pid)]
  const arePinned = availableParallelism() > 1 && (await pin(pids, 0))
  seen(arePinned ? 'the cluster has one core, and attackers another' : 'all share the cores')
  await measure(client, warmSeconds)
  const before = await measure(client, measuredSeconds)
  seen(`without attackers: ${describe(before)}`)
  const attackers = fork(new URL('attackers.ts', import.meta.url), [peers[0]!.address, clusterId, largeKey])
  try {
    if (arePinned) await pin([attackers.pid!], 1)
    const opened = countOf(attackers)
    await measure(client, warmSeconds)
    const during = await measure(client, measuredSeconds)
    seen(`with attackers, who have opened ${opened()} connections: ${describe(during)}`)
    expect(during.failed === 0, 'no get fails')
    const ratio = during.p99Ms / before.p99Ms
    expect(ratio <= most, `the 99th percentile stays within ${most} times: ${ratio.toFixed(2)}`)
    seen(`the 99th percentile is ${ratio.toFixed(2)} times what it was`)
  } finally {
    attackers.kill('SIGKILL')
  }
  await client.close()
  const ends = await Promise.all(peers.map(peer => peer.end('SIGTERM')))
  expect(
    ends.every(({ code }) => code === 0),
    'the peers stop as ever'
  )
}

interface Measured {
  readonly gets: number
  readonly failed: number
  readonly p50Ms: number
  readonly p99Ms: number
}

function describe({ gets, failed, p50Ms, p99Ms }: Measured): string {
  return `${gets} gets, ${failed} failed; p50 ${p50Ms.toFixed(2)} ms, p99 ${p99Ms.toFixed(2)} ms`
}

/** Gets for so many seconds. Throws where one is wrong. */
async function measure(client: Client, seconds: number): Promise<Measured> {
  const latencies: number[] = []
  let failed = 0
  const endMs = performance.now() + seconds * 1000
  const worker = async (first: number): Promise<void> => {
    for (let i = first; performance.now() < endMs; i += inFlight) {
      const key = keys[i % keys.length]!
      const began = performance.now()
      try {
        const found = await client.get(key)
        expect(Buffer.from(found!.value).toString() === `value of ${key}`, `${key} has its value`)
      } catch (error) {
        if (!(error instanceof Error) || !('code' in error)) throw error
        failed++
      }
      latencies.push(performance.now() - began)
    }
  }
  await Promise.all(Array.from({ length: inFlight }, (_, i) => worker(i)))
  latencies.sort((a, b) => a - b)
  const quantile = (share: number): number => latencies[Math.floor(share * latencies.length)]!
  return { gets: latencies.length, failed, p50Ms: quantile(0.5), p99Ms: quantile(0.99) }
}

function countOf(attackers: ChildProcess): () => number {
  let opened = 0
  attackers.on('message', (count: number) => (opened = count))
  return () => opened
}

/** Has processes run on one core, all their threads; false where this machine has no way to do so. */
async function pin(pids: readonly number[], core: number): Promise<boolean> {
  const run = promisify(execFile)
  try {
    for (const pid of pids) await run('taskset', ['-apc', String(core), String(pid)])
    return true
  } catch {
    return false
  }
}
