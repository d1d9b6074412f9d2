/** Two clusters as processes in one network: a wrong --join harms neither. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { endAll } from '../support/command.ts'
import { PeerProcess, startPeers, until } from '../support/peers.ts'

let folder: string
let ours: PeerProcess[]
let theirs: PeerProcess

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'annulus-test-'))
  ours = await startPeers(join(folder, 'ours'), 2)
  theirs = (await startPeers(join(folder, 'theirs'), 1))[0]!
})

afterAll(async () => {
  await endAll()
  await rm(folder, { recursive: true, force: true, maxRetries: 3 })
})

it('a peer that is started to join another cluster stays in its own, names both, and loses nothing', async () => {
  const [first, second] = ours as [PeerProcess, PeerProcess]
  expect((await first.run(['put', 'key', 'ours'])).code).toBe(0)
  expect((await theirs.run(['put', 'key', 'theirs'])).code).toBe(0)
  const ids = [(await first.status()).clusterId, (await theirs.status()).clusterId]
  await second.end('SIGTERM')
  await second.start([`--join=${theirs.address}`])
  const { running } = second
  await running.until(({ stderr }) => ids.every(id => stderr.includes(id)), 'named both clusters')
  expect(running.stderr).toContain('stays in its own cluster')
  await until(
    'it to be alive for the other one',
    async () => (await first.viewOf(second))?.liveness === 'alive'
  )
  expect((await second.run(['get', 'key'])).stdout).toBe('ours')
  expect((await theirs.run(['get', 'key'])).stdout).toBe('theirs')
  expect((await second.status()).clusterId).toBe(ids[0])
  expect((await second.status()).members).toHaveLength(2)
  expect((await theirs.status()).members).toHaveLength(1)
})
