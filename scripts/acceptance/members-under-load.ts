/**
 * Members come, go, die and return while clients put and get all the time: a sixth joins, one leaves, one is killed
 * and removed, one is killed and returns, one loses its disk, one stands still for a minute. After each, a folder of
 * real files reads back the same through every peer, and every record is on exactly three peers. No operation
 * fails, and all that the clients saw is linearizable.
 */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { PeerProcess, startPeers } from '../../test/support/peers.ts'
import { loadKeys, underLoad } from './clients.ts'
import { expect, seen } from './report.ts'
import { copyFiles, importAll, settled, verifyThrough } from './stored-files.ts'

/** How often a client tries again what surely had no effect. */
const retries = 5

/** How long a peer that returns was away, in ms: longer than it takes to be suspected and found down. */
const awayMs = 30_000

/** How long a peer may take until it serves, one that joins until it has taken over its share, in ms. */
const readyTimeoutMs = 180_000

/** How long a peer stands still, in ms. */
const stillMs = 60_000

export async function membersUnderLoad(folder: string): Promise<void> {
  const files = join(folder, 'files')
  const fileCount = await copyFiles(files)
  const peers = await startPeers(folder, 5)
  seen('five peers serve')
  await importAll(peers[0]!, files, fileCount)
  await underLoad(peers, { retries }, async load => {
    let present: readonly PeerProcess[] = peers
    for (const change of changes) {
      present = await change({ present, folder, verify: some => verifyThrough(some, files, fileCount) })
      await settled(present, fileCount + loadKeys)
      await verifyThrough(present, files, fileCount)
      load.expectNoFailure()
    }
    return present
  })
}

/** What is there when a change begins. */
interface Scene {
  readonly present: readonly PeerProcess[]
  /** For the folders of peers that come. */
  readonly folder: string
  /** Has all files read back through some of the peers. */
  readonly verify: (peers: readonly PeerProcess[]) => Promise<void>
}

/** A change of who is there; gives the peers that are there after it. */
type Change = (scene: Scene) => Promise<readonly PeerProcess[]>

const changes: readonly Change[] = [joinSixth, leave, removeDead, returnAfterWrites, loseDisk, standStill]

async function joinSixth({ present, folder }: Scene): Promise<readonly PeerProcess[]> {
  const sixth = new PeerProcess(join(folder, 'peer-6'))
  await begin(sixth, present[0]!)
  return [...present, sixth]
}

async function leave({ present }: Scene): Promise<readonly PeerProcess[]> {
  const [asked, leaver] = present
  await run(asked!, ['leave', leaver!.peerId])
  expect((await leaver!.running.ended).code === 0, 'a peer that has left exits with 0')
  seen('one has left')
  return without(present, leaver!)
}

async function removeDead({ present }: Scene): Promise<readonly PeerProcess[]> {
  const [asked, victim] = present
  await victim!.end()
  seen('one killed with kill -9')
  await run(asked!, ['remove', victim!.peerId])
  seen('and removed')
  return without(present, victim!)
}

/** The founder, which nothing depends on. */
async function returnAfterWrites({ present, verify }: Scene): Promise<readonly PeerProcess[]> {
  const [victim] = present
  await victim!.end()
  seen('the first one killed with kill -9')
  await sleep(awayMs)
  await verify(without(present, victim!))
  await victim!.start([], { readyTimeoutMs })
  seen(`and started again after more than ${awayMs / 1000} s`)
  return present
}

async function loseDisk({ present, verify }: Scene): Promise<readonly PeerProcess[]> {
  const [asked, victim] = present
  await victim!.end()
  const lost = victim!.peerId
  await rm(victim!.data, { recursive: true })
  seen('one killed with kill -9, and its disk lost')
  await verify(without(present, victim!))
  await begin(victim!, asked!)
  await run(asked!, ['remove', lost])
  seen('and what it was is removed')
  return present
}

async function standStill({ present, verify }: Scene): Promise<readonly PeerProcess[]> {
  const victim = present.at(-1)!
  victim.pause()
  seen('one stopped where it stands, by SIGSTOP')
  const began = performance.now()
  await verify(without(present, victim))
  await sleep(stillMs - (performance.now() - began))
  victim.resume()
  seen(`and let go on after ${stillMs / 1000} s`)
  return present
}

/** Starts a peer with an empty folder, and waits until it has taken over its share. */
async function begin(peer: PeerProcess, contact: PeerProcess): Promise<void> {
  const began = performance.now()
  await peer.start([`--join=${contact.address}`], { readyTimeoutMs })
  seen(`one with an empty disk has joined, ready after ${((performance.now() - began) / 1000).toFixed(1)} s`)
}

/** Runs a verb that changes the members, and waits until that is done. */
async function run(peer: PeerProcess, args: readonly string[]): Promise<void> {
  const { code, stderr } = await peer.run(args)
  expect(code === 0, `annulus ${args.join(' ')} exits with ${code}: ${stderr}`)
}

function without(peers: readonly PeerProcess[], one: PeerProcess): PeerProcess[] {
  return peers.filter(peer => peer !== one)
}
