import { chmod, mkdir, readFile, readdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it, test } from 'vitest'
import type { GetResult, PutResult } from '../../src/api.ts'
import { forEachOf, tryAgain } from '../../src/cli/batch.ts'
import { exportKeys } from '../../src/cli/export.ts'
import { listFiles, whyNoFileName } from '../../src/cli/files.ts'
import { importFiles, type BatchOptions } from '../../src/cli/import.ts'
import { formatVerified, verifyFiles } from '../../src/cli/verify.ts'
import { AnnulusError } from '../../src/core/errors.ts'
import { temporaryFolder } from '../support/processes.ts'

/** A store in a map, which does as it is told before each call. */
class MapStore {
  readonly values = new Map<string, Uint8Array>()
  before: () => void = () => undefined

  put(key: string | Uint8Array, value: Uint8Array): Promise<PutResult> {
    return this.#answer(() => {
      this.values.set(Buffer.from(key).toString('latin1'), value)
      return { version: '1.aa.0', replicas: 1 }
    })
  }

  get(key: string | Uint8Array): Promise<GetResult | undefined> {
    return this.#answer(() => {
      const value = this.values.get(Buffer.from(key).toString('latin1'))
      return value === undefined ? undefined : { value, version: '1.aa.0', expiresAt: undefined }
    })
  }

  async *keys(): AsyncIterable<Uint8Array> {
    for (const key of this.values.keys()) yield await Promise.resolve(Buffer.from(key, 'latin1'))
  }

  async #answer<T>(work: () => T): Promise<T> {
    await Promise.resolve()
    this.before()
    return work()
  }
}

function options(): BatchOptions & { said: string[] } {
  const said: string[] = []
  const progress = {
    step: () => undefined,
    say: (message: string) => void said.push(message),
    end: () => undefined
  }
  return { said, progress, timeoutMs: 1_000, signal: new AbortController().signal, consistency: 'quorum' }
}

async function sampleFolder(): Promise<string> {
  const folder = await temporaryFolder()
  await mkdir(join(folder, 'b', 'c'), { recursive: true })
  await writeFile(join(folder, 'z'), 'last')
  await writeFile(join(folder, 'empty'), '')
  await writeFile(join(folder, 'b', 'c', 'deep'), 'deep')
  return folder
}

describe('listing a folder', () => {
  it('finds every file by its relative path', async () => {
    const { files, problems, skipped } = await listFiles(await sampleFolder())
    expect(files.map(({ key }) => key.toString()).sort()).toEqual(['b/c/deep', 'empty', 'z'])
    expect([problems, skipped]).toEqual([[], []])
  })

  it('does not follow symbolic links, and says so', async () => {
    const folder = await sampleFolder()
    await symlink(folder, join(folder, 'circle'))
    const { files, skipped } = await listFiles(folder)
    expect(files).toHaveLength(3)
    expect(skipped).toEqual([{ name: 'circle', reason: 'a symbolic link' }])
  })

  it('keeps names that are no text apart', async () => {
    const folder = await temporaryFolder()
    for (const byte of [0xfe, 0xff])
      await writeFile(Buffer.concat([Buffer.from(`${folder}/`), Buffer.from([byte])]), 'x')
    const { files } = await listFiles(folder)
    expect(files.map(({ key }) => key.toString('hex'))).toEqual(['fe', 'ff'])
  })

  it('names a path that is too long for a key', async () => {
    const folder = await temporaryFolder()
    const deep = join(folder, ...Array.from({ length: 6 }, () => 'd'.repeat(200)))
    await mkdir(deep, { recursive: true })
    await writeFile(join(deep, 'f'), 'x')
    const { files, problems } = await listFiles(folder)
    expect(files).toEqual([])
    expect(problems[0]!.reason).toBe('its path has 1207 bytes, and a key at most 1024')
  })
})

describe('import, verify and export', () => {
  it('bring every file back as it was', async () => {
    const [store, folder, copy] = [new MapStore(), await sampleFolder(), await temporaryFolder()]
    const listing = await listFiles(folder)
    expect(await importFiles(store, listing, options())).toEqual({ imported: 3, failed: 0 })
    expect(await verifyFiles(store, listing, options())).toEqual({
      identical: 3,
      differing: 0,
      missing: 0,
      failed: 0
    })
    expect(await exportKeys(store, copy, options())).toEqual({ exported: 3, failed: 0 })
    expect(await readFile(join(copy, 'b', 'c', 'deep'), 'utf8')).toBe('deep')
    expect((await readdir(copy)).sort()).toEqual(['b', 'empty', 'z'])
  })

  it('tell differing files from missing ones, and name them', async () => {
    const [store, listing, told] = [new MapStore(), await listFiles(await sampleFolder()), options()]
    await importFiles(store, listing, options())
    store.values.set('z', Buffer.from('lasT'))
    store.values.delete('empty')
    expect(await verifyFiles(store, listing, told)).toEqual({
      identical: 1,
      differing: 1,
      missing: 1,
      failed: 0
    })
    expect(told.said.sort()).toEqual(['empty is missing', 'z is differing'])
  })

  it('go on past a file that is too large or cannot be read', async () => {
    const folder = await sampleFolder()
    await writeFile(join(folder, 'huge'), Buffer.alloc(4 * 1024 * 1024 + 1))
    const [store, listing, told] = [new MapStore(), await listFiles(folder), options()]
    await chmod(join(folder, 'z'), 0)
    const readable = process.getuid?.() === 0 // root may read all the same
    expect(await importFiles(store, listing, told)).toEqual(
      readable ? { imported: 3, failed: 1 } : { imported: 2, failed: 2 }
    )
    expect(told.said).toContain('huge failed: it has 4,194,305 bytes, and a value at most 4,194,304')
  })

  it('do not follow a link that took the place of a file', async () => {
    const folder = await temporaryFolder()
    await writeFile(join(folder, 'secret'), 'secret')
    await symlink(join(folder, 'secret'), join(folder, 'link'))
    const listing = {
      files: [{ key: Buffer.from('link'), path: Buffer.from(join(folder, 'link')) }],
      problems: [],
      skipped: []
    }
    expect(await importFiles(new MapStore(), listing, options())).toEqual({ imported: 0, failed: 1 })
  })

  it('try again after a passing error, the open outcome of an import among them', async () => {
    const [store, listing] = [new MapStore(), await listFiles(await sampleFolder())]
    let failures = 0
    store.before = () => {
      if (failures++ < 2) throw new AnnulusError('ERR_OUTCOME_UNKNOWN', 'timed out', { indefinite: true })
    }
    expect(await importFiles(store, listing, options())).toEqual({ imported: 3, failed: 0 })
  })

  it('end at once where no peer can be reached any more', async () => {
    const [store, listing] = [new MapStore(), await listFiles(await sampleFolder())]
    store.before = () => {
      throw new AnnulusError('ERR_UNREACHABLE', 'gone')
    }
    await expect(importFiles(store, listing, options())).rejects.toMatchObject({ code: 'ERR_UNREACHABLE' })
  })

  it('write nothing outside the folder', async () => {
    const [store, folder, outside, told] = [
      new MapStore(),
      await temporaryFolder(),
      await temporaryFolder(),
      options()
    ]
    await symlink(outside, join(folder, 'link'))
    for (const key of ['../up', '/tmp/absolute', 'link/file', 'a/../../up', 'good'])
      store.values.set(key, Buffer.from(key))
    expect(await exportKeys(store, folder, told)).toEqual({ exported: 1, failed: 4 })
    expect(await readdir(outside)).toEqual([])
    expect((await readdir(folder)).sort()).toEqual(['good', 'link'])
    expect(told.said).toContain('../up failed: it would leave the folder')
  })

  it('mention failures only where there are any', () => {
    const counts = { identical: 2, differing: 1, missing: 0, failed: 0 }
    expect(formatVerified(counts)).toBe('2 identical, 1 differing, 0 missing')
    expect(formatVerified({ ...counts, failed: 1 })).toBe('2 identical, 1 differing, 0 missing, 1 failed')
  })
})

test.each(['..', '.', 'a/..', './a', '/a', 'a//b', 'a/', '', 'a\0b'])('the key %j is no file name', key => {
  expect(whyNoFileName(Buffer.from(key), '/')).toBeDefined()
})

test.each(['a', 'a/b', '..a', 'a..', '...', ' ', 'a\\..\\b'])('the key %j is a file name', key => {
  expect(whyNoFileName(Buffer.from(key), '/')).toBeUndefined()
})

describe('a batch', () => {
  it('has no more under way than it may, and does each item once', async () => {
    const done: number[] = []
    let [now, most] = [0, 0]
    await forEachOf(
      Array.from({ length: 20 }, (_, i) => i),
      4,
      async item => {
        most = Math.max(most, ++now)
        await new Promise(resolve => setImmediate(resolve))
        now--
        done.push(item)
      }
    )
    expect(most).toBe(4)
    expect(done.sort((a, b) => a - b)).toEqual(Array.from({ length: 20 }, (_, i) => i))
  })

  it('begins nothing after an error, and throws it', async () => {
    const begun: number[] = []
    const work = async (item: number): Promise<void> => {
      begun.push(item)
      await new Promise(resolve => setImmediate(resolve))
      if (item === 1) throw new Error('stop')
    }
    await expect(forEachOf([0, 1, 2, 3, 4, 5], 2, work)).rejects.toThrow('stop')
    expect(begun.length).toBeLessThan(5)
  })

  it('throws the last error when the time for one file is over', async () => {
    const overloaded = () => Promise.reject(new AnnulusError('ERR_OVERLOADED', 'full'))
    const signal = new AbortController().signal
    await expect(tryAgain(overloaded, { timeoutMs: 20, signal, firstPauseMs: 1 })).rejects.toThrow('full')
  })
})
