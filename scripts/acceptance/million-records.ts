/**
 * A cluster of five with a million records, 600,000 copies in each peer: a peer that was away serves again within
 * ten seconds, and what it missed costs as little, in bytes and in time, as where there are a tenth of the records.
 * ANNULUS_ACCEPTANCE_RECORDS=100000 tries it with fewer. The stores are filled while the peers are stopped.
 */
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { startPeers, until, type PeerProcess } from '../../test/support/peers.ts'
import { createClient } from './library.ts'
import { ExpectedRecords } from './expected-records.ts'
import { expect, seen } from './report.ts'
import { allEqual, sessionsIn, trafficOf, type LoggedSession } from './sessions.ts'

const peerCount = 5

/** Keys that are put while a peer is away: half of them anew, half that it never had. */
const missedKeys = 1_000

/** How a peer goes, each time; for the time that catching up takes, the median counts. */
const goings: readonly NodeJS.Signals[] = ['SIGTERM', 'SIGKILL', 'SIGKILL', 'SIGTERM', 'SIGKILL']

const maxReadyMs = 10_000
const maxTrafficBytes = 500_000
const maxSlowdown = 1.5

/** For as long a peer may take to be done with what it is waited for, in ms. */
const timeoutMs = 180_000

/** Puts under way at once. */
const inFlight = 32

interface Return {
  readonly readyMs: number
  /** From its start until it had all it missed on disk: the end of its first session with the last of the others. */
  readonly caughtUpMs: number
  readonly trafficBytes: number
}

interface Cluster {
  readonly peers: readonly PeerProcess[]
  readonly expected: ExpectedRecords
}

export async function millionRecords(folder: string): Promise<void> {
  const records = Number(process.env['ANNULUS_ACCEPTANCE_RECORDS'] ?? 1_000_000)
  const few = await clusterWith(records / 10, join(folder, 'few'))
  const many = await clusterWith(records, join(folder, 'many'))
  const returns: { readonly few: Return; readonly many: Return }[] = []
  for (const [i, going] of goings.entries()) {
    // One right after the other, so that what else the machine does slows both down.
    const init = { going, victim: (i + 1) % peerCount }
    returns.push({ few: await goAndReturn(few, init), many: await goAndReturn(many, init) })
  }
  for (const cluster of [few, many]) await verify(cluster)
  for (const { readyMs, trafficBytes } of returns.map(({ many }) => many)) {
    expect(readyMs <= maxReadyMs, `a peer serves within ${maxReadyMs} ms of its start: ${readyMs}`)
    expect(
      trafficBytes <= maxTrafficBytes,
      `reconciling takes at most ${maxTrafficBytes} bytes: ${trafficBytes}`
    )
  }
  const fewMs = median(returns.map(({ few }) => few.caughtUpMs))
  const manyMs = median(returns.map(({ many }) => many.caughtUpMs))
  const slowdown = manyMs / fewMs
  seen(
    `  caught up in ${manyMs} ms, with a tenth of the records in ${fewMs} ms: ${slowdown.toFixed(2)} times`
  )
  expect(slowdown <= maxSlowdown, `ten times the records take at most ${maxSlowdown} times as long`)
}

/** A cluster whose peers hold so many records, and have found each other equal. */
async function clusterWith(records: number, folder: string): Promise<Cluster> {
  const peers = await startPeers(folder, peerCount)
  const { members } = await peers[0]!.status()
  const expected = new ExpectedRecords(peers, members[0]!.vnodes)
  await Promise.all(peers.map(peer => peer.end('SIGTERM')))
  await expected.fill(records)
  seen(`${records} records, on disk ${expected.copies.join(' + ')}`)
  const began = performance.now()
  for (const peer of peers) await peer.start(['--verbose'])
  seen(`  all serve after ${ms(began)} ms`)
  await allEqual(peers)
  seen(`  and found each other equal after ${ms(began)} ms`)
  return { peers, expected }
}

async function verify({ peers, expected }: Cluster): Promise<void> {
  await Promise.all(peers.map(peer => peer.end('SIGTERM')))
  await expected.verify()
  seen('  every store holds what it should, by its fingerprints and record by record')
}

async function goAndReturn(
  { peers, expected }: Cluster,
  init: { readonly going: NodeJS.Signals; readonly victim: number }
): Promise<Return> {
  const { going } = init
  const victim = peers[init.victim]!
  const others = peers.filter(peer => peer !== victim)
  await victim.end(going)
  await until('the others to see it down', async () => (await others[0]!.viewOf(victim))?.liveness === 'down')
  await putKeys(others[0]!.address, expected.keysToPut(missedKeys))
  const before = new Map(others.map(peer => [peer, sessionsIn(peer.running.stderr).length]))

  const began = performance.now()
  await victim.start(['--verbose'])
  const readyMs = ms(began)
  const isDone = (): boolean => {
    const done = sessionsIn(victim.running.stderr).filter(({ isWhole }) => isWhole)
    return others.every(({ peerId }) => done.some(session => session.with === peerId))
  }
  await victim.running.until(isDone, 'reconciled with all the others', timeoutMs)
  const caughtUpMs = ms(began)
  /** All sessions between it and others since, whoever began them. */
  const sessions = (): LoggedSession[] => [
    ...sessionsIn(victim.running.stderr),
    ...others.flatMap(peer =>
      sessionsIn(peer.running.stderr)
        .slice(before.get(peer))
        .filter(session => session.with === victim.peerId)
        .map(session => ({ ...session, with: peer.peerId }))
    )
  ]
  const areEqual = (): boolean =>
    others.every(({ peerId }) => sessions().some(session => session.with === peerId && session.wasEqual))
  await until('all to be found equal', () => Promise.resolve(areEqual()), { timeoutMs })
  const trafficBytes = trafficOf(sessions())
  const moved = sessions().reduce((sum, { received, sent }) => sum + received + sent, 0)
  seen(
    `  of ${expected.records} records, ${going}: serves after ${readyMs} ms, has all after ${caughtUpMs} ms; ${trafficBytes} bytes in ${sessions().length} sessions, ${moved} records moved`
  )
  return { readyMs, caughtUpMs, trafficBytes }
}

async function putKeys(address: string, keys: readonly string[]): Promise<void> {
  const client = await createClient({ peers: [address] })
  const left = [...keys]
  const putSome = async (): Promise<void> => {
    for (let key = left.pop(); key !== undefined; key = left.pop())
      await client.put(key, Buffer.from('missed'))
  }
  await Promise.all(Array.from({ length: inFlight }, putSome))
  await client.close()
  // What a put sends on to the last replica after its answer.
  await sleep(500)
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!
}

function ms(began: number): number {
  return Math.round(performance.now() - began)
}
