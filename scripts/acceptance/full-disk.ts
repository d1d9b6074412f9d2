/**
 * A peer whose data folder lies on a small file system of its own, which fills up: puts are refused for what it is, gets
 * go on, and when there is room again so do puts, without a restart. Needs to be root, as it mounts that file system.
 */
import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { PeerProcess, until } from '../../test/support/peers.ts'
import { createClient } from './library.ts'
import { expect, seen } from './report.ts'

const diskMiB = 24

/** Taken up beside the data folder at first, and given free again. */
const ballastBytes = 8 * 1024 * 1024

const valueBytes = 256 * 1024

/** More values than fit. */
const maxValues = (2 * diskMiB * 1024 * 1024) / valueBytes

export async function fullDisk(folder: string): Promise<void> {
  const disk = join(folder, 'disk')
  await mkdir(disk)
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${diskMiB}m`, 'tmpfs', disk])
  if (mounted.status !== 0) {
    seen('skipped: no file system may be mounted here; be root on Linux')
    return
  }
  try {
    await fill(disk)
  } finally {
    spawnSync('umount', ['--lazy', disk])
  }
}

async function fill(disk: string): Promise<void> {
  const ballast = join(disk, 'ballast')
  await writeFile(ballast, Buffer.alloc(ballastBytes))
  const peer = new PeerProcess(join(disk, 'data'))
  await peer.start()
  const client = await createClient({ peers: [peer.address] })
  const put = (i: number): Promise<unknown> => client.put(`key ${i}`, values[i]!)
  const values = Array.from({ length: maxValues }, () => randomBytes(valueBytes))
  const expectAll = async (stored: Iterable<number>): Promise<void> => {
    for (const i of stored) {
      const found = await client.get(`key ${i}`)
      expect(found !== undefined && values[i]!.equals(found.value), `what was put as key ${i} is read`)
    }
  }

  const stored = new Set<number>()
  const errors = new Map<string, string>()
  for (let i = 0; i < maxValues && !errors.has('ERR_FULL'); i++) {
    await put(i).then(
      () => stored.add(i),
      (error: unknown) => errors.set(...codeAndWords(error))
    )
  }
  seen(`${stored.size} values of ${valueBytes} bytes fit; then ${[...errors.keys()].join(', ')}`)
  const words = errors.get('ERR_FULL') ?? ''
  expect(words.includes('its disk is full'), `a put says that the disk is full: ${words}`)
  const others = [...errors.keys()].filter(code => code !== 'ERR_FULL' && code !== 'ERR_OUTCOME_UNKNOWN')
  expect(others.length === 0, 'but for the one that met it, no other error')

  await expectAll(stored)
  const trouble = (await peer.status()).members[0]!.trouble
  expect(trouble?.startsWith('its disk is full') === true, `the status says so: ${trouble}`)
  seen(`all ${stored.size} are read meanwhile; the status says: ${trouble}`)

  await rm(ballast)
  const more = stored.size + errors.size + 1
  const isTaken = (): Promise<boolean> =>
    put(more).then(
      () => true,
      () => false
    )
  const ms = await until('a put', isTaken)
  stored.add(more)
  await expectAll(stored)
  expect((await peer.status()).members[0]!.trouble === null, 'the status has no trouble any more')
  seen(`puts are taken again ${(ms / 1000).toFixed(1)} s after there is room, by the same process`)

  const { code } = await peer.end('SIGTERM')
  expect(code === 0, `the peer stops as ever: ${code}`)
  await peer.start()
  await expectAll(stored)
  seen(`and all ${stored.size} are there after a restart`)
  await client.close()
  await peer.end('SIGTERM')
}

function codeAndWords(error: unknown): [code: string, words: string] {
  return error instanceof Error && 'code' in error ? [String(error.code), error.message] : ['', String(error)]
}
