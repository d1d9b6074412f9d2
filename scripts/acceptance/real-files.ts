/**
 * Real files through real deaths: everything of a folder of 2,000 files reads back the same through every peer
 * after each of five peers died in turn, after all five died at once, after a sixth joined and another left; and
 * each time every record is on exactly three peers.
 */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { PeerProcess, startPeers } from '../../test/support/peers.ts'
import { expect, seen } from './report.ts'
import { copyFiles, importAll, settled, verifyThrough } from './stored-files.ts'

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
