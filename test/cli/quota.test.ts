/** A peer process that is given a disk quota. */
import { randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import type { Status } from '../../src/api.ts'
import { run, start, temporaryFolder } from '../support/processes.ts'

/** Bytes of each value: ten of them fit, with their keys. */
const valueBytes = 100_000

it('a peer at its disk quota says so, refuses puts, and takes them again once there is room', async () => {
  const folder = await temporaryFolder()
  const file = join(folder, 'value')
  await writeFile(file, randomBytes(valueBytes))
  const peer = start(['start', `--data=${join(folder, 'data')}`, '--max-disk=1MiB'])
  const [address] = await peer.ready()
  const verb = (...args: string[]): ReturnType<typeof run> => run([...args, '--peer', address!])
  for (let i = 0; i < 10; i++) expect((await verb('put', `k${i}`, '--file', file)).code).toBe(0)

  const refused = await verb('put', 'one more', '--file', file)
  expect(refused.code).toBe(1)
  expect(refused.stderr).toContain('its disk quota is used up); nothing was stored')
  expect(refused.stderr).toContain('--max-disk')
  expect((await verb('status')).stdout).toMatch(
    /^Trouble on \w+: its disk quota of 1048576 bytes is used up$/m
  )
  expect((await verb('get', 'one more')).code).toBe(3)
  expect((await verb('get', 'k3', '--out', join(folder, 'back'))).code).toBe(0)

  expect((await verb('delete', 'k3')).code).toBe(0)
  expect((await verb('put', 'one more', '--file', file)).code).toBe(0)
  const { members } = JSON.parse((await verb('status', '--json')).stdout) as Status
  expect(members[0]!.bytes).toBeLessThanOrEqual(1024 * 1024)
}, 60_000)
