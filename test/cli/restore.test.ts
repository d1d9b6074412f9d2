/** The last resort with real processes: three of five are killed, and their folders are gone. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { formatRestoration } from '../../src/cli/restore.ts'
import { createClient } from '../../src/index.ts'
import { endAll } from '../support/command.ts'
import { PeerProcess, startPeers, until } from '../support/peers.ts'

let folder: string
let peers: PeerProcess[]

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'annulus-test-'))
  peers = await startPeers(folder, 5)
})

afterAll(async () => {
  await endAll()
  await rm(folder, { recursive: true, force: true, maxRetries: 3 })
})

const nameOf = (peer: PeerProcess): string => peer.peerId.slice(-8)

describe('three of five peers whose disks are lost', { timeout: 120_000 }, () => {
  it('are given up by annulus restore, and the survivors serve what they have', async () => {
    const [first, second, ...lost] = peers as [PeerProcess, PeerProcess, ...PeerProcess[]]
    const keys = Array.from({ length: 12 }, (_, i) => `key ${i}`)
    const before = await createClient({ peers: [first.address] })
    const kept: string[] = []
    for (const key of keys) {
      await before.put(key, new TextEncoder().encode(`value of ${key}`), { consistency: 'all' })
      const { replicas } = await before.locate(key)
      if ([first, second].some(({ peerId }) => replicas[0]!.includes(peerId))) kept.push(key)
    }
    await before.close()
    const { clusterId } = await first.status()
    await Promise.all(lost.map(peer => peer.end()))
    for (const { data } of lost) await rm(data, { recursive: true })

    const survivors = ['restore', '--survivors', nameOf(first), nameOf(second)]
    let told = await first.run(survivors)
    await until('it to be sure that the others are down', async () => {
      if (told.code !== 2) told = await first.run(survivors)
      return told.code === 2
    })
    const { stdout, stderr } = told
    expect(stdout).toContain(`Cluster ${clusterId} would go on`)
    expect(stdout).toContain(`${lost[0]!.peerId} is given up`)
    expect(stderr).toBe(
      `annulus: nothing was changed; to give up what is lost, say so: --accept-loss ${clusterId}\n`
    )
    expect((await first.run([...survivors, '--accept-loss', 'f'.repeat(32)])).code).toBe(2)
    expect((await first.run(['restore', '--survivors', nameOf(first)])).stderr).toMatch(
      `${second.peerId} answers, but is not named`
    )

    const done = await first.run([...survivors, '--accept-loss', clusterId])
    expect([done.code, done.stderr]).toEqual([0, ''])
    await until('the survivors to be alone', async () => {
      const { members, transition } = await second.status()
      return members.length === 2 && transition === null
    })
    const after = await createClient({ peers: [second.address] })
    for (const key of kept)
      expect(new TextDecoder().decode((await after.get(key))?.value)).toBe(`value of ${key}`)
    await after.close()
    expect((await second.run(['put', 'after', 'it'])).code).toBe(0)

    // The lost are replaced by new ones, in the old place and in a new one.
    await lost[0]!.start([`--join=${second.address}`])
    expect((await lost[0]!.run(['get', 'after'])).stdout).toBe('it')
    expect((await first.status()).clusterId).toBe(clusterId)
  })
})

describe('what a restore comes to', () => {
  it('is told in words, with the parts of all keys that lose something', () => {
    const restoration = {
      clusterId: 'c'.repeat(32),
      epoch: 7,
      survivors: ['a', 'b'],
      lost: ['c'],
      gone: 0.1,
      atRisk: 0.25,
      isDone: false
    }
    const text = formatRestoration(restoration)
    expect(text).toContain('Of all keys 65.0 % lose nothing that was acknowledged,\n25.0 % have copies left')
    expect(text).toContain('10.0 % have no copy left.')
    expect(formatRestoration({ ...restoration, epoch: 1_000_007, isDone: true })).toContain('goes on')
  })
})
