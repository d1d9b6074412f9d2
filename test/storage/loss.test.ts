/** What the LevelDB store finds out when its files are not what they were: each test damages real ones. */
import { cpSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { describe, expect, it, vi } from 'vitest'

import { type Logger, type Store, StoreError } from '../../src/core/ports.ts'
import { wholeRing } from '../../src/core/ring/range.ts'
import { openLevelStore } from '../../src/storage/level.ts'
import { bytes, recordOf } from './store.conformance.ts'
import { temporaryFolder } from './temporary-folders.ts'

const logger: Logger = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }
const open = (folder: string): Promise<Store> => openLevelStore(folder, { logger })
const records = Array.from({ length: 20 }, (_, i) => recordOf(`key ${i}`, i + 1))

/** The folder as a kill -9 leaves it after so many writes, each a batch of its own. */
async function killed(store?: Store): Promise<string> {
  const folder = temporaryFolder()
  const running = store ?? (await open(folder))
  await running.writeMeta([['identity', bytes('me')]])
  for (const record of records) await running.merge(record)
  const copy = temporaryFolder()
  cpSync(folder, copy, { recursive: true })
  await running.close()
  return copy
}

/** A folder whose records lie in LevelDB's tables, closed in order. */
async function closed(): Promise<string> {
  const folder = await killed()
  await (await open(folder)).close()
  return folder
}

/** The newest file of this kind in the database's folder. */
function newest(folder: string, kind: RegExp): string {
  const name = readdirSync(join(folder, 'level'))
    .filter(name => kind.test(name))
    .sort()
    .at(-1)
  return join(folder, 'level', name!)
}

function flipBit(file: string, at: number): void {
  const content = readFileSync(file)
  content[at]! ^= 1
  writeFileSync(file, content)
}

async function lossOf(folder: string): Promise<string | undefined> {
  const store = await open(folder)
  const { loss } = store
  await store.close()
  return loss
}

describe('a LevelDB store that comes upon a part of a table that cannot be read', () => {
  const many = Array.from({ length: 3_000 }, (_, i) => recordOf(`key ${i}`, 1))

  async function unreadable(): Promise<string> {
    const folder = temporaryFolder()
    const store = await open(folder)
    await store.writeMeta([['identity', bytes('me')]])
    await store.mergeAll(many)
    await store.close()
    // Opening moves all from the log to a table.
    await (await open(folder)).close()
    const table = newest(folder, /\.ldb$/)
    const content = readFileSync(table)
    content.fill(0xff, content.length >>> 1, (content.length >>> 1) + 10_000)
    writeFileSync(table, content)
    return folder
  }

  it('says so, and has lost something when it is opened again', async () => {
    const folder = await unreadable()
    const error = vi.fn<Logger['error']>()
    const store = await openLevelStore(folder, { logger: { ...logger, error } })
    expect(store.loss).toBeUndefined()
    await expect(store.heads(wholeRing, { limit: Infinity })).rejects.toThrow(StoreError)
    expect(error.mock.calls.map(([message]) => message)).toContainEqual(
      expect.stringContaining('a part of the database cannot be read; restart this peer')
    )
    await store.close()
    const again = await open(folder)
    expect(again.loss).toMatch(/^a part of the database could not be read \(.*Corruption/)
    expect(await again.readMeta('identity')).toEqual(bytes('me'))
    const left = await again.heads(wholeRing, { limit: Infinity })
    expect(left.length).toBeGreaterThan(0)
    expect(left.length).toBeLessThan(many.length)
    await again.clear(['identity'])
    await again.mergeAll(many)
    await again.close()
    const whole = await open(folder)
    expect(whole.loss).toBeUndefined()
    expect((await whole.heads(wholeRing, { limit: Infinity })).length).toBe(many.length)
    await whole.close()
  })
})

describe('a LevelDB store whose metadata cannot be read', () => {
  it('repairs the database as it opens, and has lost something', async () => {
    const folder = temporaryFolder()
    const store = await open(folder)
    await store.writeMeta([['identity', bytes('me')]])
    await store.mergeAll(Array.from({ length: 3_000 }, (_, i) => recordOf(`key ${i}`, 1)))
    await store.close()
    await (await open(folder)).close()
    // Metadata comes before records, so it lies in the first block.
    flipBit(newest(folder, /\.ldb$/), 2)
    const again = await open(folder)
    expect(again.loss).toMatch(/^a part of the database could not be read/)
    await again.writeMeta([['identity', bytes('another')]])
    expect(await again.readMeta('identity')).toEqual(bytes('another'))
    await again.clear(['identity'])
    await again.close()
    expect(await lossOf(folder)).toBeUndefined()
  })
})

describe('the LevelDB store finds no loss', () => {
  it('after a kill', async () => {
    const folder = await killed()
    expect(await lossOf(folder)).toBeUndefined()
    const store = await open(folder)
    expect(store.usage().records).toBe(20)
    await store.close()
  })

  it('after a kill between a durable batch and the note of it', async () => {
    const folder = await killed()
    const older = temporaryFolder()
    await (await open(older)).close()
    cpSync(join(older, 'DURABLE'), join(folder, 'DURABLE'))
    expect(await lossOf(folder)).toBeUndefined()
  })

  it('where only a torn write that was never acknowledged ends the log', async () => {
    const folder = await killed()
    const log = newest(folder, /\.log$/)
    writeFileSync(log, Buffer.concat([readFileSync(log), Buffer.from('torn off')]))
    expect(await lossOf(folder)).toBeUndefined()
  })
})

describe('the LevelDB store finds a loss', () => {
  it('where its log was cut short, at any batch', async () => {
    const whole = await killed()
    const size = readFileSync(newest(whole, /\.log$/)).length
    for (const keep of [0, 1, 0.3, 0.7, 0.99]) {
      const folder = temporaryFolder()
      cpSync(whole, folder, { recursive: true })
      truncateSync(newest(folder, /\.log$/), keep === 1 ? size - 1 : Math.floor(size * keep))
      expect(await lossOf(folder)).toMatch(/the database ends at batch \d+, though batch 22 was durable/)
    }
  })

  it('where a log is gone', async () => {
    const folder = await killed()
    rmSync(newest(folder, /\.log$/))
    expect(await lossOf(folder)).toMatch(/its log was cut short/)
  })

  it('where the midst of its log was damaged', async () => {
    const folder = await killed()
    const log = newest(folder, /\.log$/)
    // LevelDB skips the rest of a block of 32 KiB: the damage has to have blocks behind it.
    const store = await open(folder)
    for (let i = 0; i < 100; i++)
      await store.merge(recordOf(`more ${i}`, i + 1, { value: new Uint8Array(1000) }))
    const copy = temporaryFolder()
    cpSync(folder, copy, { recursive: true })
    await store.close()
    expect(newest(copy, /\.log$/)).not.toBe(log)
    flipBit(newest(copy, /\.log$/), 40_000)
    expect(await lossOf(copy)).toMatch(/missing from the midst of the database's log, from batch \d+ on/)
  })

  it('where the file with the number of the last durable batch is damaged or gone', async () => {
    const folder = await killed()
    const copy = temporaryFolder()
    cpSync(folder, copy, { recursive: true })
    flipBit(join(folder, 'DURABLE'), 3)
    rmSync(join(copy, 'DURABLE'))
    expect(await lossOf(folder)).toMatch(/missing or damaged/)
    expect(await lossOf(copy)).toMatch(/missing or damaged/)
  })

  it.each([
    ['its manifest was cut short', (folder: string) => truncateSync(newest(folder, /^MANIFEST/), 10)],
    ['its manifest is gone', (folder: string) => rmSync(newest(folder, /^MANIFEST/))],
    ['its manifest is damaged', (folder: string) => flipBit(newest(folder, /^MANIFEST/), 9)],
    ['its file CURRENT is gone', (folder: string) => rmSync(newest(folder, /^CURRENT$/))],
    ['a table is gone', (folder: string) => rmSync(newest(folder, /\.ldb$/))]
  ])('and keeps what it can, where %s', async (_, damage) => {
    const folder = await closed()
    damage(folder)
    const store = await open(folder)
    expect(store.loss).toMatch(/the database was damaged \(.+\) and had to be repaired/)
    await store.merge(recordOf('new', 1))
    await store.close()
  })

  it('and keeps saying so until it is cleared', async () => {
    const folder = await killed()
    truncateSync(newest(folder, /\.log$/), 500)
    const loss = await lossOf(folder)
    expect(loss).toBeDefined()
    expect(await lossOf(folder)).toBe(loss)
    const store = await open(folder)
    await store.merge(recordOf('new', 1))
    await store.clear([])
    expect(store.loss).toBeUndefined()
    await store.close()
    expect(await lossOf(folder)).toBeUndefined()
  })
})
