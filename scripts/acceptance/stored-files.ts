/**
 * A folder of real files in a cluster of processes: copied together from what is installed, imported, read back
 * through every peer, and counted in all stores. Used by the checks that move records about.
 */
import { copyFile, mkdir, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { listFiles } from '../../src/cli/files.ts'
import { maxKeyBytes, maxValueBytes } from '../../src/core/limits.ts'
import { until, type PeerProcess } from '../../test/support/peers.ts'
import { expect, seen } from './report.ts'

/** How many files are stored at least. */
const fileCount = 2_000

/** Copies of each record. */
const copies = 3

/** For how long copies may be missing or too many after a change, in ms. */
const settleTimeoutMs = 120_000

const checkout = fileURLToPath(new URL('../..', import.meta.url))

/** Copies every so manieth file of node_modules, as they come, however large; gives how many. */
export async function copyFiles(to: string): Promise<number> {
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

export async function importAll(peer: PeerProcess, files: string, keys: number): Promise<void> {
  const began = performance.now()
  const { code, stdout, stderr } = await peer.run(['import', files])
  const isAll = code === 0 && stdout === `${keys} imported, 0 failed\n`
  expect(isAll, `annulus import exits with ${code}: ${stdout}${stderr}`)
  seen(`  ${keys} imported in ${seconds(began)}`)
}

export async function verifyThrough(
  peers: readonly PeerProcess[],
  files: string,
  keys: number
): Promise<void> {
  const began = performance.now()
  for (const peer of peers) {
    const { code, stdout, stderr } = await peer.run(['verify', files])
    const isSame = code === 0 && stdout === `${keys} identical, 0 differing, 0 missing\n`
    expect(isSame, `annulus verify through ${peer.address} exits with ${code}: ${stdout}${stderr}`)
  }
  seen(`  ${keys} identical through each of ${peers.length} peers, in ${seconds(began)}`)
}

/** Waits until all are up, nothing moves, and the copies in all stores together are as many as there should be. */
export async function settled(peers: readonly PeerProcess[], keys: number): Promise<void> {
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
