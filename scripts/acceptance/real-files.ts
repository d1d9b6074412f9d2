/**
 * Real files through real deaths: everything of a folder of 2,000 files reads back the same through every peer
 * after each of five peers died in turn, after all five died at once, after a sixth joined and another left; and
 * each time every record is on exactly three peers.
 */
import { copyFile, mkdir, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { listFiles } from '../../src/cli/files.ts'
import { maxKeyBytes, maxValueBytes } from '../../src/core/limits.ts'
import { PeerProcess, startPeers, until } from '../../test/support/peers.ts'
import { expect, seen } from './report.ts'

/** How many files are stored at least. */
const fileCount = 2_000

/** Copies of each record. */
const copies = 3

/** For how long copies may be missing or too many after a change, in ms. */
const settleTimeoutMs = 120_000

const checkout = fileURLToPath(new URL('../..', import.meta.url))

export async function realFiles(folder: string): Promise<void> {
  const files = join(folder, 'files')
  let keys = await copyFiles(files)
  const peers = await startPeers(folder, 5)
  seen('five peers serve')
  await importAll(peers[0]!, files, keys)
  await settled(peers, keys)
  await verifyThrough(peers, files, keys)

  for (const [i, victim] of peers.entries()) {
    await victim.end()
    const others = peers.filter(peer => peer !== victim)
    seen(`peer ${i + 1} killed with kill -9`)
    await verifyThrough(others, files, keys)
    // A file that it misses, so that it has something to catch up with.
    await writeFile(join(files, `written while ${i + 1} was dead`), `by the ${others.length} others`)
    keys++
    await importAll(others[0]!, files, keys)
    await victim.start()
    await settled(peers, keys)
  }

  await Promise.all(peers.map(peer => peer.end()))
  seen('all five killed with kill -9 at once')
  await Promise.all(peers.map(peer => peer.start()))
  seen('and started again')
  await verifyThrough(peers, files, keys)
  await settled(peers, keys)

  const sixth = new PeerProcess(join(folder, 'peer-6'))
  await sixth.start([`--join=${peers[0]!.address}`])
  seen('a sixth has joined')
  await settled([...peers, sixth], keys)
  await verifyThrough([...peers, sixth], files, keys)

  const [first, leaver, ...rest] = peers
  const left = await first!.run(['leave', leaver!.peerId])
  expect(left.code === 0, `annulus leave: ${left.stderr}`)
  expect((await leaver!.running.ended).code === 0, 'a peer that has left exits with 0')
  seen('peer 2 has left')
  const staying = [first!, ...rest, sixth]
  await settled(staying, keys)
  await verifyThrough(staying, files, keys)
  await Promise.all(staying.map(peer => peer.end('SIGTERM')))
}

/** Copies every so manieth file of node_modules, as they come, however large; gives how many. */
async function copyFiles(to: string): Promise<number> {
  const from = join(checkout, 'node_modules')
  const all = (await listFiles(from)).files
  const named = all.filter(({ key }) => /\.(json|md|js)$/.test(key.toString()) && key.length <= maxKeyBytes)
  const step = Math.max(1, Math.floor(named.length / fileCount))
  let count = 0
  let bytes = 0
  for (let i = 0; i < named.length; i += step) {
    const { key, path } = named[i]!
    const { size } = await stat(path)
    if (size > maxValueBytes) continue
    const target = join(to, key.toString())
    await mkdir(dirname(target), { recursive: true })
    await copyFile(path, target)
    count++
    bytes += size
  }
  expect(count >= fileCount, `${fileCount} files to store, there are ${count}`)
  seen(`${count} files, ${(bytes / 1e6).toFixed(1)} MB`)
  return count
}

async function importAll(peer: PeerProcess, files: string, keys: number): Promise<void> {
  const began = performance.now()
  const { code, stdout, stderr } = await peer.run(['import', files])
  const isAll = code === 0 && stdout === `${keys} imported, 0 failed\n`
  expect(isAll, `annulus import exits with ${code}: ${stdout}${stderr}`)
  seen(`  ${keys} imported in ${seconds(began)}`)
}

async function verifyThrough(peers: readonly PeerProcess[], files: string, keys: number): Promise<void> {
  const began = performance.now()
  for (const peer of peers) {
    const { code, stdout, stderr } = await peer.run(['verify', files])
    const isSame = code === 0 && stdout === `${keys} identical, 0 differing, 0 missing\n`
    expect(isSame, `annulus verify through ${peer.address} exits with ${code}: ${stdout}${stderr}`)
  }
  seen(`  ${keys} identical through each of ${peers.length} peers, in ${seconds(began)}`)
}

/** Waits until all are up, nothing moves, and the copies in all stores together are as many as there should be. */
async function settled(peers: readonly PeerProcess[], keys: number): Promise<void> {
  let last = ''
  const look = async (): Promise<boolean> => {
    const { members, transition, transfers } = await peers[0]!.status()
    const held = members.map(({ records }) => records ?? NaN)
    const total = held.reduce((sum, records) => sum + records, 0)
    last = `${held.join(' + ')} = ${total} records, ${transfers.length} transfers`
    const areUp = members.every(({ liveness, standing }) => liveness === 'alive' && standing === 'up')
    const isQuiet = transition === null && transfers.length === 0
    return isQuiet && areUp && members.length === peers.length && total === copies * keys
  }
  try {
    const ms = await until('every record on three peers', look, { timeoutMs: settleTimeoutMs })
    seen(`  ${last}: each on ${copies} peers, after ${(ms / 1000).toFixed(1)} s`)
  } catch (error) {
    throw new Error(`at last there were ${last}`, { cause: error })
  }
}

function seconds(began: number): string {
  return `${((performance.now() - began) / 1000).toFixed(1)} s`
}
