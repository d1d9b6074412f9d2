/** The key of a private network, made, shared and missing, with peers as processes. */
import { readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it, test } from 'vitest'
import { exposureWarning } from '../../src/cli/exposure.ts'
import { run, start, temporaryFolder } from '../support/processes.ts'

describe('annulus key new', () => {
  it('makes a key that libp2p reads, for its owner alone, and another one each time', async () => {
    const file = join(await temporaryFolder(), 'key')
    expect(await run(['key', 'new', file])).toMatchObject({ code: 0, stdout: '', stderr: '' })
    expect((await stat(file)).mode & 0o777).toBe(0o600)
    const { stdout } = await run(['key', 'new'])
    const keys = [await readFile(file, 'utf8'), stdout]
    for (const key of keys) expect(key).toMatch(/^\/key\/swarm\/psk\/1\.0\.0\/\n\/base16\/\n[0-9a-f]{64}\n$/)
    expect(keys[0]).not.toBe(keys[1])
  })

  it('leaves a file alone that exists', async () => {
    const file = join(await temporaryFolder(), 'key')
    await writeFile(file, 'precious')
    const { code, stderr } = await run(['key', 'new', file])
    expect(code).toBe(2)
    expect(stderr).toMatch(/key exists, and may be the key of a network in use; give another file\n$/)
    expect(await readFile(file, 'utf8')).toBe('precious')
  })
})

describe('a peer with a network key', () => {
  it('serves who has the key; a joiner with another one or none waits, and is told the likely cause', async () => {
    const folder = await temporaryFolder()
    const [ours, theirs] = [join(folder, 'ours'), join(folder, 'theirs')]
    for (const file of [ours, theirs]) await run(['key', 'new', file])
    const peer = start(['start', '--memory', '--network-key', ours])
    const [address] = await peer.ready()
    const put = ['put', 'k', 'v', '--peer', address!]
    expect((await run([...put, '--network-key', ours])).code).toBe(0)
    expect(await run(put)).toMatchObject({ code: 4, stdout: '' })
    for (const flags of [[], ['--network-key', theirs]]) {
      const joiner = start(['start', '--memory', '--join', address!, ...flags])
      await joiner.until(
        ({ stderr }) => /waiting: .*(private network key|did not answer|no answer)/.test(stderr),
        'said why it cannot join'
      )
      expect(joiner.stdout).toBe('')
      joiner.kill('SIGKILL')
      await joiner.ended
    }
    expect((await run(['get', 'k', '--peer', address!, '--network-key', ours])).stdout).toBe('v')
  })
})

describe('a peer that listens beyond this machine', () => {
  test.each([
    [{ listen: ['/ip4/0.0.0.0/tcp/4001'] }, true],
    [{ listen: ['/ip4/127.0.0.1/tcp/1', '/ip6/::/tcp/1'] }, true],
    [{ listen: ['/ip4/127.0.0.1/tcp/0', '/ip6/::1/tcp/1', '/dns4/localhost/tcp/1'] }, false],
    [{ listen: ['/ip4/0.0.0.0/tcp/4001'], networkKey: new Uint8Array(1) }, false],
    [{ listen: ['/ip4/0.0.0.0/tcp/4001'], allow: [] }, false]
  ])('is warned of where it keeps nobody out: %j: %s', (init, isWarned) => {
    expect(exposureWarning(init) !== undefined).toBe(isWarned)
  })
})
