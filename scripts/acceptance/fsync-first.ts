/**
 * A put at quorum is on disk at two of its replicas before it is answered: shown by the system calls of the peers,
 * as `strace -f -ttt -T -e trace=fdatasync,fsync -p PID` sees them, against the moment at which the answer came.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Location } from '../../src/api.ts'
import { startPeers, until, type PeerProcess } from '../../test/support/peers.ts'
import { createClient } from './library.ts'
import { expect, seen } from './report.ts'

const puts = 20

/** Long enough that what peers write on their own account after a join is over, in ms. */
const quietMs = 3_000

export async function fsyncFirst(folder: string): Promise<void> {
  const peers = await startPeers(folder, 3)
  const traces = await Promise.all(peers.map((peer, i) => trace(peer, join(folder, `strace-${i + 1}`))))
  await sleep(quietMs)
  const client = await createClient({ peers: [peers[0]!.address], mode: 'forward' })
  const moments: { begun: number; answered: number }[] = []
  for (let i = 0; i < puts; i++) {
    const begun = secondsNow()
    await client.put(`key ${i}`, Buffer.from('value'))
    moments.push({ begun, answered: secondsNow() })
  }
  const { replicas } = (await client.locate('key 0')) satisfies Location
  expect(replicas[0]!.length === 3, 'three peers are all replicas of every key')
  await client.close()
  await Promise.all(peers.map(peer => peer.end('SIGTERM')))
  const syncs = await Promise.all(traces.map(syncsOf))
  for (const [i, { begun, answered }] of moments.entries()) {
    const before = syncs.filter(ends => ends.some(end => end >= begun && end <= answered)).length
    expect(before >= 2, `put ${i} was answered when only ${before} peers had synced`)
  }
  seen(`  ${puts} puts, each answered after fdatasync had returned at two peers or more`)
}

interface Trace {
  readonly file: string
  readonly ended: Promise<unknown>
}

/** Watches the syncs of a process; resolves when strace is attached. */
async function trace(peer: PeerProcess, file: string): Promise<Trace> {
  const args = ['-f', '-ttt', '-T', '-e', 'trace=fdatasync,fsync', '-o', file, '-p', String(peer.running.pid)]
  const strace = spawn('strace', args, { stdio: ['ignore', 'ignore', 'pipe'] })
  const ended = once(strace, 'close')
  let said = ''
  strace.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()))
  await Promise.race([once(strace, 'spawn'), once(strace, 'error').then(([error]) => Promise.reject(error))])
  await until('strace to attach', () => Promise.resolve(said.includes('attached')))
  return { file, ended }
}

/**
 * When each sync returned, in s since 1970. A line is `18684 1795234926.250297 fdatasync(24) = 0 <0.001211>`; the
 * two halves of one that another thread's call interrupted say `unfinished` and `resumed`.
 */
async function syncsOf({ file, ended }: Trace): Promise<number[]> {
  await ended
  const begun = new Map<string, number>()
  const ends: number[] = []
  for (const line of (await readFile(file, 'utf8')).split('\n')) {
    const [thread = '', at = ''] = line.split(/\s+/)
    if (line.includes('unfinished')) begun.set(thread, Number(at))
    const took = /= 0 <([\d.]+)>$/.exec(line)?.[1]
    if (took === undefined) continue
    ends.push((line.includes('resumed') ? begun.get(thread)! : Number(at)) + Number(took))
  }
  return ends
}

function secondsNow(): number {
  return (performance.timeOrigin + performance.now()) / 1000
}
