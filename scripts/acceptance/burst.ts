/**
 * Ten thousand requests at once, on one channel and on several: each is answered or refused within a second, the
 * peer's memory stays where it was, and then it serves as before.
 */
import { readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { hash } from 'node:crypto'
import { startPeers, type PeerProcess } from '../../test/support/peers.ts'
import { createClient } from './library.ts'
import { frameKind, greet, hear, newStranger, openStream, Request, requestOf } from './raw-channel.ts'
import { expect, seen } from './report.ts'

/** Channels, and requests on each: more than one channel may have served at once, and more than all may. */
const bursts = [
  { channels: 1, requests: 10_000 },
  { channels: 5, requests: 2_000 },
  { channels: 10, requests: 2_000 }
] as const

/** How long the last of ten thousand may wait for its answer, in ms. */
const longestMs = 1_000

/** How much more memory than before a peer may have, in bytes. */
const toleratedBytes = 100 * 1024 * 1024

/** How long is waited for answers that do not come, in ms. */
const patienceMs = 30_000

const valueBytes = 128

/** Between two looks at the memory, in ms. */
const lookEveryMs = 5

export async function burst(folder: string): Promise<void> {
  const peers = await startPeers(folder, 3)
  const client = await createClient({ peers: peers.map(({ address }) => address) })
  await client.put('key', Buffer.alloc(valueBytes))
  const { clusterId } = await client.status()
  const position = hash('sha256', 'key', 'buffer')
  const [victim] = peers
  // The code is compiled and the heap has its size before what counts.
  await strike(victim!, clusterId, position, bursts[0])
  for (const shape of bursts) {
    const before = await residentBytes(victim!)
    const { answered, refused, lastMs, mostBytes } = await strike(victim!, clusterId, position, shape)
    const total = shape.channels * shape.requests
    seen(
      `${shape.channels} x ${shape.requests} requests: ${answered} answered, ${refused} refused, the last after ` +
        `${lastMs.toFixed(0)} ms; at most ${((mostBytes - before) / 2 ** 20).toFixed(1)} MiB more than before`
    )
    expect(answered + refused === total, `all ${total} are answered or refused`)
    expect(lastMs <= (longestMs * total) / 10_000, `within ${longestMs} ms for each ten thousand`)
    expect(mostBytes - before <= toleratedBytes, 'memory stays within 100 MiB')
    expect((await client.get('key'))?.value.length === valueBytes, 'the peer serves as before')
  }
  await client.close()
  await Promise.all(peers.map(peer => peer.end('SIGTERM')))
}

interface Shape {
  readonly channels: number
  readonly requests: number
}

interface Struck {
  readonly answered: number
  readonly refused: number
  /** From the first that is sent to the last that is answered. */
  readonly lastMs: number
  readonly mostBytes: number
}

async function strike(
  victim: PeerProcess,
  clusterId: string,
  position: Uint8Array,
  shape: Shape
): Promise<Struck> {
  const strangers = await Promise.all(Array.from({ length: shape.channels }, newStranger))
  const streams = await Promise.all(strangers.map(stranger => openStream(stranger, victim.address)))
  const body = Request.encode({ epoch: 0, readRecord: { position } })
  let answered = 0
  let refused = 0
  const areOver = new Promise<void>(resolve => {
    for (const stream of streams) {
      const closed = hear(stream, ({ kind }) => {
        if (kind === frameKind.response) answered++
        else if (kind === frameKind.error) refused++
        if (answered + refused === shape.channels * shape.requests) resolve()
      })
      void closed.then(resolve)
      greet(stream, clusterId)
    }
  })
  const memory = watchMemory(victim)
  const began = performance.now()
  for (let id = 1; id <= shape.requests; id++) {
    for (const stream of streams) stream.sendMessage(requestOf(id, body, patienceMs))
  }
  await Promise.race([areOver, sleep(patienceMs, undefined, { ref: false })])
  const lastMs = performance.now() - began
  const mostBytes = await memory.stop()
  for (const { libp2p } of strangers) await libp2p.stop()
  return { answered, refused, lastMs, mostBytes }
}

/** Looks at the memory of a process again and again. */
function watchMemory(peer: PeerProcess): { stop(): Promise<number> } {
  const over = new AbortController()
  const watching = (async () => {
    let most = 0
    while (!over.signal.aborted) {
      most = Math.max(most, await residentBytes(peer))
      await sleep(lookEveryMs)
    }
    return Math.max(most, await residentBytes(peer))
  })()
  return {
    stop: () => {
      over.abort()
      return watching
    }
  }
}

async function residentBytes(peer: PeerProcess): Promise<number> {
  const text = await readFile(`/proc/${peer.running.pid}/status`, 'utf8')
  return Number(/VmRSS:\s+(\d+) kB/.exec(text)![1]) * 1024
}
