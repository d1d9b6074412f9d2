/** Peers as processes that are killed, or stopped with their sockets open, and come back. One cluster for all. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { Location } from '../../src/api.ts'
import { endAll } from '../support/command.ts'
import { PeerProcess, startPeers, until } from '../support/peers.ts'

/** A dead peer is to be shown as down within so many ms. */
const detectionMs = 10_000

/** How long a verb is told to wait, in ms, and how much longer its process may take to start and end. */
const deadlineMs = 2_000
const processMs = 5_000

const key = 'the key'

let folder: string
let peers: PeerProcess[]

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'annulus-test-'))
  peers = await startPeers(folder, 5)
  expect((await peers[0]!.run(['put', key, 'kept'])).code).toBe(0)
})

// One test's dead are alive again for the next one.
afterEach(async () => {
  await until(
    'all to be up',
    async () => (await peers[0]!.run(['status'])).stdout.match(/^UN /gm)?.length === 5
  )
})

afterAll(async () => {
  await endAll()
  await rm(folder, { recursive: true, force: true, maxRetries: 3 })
})

const ways = [
  {
    way: 'killed',
    stop: (peer: PeerProcess) => peer.end(),
    bringBack: (peer: PeerProcess) => peer.start()
  },
  {
    way: 'stopped with its sockets open',
    stop: (peer: PeerProcess) => Promise.resolve().then(() => peer.pause()),
    bringBack: (peer: PeerProcess) => Promise.resolve().then(() => peer.resume())
  }
]

describe.each(ways)('a peer that is $way', { timeout: 90_000 }, ({ stop, bringBack }) => {
  it('is down in the status within ten seconds, and up again by itself', async () => {
    const [asked, victim] = [peers[1]!, peers[3]!]
    const liveness = async (): Promise<string | undefined> => (await asked.viewOf(victim))?.liveness
    const began = performance.now()
    await stop(victim)
    await until('it to be down', async () => (await liveness()) === 'down')
    expect(performance.now() - began).toBeLessThan(detectionMs)
    await bringBack(victim)
    await until('it to be alive', async () => (await liveness()) === 'alive')
  })

  it('leaves a key unavailable only where two of its three replicas are so', async () => {
    const located = JSON.parse((await peers[0]!.run(['locate', key, '--json'])).stdout) as Location
    const replicas = located.replicas[0]!
    const [lost, alsoLost, survivor] = peers.filter(({ peerId }) => replicas.includes(peerId))
    const outsider = peers.find(({ peerId }) => !replicas.includes(peerId))!
    await Promise.all([stop(lost!), stop(alsoLost!)])
    const checked = [survivor!, outsider].map(async asked => {
      for (const verb of [
        ['get', key],
        ['put', key, 'new']
      ]) {
        const began = performance.now()
        const { code, stdout, stderr } = await asked.run([...verb, '--timeout', `${deadlineMs}ms`])
        expect(performance.now() - began).toBeLessThan(deadlineMs + processMs)
        expect([code, stdout]).toEqual([5, ''])
        expect(stderr).toMatch(
          new RegExp(`; ${survivor!.peerId} answered, no answer from [^;]+; nothing was`)
        )
        for (const { peerId } of [lost!, alsoLost!])
          expect(stderr.split('no answer from')[1]).toContain(peerId)
      }
      expect((await asked.run(['get', key, '--consistency', 'one'])).stdout).toBe('kept')
    })
    await Promise.allSettled(checked)
    await Promise.all([bringBack(lost!), bringBack(alsoLost!)])
    await Promise.all(checked)
    await until('the key to be read', async () => (await outsider.run(['get', key])).stdout === 'kept')
  })
})

describe('three dead of five peers', { timeout: 90_000 }, () => {
  it('keep a sixth from joining until two of them are back, and the log goes on from disk', async () => {
    const [first, ...others] = peers
    const before = await first!.status()
    await Promise.all(others.slice(0, 3).map(peer => peer.end()))
    const sixth = new PeerProcess(join(folder, 'peer-6'))
    const process = sixth.launch([`--join=${first!.address}`])
    await process.until(({ stderr }) => stderr.includes('annulus: waiting: '), 'said what it waits for')
    expect((await first!.status()).epoch).toBe(before.epoch)
    expect(process.stdout).toBe('')
    await Promise.all(others.slice(0, 2).map(peer => peer.start()))
    await process.ready()
    const after = await others[0]!.status()
    expect(after.clusterId).toBe(before.clusterId)
    expect(after.epoch).toBeGreaterThan(before.epoch)
    expect(after.members).toHaveLength(6)
    await others[2]!.start()
    await process.until(({ stdout }) => stdout.startsWith('ready '), 'said it is ready')
    expect((await others[3]!.run(['leave', process.stdout.trim().slice(-8)])).code).toBe(0)
  })
})
