/** Who may connect to a peer, and as what, on the command line: identities, lists, and lists that change. */
import { execFileSync } from 'node:child_process'
import { appendFile, open, readFile, rename, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it, test } from 'vitest'
import { readAllowLists } from '../../src/cli/allow-lists.ts'
import { CommandError } from '../../src/cli/errors.ts'
import { exposureWarning } from '../../src/cli/exposure.ts'
import { peerIdOf } from '../support/peer-ids.ts'
import { run, start, temporaryFolder, type RunningCommand } from '../support/processes.ts'

/** An identity file and its peer id. */
async function newIdentity(folder: string, name: string): Promise<{ file: string; peerId: string }> {
  const file = join(folder, name)
  const { code, stdout } = await run(['identity', 'new', file])
  expect(code).toBe(0)
  return { file, peerId: stdout.trim() }
}

describe('annulus identity', () => {
  it('makes one for its owner alone, prints its peer id, and shows it again', async () => {
    const folder = await temporaryFolder()
    const { file, peerId } = await newIdentity(folder, 'a')
    expect(peerId).toMatch(/^12D3KooW\w+$/)
    expect((await stat(file)).mode & 0o777).toBe(0o600)
    expect(await run(['identity', 'show', file])).toMatchObject({
      code: 0,
      stdout: `${peerId}\n`,
      stderr: ''
    })
    expect((await newIdentity(folder, 'b')).peerId).not.toBe(peerId)
  })

  it('leaves a file alone that exists', async () => {
    const file = join(await temporaryFolder(), 'identity')
    await writeFile(file, 'precious')
    const { code, stderr } = await run(['identity', 'new', file])
    expect(code).toBe(2)
    expect(stderr).toMatch(/identity exists, and may be an identity in use; give another file\n$/)
    expect(await readFile(file, 'utf8')).toBe('precious')
  })

  it('names a file that is none, is damaged or is not there, also where a client is to have it', async () => {
    const folder = await temporaryFolder()
    const [none, damaged] = [join(folder, 'none'), join(folder, 'damaged')]
    await writeFile(none, 'secret')
    await writeFile(damaged, '/annulus/identity/1.0.0/\n/base64/\nAAAA\n')
    for (const [file, problem] of [
      [none, 'is no identity file: it must begin with /annulus/identity/1.0.0/'],
      [damaged, 'the key in the identity file'],
      [join(folder, 'missing'), 'cannot be read']
    ] as const) {
      const shown = await run(['identity', 'show', file])
      const used = await run(['get', 'k', '--peer', '/ip4/127.0.0.1/tcp/1', '--identity', file])
      for (const { code, stderr } of [shown, used]) {
        expect(stderr).toContain(problem)
        expect(stderr).toContain(file)
        expect(stderr).not.toContain('secret')
        expect(code).toBe(2)
      }
    }
  })
})

describe('a peer that lists its clients', () => {
  it.skipIf(process.platform === 'win32')('lives on at a SIGHUP before it serves', async () => {
    const folder = await temporaryFolder()
    const [list, pipe] = [join(folder, 'clients'), join(folder, 'pipe')]
    await writeFile(list, peerIdOf(1))
    execFileSync('mkfifo', [pipe])
    const peer = start(['start', '--memory', '--allow-clients', pipe])
    // Opens as soon as the peer reads it, and has the peer wait then.
    const writing = await open(pipe, 'w')
    peer.kill('SIGHUP')
    await writing.write(peerIdOf(1))
    await rename(list, pipe)
    await writing.close()
    await peer.ready()
  })

  it('serves them as it is told, shuts out all others, and follows what becomes of the list', async () => {
    const folder = await temporaryFolder()
    const [writer, reader, late] = [
      await newIdentity(folder, 'writer'),
      await newIdentity(folder, 'reader'),
      await newIdentity(folder, 'late')
    ]
    const list = join(folder, 'clients')
    await writeFile(list, `# who may\n${writer.peerId} # all\n${reader.peerId} read-only\n`)
    const peer = start(['start', '--memory', '--allow-clients', list])
    const [address] = await peer.ready()
    const as = (identity: string, ...args: string[]) =>
      run([...args, '--peer', address!], { env: { ANNULUS_IDENTITY: identity } })
    expect(peer.stderr).toContain('no other member can connect: there is --allow-clients without --allow')

    expect((await as(writer.file, 'put', 'k', 'v')).code).toBe(0)
    expect(await as(reader.file, 'get', 'k')).toMatchObject({ code: 0, stdout: 'v' })
    expect((await as(reader.file, 'status')).code).toBe(0)
    const refused = await as(reader.file, 'put', 'k', 'w')
    expect(refused).toMatchObject({ code: 1, stdout: '' })
    expect(refused.stderr).toMatch(/this client may only read; .*annulus help identity\n$/)
    const unlisted = await run(['get', 'k', '--peer', address!, '--identity', late.file])
    expect(unlisted).toMatchObject({ code: 4, stdout: '' })
    expect(unlisted.stderr).toContain(`its allow lists lack this end, ${late.peerId}`)
    await said(
      peer,
      new RegExp(`turned away who may not connect: .*--allow-clients the clients peerId=${late.peerId}`)
    )

    await appendFile(list, `${late.peerId}\n`)
    await said(peer, /took in the allow lists: 3 clients/)
    expect((await as(late.file, 'get', 'k')).stdout).toBe('v')

    // A mistake, then another file in its place, as editors do.
    await appendFile(list, 'bob\n')
    await said(peer, /the allow lists in force stay: .*clients:5: bob is no peer id; write PEERID/)
    expect((await as(late.file, 'get', 'k')).stdout).toBe('v')
    await writeFile(`${list}.new`, `${writer.peerId} read-only\n`)
    await rename(`${list}.new`, list)
    await said(peer, /took in the allow lists: 1 clients/)
    expect((await as(late.file, 'get', 'k')).code).toBe(4)
    expect((await as(writer.file, 'put', 'k', 'w')).code).toBe(1)

    peer.kill('SIGHUP')
    await said(peer, /took in the allow lists: 1 clients\n[^]*took in the allow lists: 1 clients\n/)
    expect((await as(writer.file, 'get', 'k')).stdout).toBe('v')
    peer.kill('SIGTERM')
    expect((await peer.ended).code).toBe(0)
  })
})

describe('a joiner that is a client by the lists of the others', () => {
  it('waits, is told why, and joins as soon as it is listed as a member', async () => {
    const folder = await temporaryFolder()
    const [data, members, clients] = ['data', 'members', 'clients'].map(name => join(folder, name))
    const first = start(['start', `--data=${data!}`, '--join=/ip4/127.0.0.1/tcp/1'])
    await said(first, /waiting: cannot join/)
    first.kill('SIGTERM')
    await first.ended
    await writeFile(members!, '')
    await writeFile(clients!, '')
    const peer = start(['start', '--memory', `--allow=${members!}`, `--allow-clients=${clients!}`])
    const [address] = await peer.ready()
    const joiner = start(['start', `--data=${data!}`, `--join=${address!}`])
    await said(joiner, /waiting: .*its allow lists lack this end, 12D3KooW\w+/)
    const [, peerId] = /lack this end, (12D3KooW\w+)/.exec(joiner.stderr)!
    await writeFile(clients!, `${peerId!}\n`)
    await said(joiner, /waiting: .*refused this peer: it may connect as a client alone/)
    await writeFile(members!, `${peerId!}\n`)
    await joiner.ready()
  })
})

describe('the files of the lists', () => {
  const [a, b] = [peerIdOf(0), peerIdOf(1)]

  async function read(text: string, name: 'allow' | 'allowClients' = 'allowClients'): Promise<unknown> {
    const path = join(await temporaryFolder(), name)
    await writeFile(path, text)
    return readAllowLists({ [name]: { path, origin: '--flag' } })
  }

  it('have a peer id on each line, comments, and of a client what it may do', async () => {
    expect(await read(`${a}\r\n\n  ${b}\tread-only # why\n#${a}\n${a}`)).toEqual({
      allowClients: [
        { peerId: a, readOnly: false },
        { peerId: b, readOnly: true }
      ]
    })
    expect(await read(`${a}\n# ${b}`, 'allow')).toEqual({ allow: [a] })
    expect(await read('', 'allow')).toEqual({ allow: [] })
  })

  test.each([
    [`${a} readonly`, /allowClients:1: readonly is no right of a client/],
    [`\n${a} read-only now`, /allowClients:2: read-only now is no right of a client/],
    [`${a}\n${b}\n${a} read-only`, /allowClients:3: 12D3KooW\w+ stands there twice, once read-only/],
    ['nobody', /^--flag: .*allowClients:1: nobody is no peer id$/]
  ])('are refused with the line that is wrong: %j', async (text, message) => {
    const error = await read(text).catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(CommandError)
    expect((error as CommandError).message).toMatch(message)
  })
})

it('is warned of at the start where no other member could connect', () => {
  expect(exposureWarning({ allowClients: [] })).toContain('no other member can connect')
  expect(exposureWarning({ allow: [], allowClients: [] })).toBeUndefined()
})

function said(running: RunningCommand, what: RegExp): Promise<void> {
  return running.until(({ stderr }) => what.test(stderr), `said ${what.source}`)
}
