/** The command with peers that run. Tests that end no peer share one cluster; the others start their own. */
import { cp, mkdir, readFile, readdir, writeFile } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { endAll, start as startShared } from '../support/command.ts'
import { run, start, temporaryFolder } from '../support/processes.ts'

/** Peers and their joins take seconds on a machine that is busy with other tests. */
const timeoutMs = 90_000

/** Addresses of a cluster of three in memory, which all tests here share. */
let peers: [string, string, string]

beforeAll(async () => {
  const [a, b, c] = await startShared(['cluster', '3', '--memory']).ready(3)
  peers = [a!, b!, c!]
})

afterAll(endAll)

async function sampleFiles(count: number): Promise<string> {
  const folder = await temporaryFolder()
  await mkdir(join(folder, 'sub'))
  for (let i = 0; i < count; i++)
    await writeFile(join(folder, i % 2 === 0 ? 'sub' : '', `f${i}`), `contents ${i}`.repeat(i))
  return folder
}

/** Whether a process with this id exists. */
function exists(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

describe('keys', { timeout: timeoutMs }, () => {
  it('are stored through one peer, and read, located and deleted through others', async () => {
    const [a, b, c] = peers
    const put = await run(['put', 'greeting', 'hello', '--peer', a])
    expect(put).toMatchObject({ code: 0, stderr: '' })
    expect(put.stdout).toMatch(/^\d+\.[0-9a-f]{32}\.0 on [23] replicas\n$/)
    expect(await run(['get', 'greeting', '--peer', b])).toMatchObject({ code: 0, stdout: 'hello' })
    const located = JSON.parse((await run(['locate', 'greeting', '--json', '--peer', c])).stdout) as Record<
      string,
      unknown
    >
    expect(located).toMatchObject({
      key: 'greeting',
      position: expect.stringMatching(/^[0-9a-f]{64}$/) as string
    })
    expect(located['replicas']).toEqual([
      expect.arrayContaining(peers.map(address => address.split('/p2p/')[1]))
    ])
    const deleted = await run(['delete', 'greeting', '--json', '--peer', c])
    expect(JSON.parse(deleted.stdout)).toMatchObject({
      key: 'greeting',
      version: expect.any(String) as string
    })
    expect(await run(['get', 'greeting', '--peer', a])).toMatchObject({
      code: 3,
      stdout: '',
      stderr: 'annulus: there is no key "greeting"; annulus put stores one\n'
    })
  })

  it('hold any bytes, from standard input and to a file, and expire', async () => {
    const peer = ['--peer', peers[0]]
    const value = Buffer.from(Array.from({ length: 70_000 }, (_, i) => i % 256))
    expect((await run(['put', 'bytes', '-', ...peer], { input: value })).code).toBe(0)
    expect((await run(['get', 'bytes', ...peer])).bytes.equals(value)).toBe(true)
    const file = join(await temporaryFolder(), 'out')
    expect(await run(['get', 'bytes', '--out', file, ...peer])).toMatchObject({ code: 0, stdout: '' })
    expect((await readFile(file)).equals(value)).toBe(true)
    expect((await run(['put', 'brief', 'x', '--ttl', '1ms', ...peer])).code).toBe(0)
    expect((await run(['get', 'brief', ...peer])).code).toBe(3)
  })
})

describe('a folder', { timeout: timeoutMs }, () => {
  it('is imported through one peer, verified through another, and exported', async () => {
    const [folder, copy] = [await sampleFiles(40), await temporaryFolder()]
    expect(await run(['import', folder, '--peer', peers[0]])).toMatchObject({
      code: 0,
      stdout: '40 imported, 0 failed\n',
      stderr: ''
    })
    const verify = ['verify', folder, '--peer', peers[1]]
    expect(await run(verify)).toMatchObject({ code: 0, stdout: '40 identical, 0 differing, 0 missing\n' })
    expect(await run(['export', copy, '--peer', peers[2]])).toMatchObject({ code: 0 })
    expect(await readFile(join(copy, 'sub', 'f8'), 'utf8')).toBe(
      await readFile(join(folder, 'sub', 'f8'), 'utf8')
    )
    await writeFile(join(folder, 'f1'), 'changed')
    await writeFile(join(folder, 'new'), 'new')
    const second = await run([...verify, '--json'])
    expect(second.code).toBe(1)
    expect(JSON.parse(second.stdout)).toEqual({ identical: 39, differing: 1, missing: 1, failed: 0 })
    expect(second.stderr).toContain('annulus: f1 is differing\n')
    expect(second.stderr).toContain('annulus: new is missing\n')
  })
})

describe('start', { timeout: timeoutMs }, () => {
  it('is found by its data folder while it runs, and comes back with its data on the same port', async () => {
    const folder = await temporaryFolder()
    const first = start(['start', '--data', folder])
    const [address] = await first.ready()
    expect(first.stdout).toBe(`ready ${address!}\n`)
    expect((await run(['put', 'k', 'kept', '--data', folder])).code).toBe(0)
    first.kill('SIGTERM')
    expect((await first.ended).code).toBe(0)
    expect(await readdir(folder)).not.toContain('address')
    expect((await run(['get', 'k', '--data', folder])).code).toBe(4)
    const second = start(['start', '--data', folder])
    expect(await second.ready()).toEqual([address])
    expect((await run(['get', 'k', '--data', folder])).stdout).toBe('kept')
    second.kill('SIGINT')
    expect((await second.ended).code).toBe(0)
  })

  it('says in JSON that it is ready', async () => {
    const peer = start(['start', '--memory', '--json'])
    await peer.until(({ stdout }) => stdout.includes('\n'), 'said it is ready')
    const ready = JSON.parse(peer.stdout) as { peerId: string; multiaddrs: string[] }
    expect(ready).toMatchObject({ event: 'ready', peerId: expect.any(String) as string })
    expect(ready.multiaddrs[0]).toContain(`/p2p/${ready.peerId}`)
  })

  it('refuses a data folder that another process uses', async () => {
    const folder = await temporaryFolder()
    await start(['start', '--data', folder]).ready()
    const second = await run(['start', '--data', folder])
    expect(second).toMatchObject({ code: 1, stdout: '' })
    expect(second.stderr).toMatch(
      /^annulus: .+; stop the other process, or give another folder with --data\n$/
    )
  })

  it('refuses a copied data folder while the peer it was copied from runs', async () => {
    const [folder, copy] = [await temporaryFolder(), join(await temporaryFolder(), 'copy')]
    await start(['start', '--data', folder]).ready()
    await cp(folder, copy, { recursive: true })
    const second = await run(['start', '--data', copy])
    expect(second).toMatchObject({ code: 1, stdout: '' })
    expect(second.stderr).toMatch(
      /^annulus: the peer of .+ runs already, at .+; stop the other process, .+\n$/
    )
  })

  it('refuses another replication factor than that of the cluster', async () => {
    const second = await run(['start', '--memory', '--replicas', '2', '--join', peers[0]])
    expect(second).toMatchObject({ code: 2, stdout: '' })
    expect(second.stderr).toMatch(/^annulus: the cluster keeps 3 replicas of each record, not 2; .+\n$/)
  })

  it('refuses an address that is taken', async () => {
    const second = await run(['start', '--memory', '--listen', peers[0].replace(/\/p2p\/.*/, '')])
    expect(second).toMatchObject({ code: 1, stdout: '' })
    expect(second.stderr).toMatch(/; give another address with --listen\n$/)
  })

  it('refuses an address that this machine does not have, without a stack', async () => {
    const { code, stderr } = await run(['start', '--memory', '--listen', '/ip4/192.0.2.1/tcp/0'])
    expect([code, stderr]).toEqual([
      1,
      'annulus: cannot listen on /ip4/192.0.2.1/tcp/0: this machine has no such address; give another address with --listen\n'
    ])
  })

  it('waits for the peer it is to join, says so, and goes on when that appears', async () => {
    const port = await unusedPort()
    const listen = `/ip4/127.0.0.1/tcp/${port}`
    const joiner = start(['start', '--memory', '--join', listen])
    await joiner.until(({ stderr }) => stderr.includes('annulus: waiting: cannot join through'), 'said so')
    expect(joiner.stdout).toBe('')
    await start(['start', '--memory', '--listen', listen]).ready()
    const [address] = await joiner.ready()
    expect((await run(['status', '--peer', address!])).stdout.match(/^UN /gm)).toHaveLength(2)
  })

  it('says what it waits for while nobody answers, and stops all the same', async () => {
    const peer = start(['start', '--memory', '--join', '/ip4/127.0.0.1/tcp/1'])
    await peer.until(({ stderr }) => stderr.includes('annulus: waiting: '), 'said what it waits for')
    expect(peer.stdout).toBe('')
    peer.kill('SIGTERM')
    expect((await peer.ended).code).toBe(0)
  })
})

describe('cluster', { timeout: timeoutMs }, () => {
  it('stops all its peers at Ctrl-C, and brings the same ones back', async () => {
    const folder = await temporaryFolder()
    const first = start(['cluster', '3', '--data', folder])
    const addresses = await first.ready(3)
    expect((await run(['put', 'k', 'kept', '--data', folder])).code).toBe(0)
    first.kill('SIGINT')
    expect((await first.ended).code).toBe(0)
    expect((await run(['status', '--data', folder])).code).toBe(4)
    const second = start(['cluster', '3', '--data', folder])
    expect((await second.ready(3)).sort()).toEqual(addresses.sort())
    expect((await run(['get', 'k', '--data', folder])).stdout).toBe('kept')
  })

  it('says which peer died, and goes on without it', async () => {
    const cluster = start(['cluster', '3', '--memory'])
    const addresses = await cluster.ready(3)
    expect((await run(['put', 'k', 'kept', '--peer', addresses[0]!])).code).toBe(0)
    const children = await childrenOf(cluster.pid)
    expect(children).toHaveLength(3)
    process.kill(children[2]!, 'SIGKILL')
    await cluster.until(
      ({ stderr }) => /peer \d ended by itself: SIGKILL; the others go on/.test(stderr),
      'said so'
    )
    const alive = await Promise.all(addresses.map(peer => run(['get', 'k', '--peer', peer])))
    expect(alive.filter(({ stdout }) => stdout === 'kept')).toHaveLength(2)
  })

  it('leaves no peer behind, even if it is killed outright', async () => {
    const cluster = start(['cluster', '2', '--memory'])
    await cluster.ready(2)
    const children = await childrenOf(cluster.pid)
    expect(children.every(exists)).toBe(true)
    cluster.kill('SIGKILL')
    await cluster.ended
    await expect.poll(() => children.filter(exists), { timeout: 10_000 }).toEqual([])
  })
})

describe('members', { timeout: timeoutMs }, () => {
  it('are shown with what they hold, join, and leave by the end of their peer id', async () => {
    const joiner = start(['start', '--memory', '--join', peers[0]])
    const id = (await joiner.ready())[0]!.split('/p2p/')[1]!
    const status = async (): Promise<{
      epoch: number
      members: { peerId: string; standing: string; share: number }[]
    }> =>
      JSON.parse((await run(['status', '--json', '--peer', peers[1]])).stdout) as Awaited<
        ReturnType<typeof status>
      >
    const before = await status()
    expect(before.members.map(({ peerId }) => peerId)).toContain(id)
    expect(before.members.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1)
    expect((await run(['status', '--peer', peers[1]])).stdout.match(/^UN /gm)).toHaveLength(4)
    const left = await run(['leave', id.slice(-6), '--peer', peers[0]])
    expect(left).toMatchObject({ code: 0, stdout: `${id} has left\n` })
    expect((await joiner.ended).code).toBe(0)
    expect((await status()).members.filter(({ standing }) => standing === 'up')).toHaveLength(3)
  })
})

describe('Ctrl-C', { timeout: timeoutMs }, () => {
  it('ends an import with exit code 130 and one line', async () => {
    const folder = await sampleFiles(2_000)
    const importing = start(['import', folder, '--peer', peers[0]])
    await expect
      .poll(async () => (await run(['get', 'f1', '--peer', peers[0]])).code, {
        timeout: 20_000,
        interval: 10
      })
      .toBe(0)
    importing.kill('SIGINT')
    const { code, stderr } = await importing.ended
    // A fast machine may have been done.
    if (code !== 0)
      expect([code, stderr]).toEqual([130, expect.stringMatching(/^annulus: interrupted; .+\n$/)])
  })
})

async function childrenOf(pid: number): Promise<number[]> {
  const text = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8')
  return text.trim().split(' ').map(Number)
}

/** A port that the system has just given and taken back. */
async function unusedPort(): Promise<number> {
  const server = createServer()
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo // a TCP server that listens has a port
  await new Promise(resolve => server.close(resolve))
  return port
}
