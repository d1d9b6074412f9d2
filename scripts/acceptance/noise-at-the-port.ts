/**
 * Random bytes at a peer's port do no harm: thousands of connections that send noise at once, noise behind the
 * first line of a handshake, or nothing at all. The peer serves meanwhile, and its memory does not grow.
 */
import { randomBytes, randomInt } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { startPeers, type PeerProcess } from '../../test/support/peers.ts'
import { createClient } from './library.ts'
import { expect, seen } from './report.ts'

/** Connections in one wave, how many waves, and how many connections are open at once. */
const perWave = 2_000
const waves = 10
const atOnce = 50

/** After so many waves as many handshakes as come at this pace are waiting for their end, and the heap has its size. */
const settledAfter = 6

/** How much more memory than then is no growth, in bytes. */
const toleratedBytes = 24 * 1024 * 1024

/** How long connections that say nothing are kept before they are cut, in ms. */
const silentMs = 50

/** What libp2p's dialers say first (multistream-select), each message behind its length. */
const greeting = Buffer.from('\x13/multistream/1.0.0\n\x07/noise\n')

export async function noiseAtThePort(folder: string): Promise<void> {
  const [peer] = await startPeers(folder, 1)
  const client = await createClient({ peers: [peer!.address], mode: 'forward' })
  const resident: number[] = []
  for (let wave = 0; wave < waves; wave++) {
    let isOver = false
    const serving = serves(client, () => isOver)
    await Promise.all(Array.from({ length: atOnce }, () => worker(peer!, perWave / atOnce)))
    isOver = true
    const slowestMs = await serving
    resident.push(await residentBytes(peer!.running.pid))
    seen(
      `  ${(wave + 1) * perWave} connections; ${(resident.at(-1)! / 1e6).toFixed(0)} MB; slowest operation ${slowestMs.toFixed(0)} ms`
    )
  }
  const grown = resident.at(-1)! - resident[settledAfter - 1]!
  expect(grown < toleratedBytes, `memory stays flat: it grew by ${(grown / 1e6).toFixed(1)} MB`)
  await client.close()
  const { code, stderr } = await peer!.end('SIGTERM')
  expect(code === 0 && stderr === '', `the peer says nothing and stops as ever: ${code} ${stderr}`)
}

async function worker(peer: PeerProcess, connections: number): Promise<void> {
  const port = Number(/\/tcp\/(\d+)/.exec(peer.address)![1])
  for (let i = 0; i < connections; i++) await disturb(port)
}

async function disturb(port: number): Promise<void> {
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => undefined) // the peer may well hang up
  const closed = new Promise(resolve => socket.once('close', resolve))
  socket.once('connect', () => {
    const kind = randomInt(4)
    if (kind === 0) return
    if (kind === 1) socket.write(greeting)
    if (kind !== 3) socket.end(randomBytes(randomInt(1, 70_000)))
    else socket.write(randomBytes(randomInt(1, 300)))
  })
  const giveUp = new AbortController()
  const cut = sleep(silentMs, undefined, { signal: giveUp.signal }).then(
    () => socket.destroy(),
    () => undefined
  )
  await closed
  giveUp.abort()
  await cut
}

/** Puts and gets until told that it is over; how long the slowest took, in ms. */
async function serves(
  client: Awaited<ReturnType<typeof createClient>>,
  isOver: () => boolean
): Promise<number> {
  let slowestMs = 0
  for (let i = 0; !isOver(); i++) {
    const began = performance.now()
    await client.put('key', Buffer.from(String(i)))
    const found = await client.get('key')
    expect(Buffer.from(found!.value).toString() === String(i), 'what was put is read')
    slowestMs = Math.max(slowestMs, performance.now() - began)
    await sleep(1)
  }
  return slowestMs
}

async function residentBytes(pid: number): Promise<number> {
  const text = await readFile(`/proc/${pid}/status`, 'utf8')
  return Number(/VmRSS:\s+(\d+) kB/.exec(text)![1]) * 1024
}
