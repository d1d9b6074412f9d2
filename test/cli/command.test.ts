/** The command as scripts see it, where no peer is needed: help, usage, exit codes. */
import { writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:net'
import { join } from 'node:path'
import { describe, expect, it, test } from 'vitest'
import { verbGroups } from '../../src/cli/verbs.ts'
import { run, temporaryFolder } from '../support/processes.ts'

const verbs = [
  ...[
    'start',
    'cluster',
    'key',
    'put',
    'get',
    'delete',
    'locate',
    'status',
    'plan',
    'leave',
    'remove',
    'restore',
    'import',
    'verify',
    'export'
  ]
]

/** Nothing on stdout, one line on stderr. */
const oneLine = /^annulus: .+; .+\n$/

describe('help', () => {
  it('lists every verb on stdout, and loads nothing that takes time', async () => {
    const { code, stdout, stderr } = await run(['--help'])
    expect([code, stderr]).toEqual([0, ''])
    for (const verb of verbs) expect(stdout).toMatch(new RegExp(`^  ${verb} `, 'm'))
  })

  test.each(verbs)('shows how to use %s, with an example', async verb => {
    const { code, stdout } = await run([verb, '--help'])
    expect(code).toBe(0)
    expect(stdout).toMatch(new RegExp(`Examples:\n.*annulus ${verb}`))
  })

  it('shows the same arguments for a verb whether that is named or listed', async () => {
    for (const { name, takes } of verbGroups.flatMap(group => group.verbs)) {
      const { stdout } = await run([name, '--help'])
      expect(stdout.split('\n')[0]).toBe(`Usage: annulus ${name} [options] ${takes}`.trimEnd())
    }
  })

  it('prints the version', async () => {
    expect((await run(['--version'])).stdout).toMatch(/^\d+\.\d+\.\d+\n$/)
  })
})

describe('a usage error', () => {
  test.each([
    ['strat', /unknown command 'strat' \(Did you mean start\?\); see annulus --help/],
    ['put k', /there is no value; give a value, - for standard input, or --file/],
    ['put k v --file f', /contradict each other/],
    ['put k v --ttl 10', /'10' is invalid; give a number with a unit/],
    ['put k v --timeout 2m', /'2m' is invalid; give 1ms to 1m/],
    ['get k --consistency most', /'most' is invalid. Allowed choices are one, quorum, all/],
    [`get ${'k'.repeat(1025)}`, /the key has 1025 bytes; give one of at most 1024/],
    ['get', /missing required argument 'key'/],
    ['key old', /'old' is invalid for argument 'action'|Allowed choices are new/],
    ['restore', /required option '--survivors <peers...>' not specified/],
    ['status --peer nowhere', /--peer: nowhere is no multiaddr; write it like/],
    ['start --replicas 0', /--replicas is "0"; give a whole number from 1 to 15/],
    ['start --measured-at often', /--measured-at is "often"; give a number from 1 to 5/],
    ['start --vnodes 5000', /--vnodes is "5000"; give a whole number from 1 to 1024/],
    ['start --join /ip4/127.0.0.1', /--join: \/ip4\/127.0.0.1 names no TCP port; write it like/],
    ['start --listen here', /--listen: here is no multiaddr/],
    ['start --network-key /no/such/file', /--network-key: the file cannot be read: ENOENT/],
    ['start --config /no/such/file', /the config file cannot be read: ENOENT/],
    ['cluster 0', /'0' is no valid argument 'n'; give a whole number from 1 to 64/],
    ['cluster 3 --listen /ip4/127.0.0.1/tcp/4001', /3 peers cannot share \/ip4\/127.0.0.1\/tcp\/4001/]
  ])('%s: is said in one line, with exit code 2', async (line, message) => {
    const { code, stdout, stderr } = await run(line.split(' '))
    expect(stderr).toMatch(message)
    expect(stderr).toMatch(oneLine)
    expect([code, stdout]).toEqual([2, ''])
  })

  it('is an empty key', async () => {
    expect(await run(['get', ''])).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(oneLine) as string
    })
  })

  it('is a value that is too large, from a file or from standard input', async () => {
    const file = join(await temporaryFolder(), 'large')
    const large = Buffer.alloc(4 * 1024 * 1024 + 1)
    await writeFile(file, large)
    const outcomes = [await run(['put', 'k', '--file', file]), await run(['put', 'k', '-'], { input: large })]
    for (const { code, stderr } of outcomes) {
      expect(code).toBe(2)
      expect(stderr).toContain('the value is larger than 4.0 MiB; store it in parts')
    }
  })

  it('names an unknown key of the config file, and the known ones', async () => {
    const file = join(await temporaryFolder(), 'annulus.json')
    await writeFile(file, '{"replica": 3}')
    const { code, stderr } = await run(['start'], { env: { ANNULUS_CONFIG: file } })
    expect(code).toBe(2)
    expect(stderr).toContain(
      'annulus.json has an unknown key "replica"; the known ones are listen, announce, join'
    )
  })

  it('names the line of an allow file that holds no peer id', async () => {
    const file = join(await temporaryFolder(), 'allow')
    await writeFile(file, '# friends\n\nbob\n')
    const { code, stderr } = await run(['start', '--allow', file])
    expect(code).toBe(2)
    expect(stderr).toContain('allow:3: bob is no peer id; write one peer id per line')
  })

  it('is a key file that is none', async () => {
    const file = join(await temporaryFolder(), 'key')
    await writeFile(file, 'secret')
    expect(await run(['start', '--network-key', file])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('it must begin with /key/swarm/psk/1.0.0/') as string
    })
  })

  it('shows help on stderr where no verb is given', async () => {
    const { code, stdout, stderr } = await run([])
    expect([code, stdout]).toEqual([2, ''])
    expect(stderr).toContain('Usage: annulus')
  })
})

describe('an error', () => {
  it('says with exit code 4 that no peer runs here, and what to do', async () => {
    const { code, stderr } = await run(['status', '--data', await temporaryFolder()])
    expect(code).toBe(4)
    expect(stderr).toMatch(
      /^annulus: no peer runs in \S+, and none is named; start one with annulus start, or name/
    )
    expect(stderr).toMatch(oneLine)
  })

  it('shows where it comes from only with --verbose', async () => {
    expect((await run(['import', '/no/such/folder'])).stderr).toMatch(oneLine)
    expect((await run(['import', '/no/such/folder', '-v'])).stderr).toMatch(/\n\s+at /)
  })
})

describe('which peer is asked', () => {
  it('is the one of --peer, else of ANNULUS_PEER, else of the data folder', async () => {
    const [nobody, folder] = [await unusedAddress(), await temporaryFolder()]
    await writeFile(join(folder, 'address'), `${nobody}\n`)
    const byFlag = await run(['status', '--peer', nobody], { env: { ANNULUS_PEER: 'bad' } })
    expect(byFlag.stderr).toContain(`no peer answers at ${nobody} (from --peer)`)
    const byVariable = await run(['status'], { env: { ANNULUS_PEER: nobody, ANNULUS_DATA: folder } })
    expect(byVariable.stderr).toContain(`no peer answers at ${nobody} (from ANNULUS_PEER)`)
    const byFolder = await run(['status'], { env: { ANNULUS_DATA: folder } })
    expect(byFolder.stderr).toContain(`no peer answers at ${nobody} (from ${folder})`)
    for (const { code } of [byFlag, byVariable, byFolder]) expect(code).toBe(4)
  })

  it('is waited for no longer than --timeout says where it takes the connection and says nothing', async () => {
    const server = createServer()
    const address = await listening(server)
    try {
      const { code, stderr } = await run(['get', 'key', '--peer', address, '--timeout', '250ms'])
      expect(code).toBe(4)
      expect(stderr).toContain(`no peer answers at ${address} (from --peer): nothing within 250ms; start one`)
    } finally {
      server.close()
    }
  })
})

/** An address that nobody listens on: a port that the system has just given and taken back. */
async function unusedAddress(): Promise<string> {
  const server = createServer()
  const address = await listening(server)
  await new Promise(resolve => server.close(resolve))
  return address
}

/** The address of a server, which listens from now on. */
async function listening(server: Server): Promise<string> {
  const port = await new Promise<number>((resolve, reject) => {
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      if (address === null || typeof address === 'string') reject(new Error('no port'))
      else resolve(address.port)
    })
  })
  return `/ip4/127.0.0.1/tcp/${port}`
}
