/** What no sensible user gives: settings of any shape, and folders that hold more than files. */
import { execFileSync } from 'node:child_process'
import { mkdir, rm, symlink, truncate, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it, onTestFinished } from 'vitest'
import { CommandError, describeError } from '../../src/cli/errors.ts'
import { displayName, listFiles, readContents } from '../../src/cli/files.ts'
import {
  environmentName,
  resolveSettings,
  settingNames,
  type SettingSources
} from '../../src/cli/settings.ts'
import { parseBytes, parseDuration } from '../../src/cli/units.ts'
import { temporaryFolder } from '../support/processes.ts'

/** Texts that look like something, and some that do not. */
const anyText = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.constantFrom(
    '',
    '-1',
    '1e9',
    '0x10',
    'NaN',
    'Infinity',
    '٣',
    '9'.repeat(400),
    '1.5.5s',
    '99999999999d',
    '\0',
    '\n'
  ),
  fc.tuple(fc.double(), fc.constantFrom('s', 'ms', 'KiB', 'x')).map(([number, unit]) => `${number}${unit}`)
)

/** The usage error that settings end in, in one line; undefined where they are taken. */
function complaint(sources: Partial<SettingSources>): string | undefined {
  try {
    resolveSettings({ flags: {}, env: {}, ...sources })
    return undefined
  } catch (error) {
    if (!(error instanceof CommandError) || error.exitCode !== 2) throw error
    return describeError(error).line
  }
}

function expectShortLine(line: string | undefined): void {
  expect(line ?? '').not.toMatch(/[\r\n]/)
  expect((line ?? '').length).toBeLessThan(1_000)
}

describe('settings', () => {
  it('of any text are taken, or refused in one short line', () => {
    fc.assert(
      fc.property(fc.constantFrom(...settingNames), anyText, (name, text) => {
        expectShortLine(complaint({ env: { [environmentName(name)]: text } }))
        expectShortLine(complaint({ flags: { [name]: text } }))
      })
    )
  })

  it('of any JSON are taken, or refused in one short line', () => {
    const key = fc.oneof(
      fc.constantFrom(...settingNames, '__proto__', 'constructor', 'toString'),
      fc.string()
    )
    const content = fc.oneof(fc.jsonValue(), fc.dictionary(key, fc.jsonValue(), { maxKeys: 3 }))
    fc.assert(
      fc.property(content, value => {
        expectShortLine(complaint({ file: { path: 'f', content: JSON.parse(JSON.stringify(value)) } }))
      })
    )
  })

  it('cannot be slipped in by way of a prototype', () => {
    const content: unknown = JSON.parse('{"__proto__": {"replicas": 5}}')
    expect(complaint({ file: { path: 'f', content } })).toContain('unknown key "__proto__"')
  })

  it.each([
    ['a text of ten megabytes', 'x'.repeat(10_000_000)],
    [
      'a hundred thousand lists in each other',
      JSON.parse('['.repeat(100_000) + ']'.repeat(100_000)) as unknown
    ],
    ['a list of a million', Array.from({ length: 1_000_000 }, () => 0)]
  ])('that are %s are refused in one short line', (_, replicas) => {
    const line = complaint({ file: { path: 'f', content: { replicas } } })
    expect(line).toContain('give a whole number from 1 to 15')
    expectShortLine(line)
  })
})

it('durations and sizes of any text are whole numbers or none', () => {
  fc.assert(
    fc.property(anyText, text => {
      for (const value of [parseDuration(text), parseBytes(text)])
        expect(value === undefined || (Number.isSafeInteger(value) && value >= 0)).toBe(true)
    })
  )
})

describe('a folder to import', () => {
  const names = (found: readonly { readonly name: string }[]): string[] =>
    found.map(({ name }) => name).sort()

  it('may hold links in a circle, links to nothing, pipes and sockets, which are named and left out', async () => {
    const folder = await temporaryFolder()
    await writeFile(join(folder, 'file'), 'x')
    await mkdir(join(folder, 'below'))
    await symlink('..', join(folder, 'below', 'up'))
    await symlink('itself', join(folder, 'itself'))
    await symlink('nowhere', join(folder, 'dangling'))
    execFileSync('mkfifo', [join(folder, 'pipe')])
    const server = createServer().listen(join(folder, 'socket'))
    onTestFinished(() => void server.close())
    await new Promise(resolve => server.once('listening', resolve))
    const { files, problems, skipped } = await listFiles(folder)
    expect(files.map(({ key }) => key.toString())).toEqual(['file'])
    expect(problems).toEqual([])
    expect(names(skipped)).toEqual(['below/up', 'dangling', 'itself', 'pipe', 'socket'])
  })

  it('may hold names with line breaks and of no text, which stay on one line when shown', async () => {
    const folder = await temporaryFolder()
    for (const name of [Buffer.from('a\nb\x1b[2J'), Buffer.from([0xff, 0x0a])])
      await writeFile(Buffer.concat([Buffer.from(`${folder}/`), name]), 'x')
    const { files } = await listFiles(folder)
    expect(files).toHaveLength(2)
    // eslint-disable-next-line no-control-regex -- what is looked for are just these
    for (const { key } of files) expect(displayName(key)).not.toMatch(/[\x00-\x1f]/)
  })

  it('may change meanwhile: each file is read as it is then, or named', async () => {
    const folder = await temporaryFolder()
    for (const name of ['gone', 'folder', 'grown', 'pipe', 'emptied'])
      await writeFile(join(folder, name), name)
    const { files } = await listFiles(folder)
    await rm(join(folder, 'gone'))
    await rm(join(folder, 'folder'))
    await mkdir(join(folder, 'folder'))
    await truncate(join(folder, 'grown'), 5_000_000_000)
    await rm(join(folder, 'pipe'))
    execFileSync('mkfifo', [join(folder, 'pipe')])
    await truncate(join(folder, 'emptied'), 0)
    const outcomes = await Promise.all(
      files.map(async ({ key, path }) => [
        key.toString(),
        await readContents(path).then(
          contents => contents.length,
          (error: unknown) => (error as Error).message // fs and readContents throw Errors
        )
      ])
    )
    expect(Object.fromEntries(outcomes)).toEqual({
      emptied: 0,
      folder: expect.stringMatching(/not a regular file/) as string,
      gone: expect.stringMatching(/ENOENT/) as string,
      grown: 'it has 5,000,000,000 bytes, and a value at most 4,194,304',
      pipe: expect.stringMatching(/not a regular file/) as string
    })
  })
})
