import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  writeFileSync
} from 'node:fs'
import { join } from 'node:path'

import { describe, expect, it, type Mock, vi } from 'vitest'

import { DamagedRecordError, type Logger, type Store, StoreError } from '../../src/core/ports.ts'
import { slotCount, slotOf } from '../../src/core/record/fingerprints.ts'
import type { StoredRecord } from '../../src/core/record/record.ts'
import { formatPosition } from '../../src/core/ring/position.ts'
import { openLevelStore } from '../../src/storage/level.ts'
import { type Level, openLevel } from '../../src/storage/open-level.ts'
import { recordRow, recordRows, valueRow, valueRows } from '../../src/storage/rows.ts'
import { bytes, expectCountedRight, positionAt, recordOf, testStore } from './store.conformance.ts'
import { temporaryFolder } from './temporary-folders.ts'

const silent: Logger = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }
const folders = new Map<Store, string>()
const wholeRing = { start: positionAt(0), end: positionAt(0) }

async function open(folder: string): Promise<Store> {
  const store = await openLevelStore(folder, { logger: silent })
  folders.set(store, folder)
  return store
}

testStore('the LevelDB store', {
  create: () => open(temporaryFolder()),
  remove: store => store.close(),
  reopen: async store => {
    await store.close()
    return open(folders.get(store)!)
  }
})

/** Opens the database of a closed store as it is. */
async function withRows<T>(folder: string, action: (level: Level) => Promise<T>): Promise<T> {
  const level = await openLevel(join(folder, 'level'), { createIfMissing: false })
  try {
    return await action(level)
  } finally {
    await level.close()
  }
}

const large = (size = 5000): { value: Uint8Array } => ({ value: new Uint8Array(size).fill(3) })

describe('the rows of the LevelDB store', () => {
  it('leave no value behind that was replaced or dropped', async () => {
    const folder = temporaryFolder()
    const store = await open(folder)
    const { position } = recordOf('a', 1)
    await store.merge(recordOf('a', 1, large()))
    await store.merge(recordOf('a', 2))
    await store.merge(recordOf('a', 3, large()))
    await store.mergeAll([recordOf('a', 4, large(6000)), recordOf('a', 5, large(7000))])
    await Promise.all([store.merge(recordOf('b', 1, large())), store.merge(recordOf('b', 2))])
    await store.merge(recordOf('c', 1, large()))
    await store.drop(recordOf('c', 1).position, recordOf('c', 1).version)
    await store.close()
    await withRows(folder, async level => {
      const values = await level.keys(valueRows).all()
      expect(values).toEqual([valueRow(position, recordOf('a', 5).version)])
      expect((await level.keys(recordRows).all()).length).toBe(2)
    })
  })

  it('hold small values with their heads and large ones apart', async () => {
    const folder = temporaryFolder()
    const store = await open(folder)
    await store.mergeAll([recordOf('small', 1, large(1024)), recordOf('large', 1, large(1025))])
    await store.close()
    await withRows(folder, async level => {
      const rows = await level.getMany([
        recordRow(recordOf('small', 1).position),
        recordRow(recordOf('large', 1).position)
      ])
      expect(rows.map(row => row?.length)).toEqual([52 + 5 + 1024, 52 + 5])
    })
  })
})

describe('group commit', () => {
  it('makes what arrives during one sync durable with the next', async () => {
    const sizes: number[] = []
    const store = await openLevelStore(temporaryFolder(), {
      logger: silent,
      open: async (location, options) => {
        const level = await openLevel(location, options)
        const batch = level.batch.bind(level) as (changes: unknown[], options: object) => Promise<void>
        // The overload that collects a chain is not used here.
        level.batch = ((changes: unknown[], options: { sync: boolean }) => {
          if (options.sync) sizes.push(changes.length)
          return batch(changes, options)
        }) as typeof level.batch
        return level
      }
    })
    sizes.length = 0
    const inFlight = Array.from({ length: 64 }, async (_, i) => {
      for (let time = 1; time <= 10; time++) await store.merge(recordOf(`key ${i}`, time))
    })
    await Promise.all(inFlight)
    await store.close()
    // Each batch holds a change of each of the 64 and of its slot, the counters and the batch's number.
    expect(sizes).toEqual(Array.from({ length: 10 }, () => 130))
  })

  it('shows a write to readers only when it is durable', async () => {
    const gate = Promise.withResolvers<undefined>()
    let gated = false
    const store = await openLevelStore(temporaryFolder(), {
      logger: silent,
      open: (location, options) =>
        faultyLevel(location, options, async () => {
          if (gated) await gate.promise
        })
    })
    gated = true
    const record = recordOf('a', 1)
    const merged = store.merge(record)
    const drained = store.writeMeta([['name', bytes('x')]])
    await new Promise(resolve => setImmediate(resolve))
    expect(await store.head(record.position)).toBeUndefined()
    expect(await store.readMeta('name')).toBeUndefined()
    expect(store.usage().records).toBe(0)
    expect(store.fingerprints.sum(0, slotCount).count).toBe(0)
    gate.resolve(undefined)
    await Promise.all([merged, drained])
    expect(await store.head(record.position)).toBeDefined()
    await store.close()
  })
})

/** A database whose batches wait for, or fail with, `before`. */
async function faultyLevel(
  location: string,
  options: { createIfMissing: boolean },
  before: () => Promise<void>
): Promise<Level> {
  const level = await openLevel(location, options)
  const batch = level.batch.bind(level) as (...args: unknown[]) => Promise<void>
  // The overload that collects a chain is not used here.
  level.batch = (async (...args: unknown[]) => {
    await before()
    await batch(...args)
  }) as unknown as typeof level.batch
  return level
}

describe('a LevelDB store whose disk fails', () => {
  it('rejects every change of a failed batch, shows none, and takes up again when the disk does', async () => {
    const folder = temporaryFolder()
    let failing = false
    const store = await openLevelStore(folder, {
      logger: silent,
      open: (location, options) =>
        faultyLevel(location, options, () =>
          failing ? Promise.reject(new Error('no space left on device')) : Promise.resolve()
        )
    })
    const record = recordOf('a', 1)
    await store.merge(record)
    failing = true
    const changes = [
      store.merge(recordOf('a', 2)),
      store.merge(recordOf('b', 1)),
      store.drop(record.position, record.version),
      store.writeMeta([['name', bytes('x')]])
    ]
    for (const change of changes) await expect(change).rejects.toThrow(StoreError)
    await expect(store.clear([])).rejects.toThrow('no space left on device')
    expect((await store.head(record.position))?.version.time).toBe(1)
    expect(store.usage()).toEqual({ records: 1, bytes: record.size })
    failing = false
    await store.merge(recordOf('b', 2))
    expect(store.usage().records).toBe(2)
    await expectCountedRight(store)
    await store.close()
    const again = await open(folder)
    expect(again.loss).toBeUndefined()
    expect((await again.head(recordOf('b', 1).position))?.version.time).toBe(2)
    await again.close()
  })

  it('is opened anew by a read, too, where that failed at first', async () => {
    vi.useFakeTimers({ toFake: ['performance'] })
    let failing = false
    const store = await openLevelStore(temporaryFolder(), {
      logger: silent,
      open: (location, options) =>
        failing
          ? Promise.reject(new Error('Database failed to open', { cause: new Error('input/output error') }))
          : faultyLevel(location, options, () =>
              failing ? Promise.reject(new Error('input/output error')) : Promise.resolve()
            )
    })
    const record = recordOf('a', 1)
    await store.merge(record)
    failing = true
    await expect(store.merge(recordOf('b', 1))).rejects.toThrow('input/output error')
    expect((await store.head(record.position))?.version.time).toBe(1)
    expect(store.trouble).toBe('its disk took no write when it was last asked to')
    await expect(store.merge(recordOf('b', 1))).rejects.toThrow('cannot be opened anew: input/output error')
    failing = false
    // Not at once: each attempt may take long.
    await expect(store.head(record.position)).rejects.toThrow('cannot be opened anew: input/output error')
    vi.advanceTimersByTime(1_000)
    expect((await store.head(record.position))?.version.time).toBe(1)
    expect(store.trouble).toBeUndefined()
    await store.close()
    vi.useRealTimers()
  })

  it('counts a batch that reached the disk though it was reported as failed', async () => {
    const folder = temporaryFolder()
    let failing = false
    const store = await openLevelStore(folder, {
      logger: silent,
      open: async (location, options) => {
        const level = await openLevel(location, options)
        const batch = level.batch.bind(level) as (...args: unknown[]) => Promise<void>
        // The overload that collects a chain is not used here.
        level.batch = (async (...args: unknown[]) => {
          await batch(...args)
          if (failing) throw new Error('input/output error')
        }) as unknown as typeof level.batch
        return level
      }
    })
    const records = [recordOf('a', 1), recordOf('b', 1, large()), recordOf('c', 1)]
    await store.merge(records[0]!)
    failing = true
    await expect(store.merge(records[1]!)).rejects.toThrow(StoreError)
    failing = false
    await store.merge(records[2]!)
    expect(store.usage()).toEqual({ records: 3, bytes: records.reduce((sum, { size }) => sum + size, 0) })
    await store.close()
    const again = await open(folder)
    expect(again.loss).toBeUndefined()
    expect(again.usage().records).toBe(3)
    await again.close()
  })

  it('finishes a clear that was cut short, on the next opening, and shows nothing of it before', async () => {
    const folder = temporaryFolder()
    let batchesLeft = Infinity
    const store = await openLevelStore(folder, {
      logger: silent,
      open: (location, options) =>
        faultyLevel(location, options, () =>
          batchesLeft-- > 0 ? Promise.resolve() : Promise.reject(new Error('power cut'))
        )
    })
    await store.mergeAll(Array.from({ length: 3000 }, (_, i) => recordOf(`key ${i}`, 1)))
    await store.writeMeta([
      ['identity', bytes('me')],
      ['log', bytes('y')]
    ])
    batchesLeft = 2
    await expect(store.clear(['identity'])).rejects.toThrow('power cut')
    expect(await store.heads(wholeRing, { limit: 10 })).toEqual([])
    expect(await store.head(recordOf('key 1', 1).position)).toBeUndefined()
    expect(await store.listMeta('')).toEqual([['identity', bytes('me')]])
    await store.close()
    const again = await open(folder)
    expect(again.usage()).toEqual({ records: 0, bytes: 0 })
    expect(await again.heads(wholeRing, { limit: 10 })).toEqual([])
    expect(await again.listMeta('')).toEqual([['identity', bytes('me')]])
    await again.close()
    expect(await withRows(folder, level => level.keys(recordRows).all())).toEqual([])
  })
})

describe('a damaged record in a LevelDB store', () => {
  const record = recordOf('a', 5)
  const other = recordOf('b', 5)

  async function damaged(
    stored: StoredRecord,
    damage: (level: Level) => Promise<void>
  ): Promise<[Store, Mock]> {
    const folder = temporaryFolder()
    const store = await open(folder)
    await store.mergeAll([stored, other])
    await store.close()
    await withRows(folder, damage)
    const error = vi.fn<Logger['error']>()
    return [await openLevelStore(folder, { logger: { ...silent, error } }), error]
  }

  async function expectRefused(store: Store): Promise<void> {
    await expect(store.head(record.position)).rejects.toThrow(DamagedRecordError)
    await expect(store.read(record.position)).rejects.toThrow(DamagedRecordError)
    await expect(store.merge(recordOf('a', 9))).rejects.toThrow(DamagedRecordError)
    await expect(store.drop(record.position, record.version)).rejects.toThrow(DamagedRecordError)
  }

  it('is not served, listed or written, and stands in no one else’s way', async () => {
    const row = recordRow(record.position)
    const [store, logged] = await damaged(record, async level => {
      const bad = new Uint8Array((await level.get(row))!)
      bad[20]! ^= 1
      await level.put(row, bad)
    })
    await expectRefused(store)
    const together = store.mergeAll([recordOf('a', 9), recordOf('b', 9), recordOf('c', 9)])
    await expect(together).rejects.toThrow(/is damaged: the record's head fails its checksum/)
    expect((await store.head(other.position))?.version.time).toBe(9)
    const passedOver: Uint8Array[] = []
    const onDamaged = (position: Uint8Array): void => void passedOver.push(position.slice())
    for (let i = 0; i < 2; i++)
      expect((await store.heads(wholeRing, { limit: 10, onDamaged })).length).toBe(2)
    expect(passedOver.map(formatPosition)).toEqual([record.position, record.position].map(formatPosition))
    await expectCountedRight(store)
    expect(logged).toHaveBeenCalledTimes(1)
    await store.close()
  })

  it.each([
    ['its row', undefined],
    ['the value apart', large()]
  ])('takes reads and writes again when it was repaired, and leaves nothing behind: %s', async (_, rest) => {
    const stored = recordOf('a', 5, rest ?? {})
    const row = rest === undefined ? recordRow(stored.position) : valueRow(stored.position, stored.version)
    for (const repaired of [recordOf('a', 3), recordOf('a', 7, large()), undefined]) {
      const [store] = await damaged(stored, async level => {
        const bad = new Uint8Array((await level.get(row))!)
        bad[20]! ^= 1
        await level.put(row, bad)
      })
      await expect(store.read(stored.position)).rejects.toThrow(DamagedRecordError)
      expect(await store.repair(stored.position, repaired)).toBe(true)
      expect(await store.read(stored.position)).toEqual(repaired)
      const left = [other, ...(repaired === undefined ? [] : [repaired])]
      expect(store.usage()).toEqual({
        records: left.length,
        bytes: left.reduce((sum, { size }) => sum + size, 0)
      })
      expect(await store.repair(stored.position, recordOf('a', 8))).toBe(false)
      await store.merge(recordOf('a', 9))
      expect((await store.head(stored.position))?.version.time).toBe(9)
      await expectCountedRight(store)
      await store.close()
    }
  })

  const flipped =
    (row: Uint8Array, at: number) =>
    async (level: Level): Promise<void> => {
      const bad = new Uint8Array((await level.get(row))!)
      bad[at < 0 ? bad.length + at : at]! ^= 1
      await level.put(row, bad)
    }
  const noPause = (): Promise<void> => Promise.resolve()

  it.each([
    ['head', {}, (stored: StoredRecord) => flipped(recordRow(stored.position), 20)],
    ['value', {}, (stored: StoredRecord) => flipped(recordRow(stored.position), -1)],
    ['value apart', large(), (stored: StoredRecord) => flipped(valueRow(stored.position, stored.version), 9)]
  ])(
    'is found where all is read, and counts as if it had been read: a bit of its %s',
    async (_, rest, flip) => {
      const stored = recordOf('a', 5, rest)
      const [store] = await damaged(stored, flip(stored))
      await store.fingerprints.completed
      expect(await store.scrub(0, slotCount, noPause)).toEqual({ damaged: 1, miscounted: 0 })
      expect(await store.scrub(0, slotCount, noPause)).toEqual({ damaged: 0, miscounted: 0 })
      await expectRefused(store)
      expect(store.fingerprints.sum(0, slotCount).count).toBe(1)
      expect(store.fingerprints.damaged(0, slotCount).map(formatPosition)).toEqual([
        formatPosition(stored.position)
      ])
      await expectCountedRight(store)
      await store.close()
    }
  )

  it('is found in its value by whoever reads it, and then has no vote either', async () => {
    const [store] = await damaged(record, flipped(recordRow(record.position), -1))
    expect((await store.head(record.position))?.version.time).toBe(5)
    await expect(store.read(record.position)).rejects.toThrow(DamagedRecordError)
    await expectRefused(store)
    await store.close()
  })

  it('is found where its row is cut off', async () => {
    const row = recordRow(record.position)
    const [store] = await damaged(record, async level =>
      level.put(row, (await level.get(row))!.subarray(0, -1))
    )
    await expectRefused(store)
    await store.close()
  })

  it('is found where it lies under the position of another', async () => {
    const [store] = await damaged(record, async level =>
      level.put(recordRow(record.position), (await level.get(recordRow(other.position)))!)
    )
    await expectRefused(store)
    await store.close()
  })

  it.each([
    ['is changed', (level: Level, row: Uint8Array) => level.put(row, new Uint8Array(5000).fill(4))],
    ['is missing', (level: Level, row: Uint8Array) => level.del(row)]
  ])('counts as such, for votes and writes too, once its value was found so: it %s', async (_, damage) => {
    const stored = recordOf('a', 5, large())
    const [store] = await damaged(stored, level => damage(level, valueRow(stored.position, stored.version)))
    expect((await store.head(stored.position))?.version.time).toBe(5)
    await store.fingerprints.completed
    expect(store.fingerprints.sum(0, slotCount).count).toBe(2)
    await expect(store.read(stored.position)).rejects.toThrow(DamagedRecordError)
    await expectRefused(store)
    // The change comes behind the slot's being counted anew.
    await store.merge(recordOf('c', 1))
    expect(store.fingerprints.sum(0, slotCount).count).toBe(2)
    await expectCountedRight(store)
    await store.close()
  })
})

describe('a record that is gone from a LevelDB store without a trace', () => {
  /** A store, and its database behind its back. */
  async function opened(records: readonly StoredRecord[]): Promise<{ store: Store; level: Level }> {
    const found: { level?: Level } = {}
    const store = await openLevelStore(temporaryFolder(), {
      logger: silent,
      open: async (location, options) => (found.level = await openLevel(location, options))
    })
    await store.mergeAll(records)
    return { store, level: found.level! }
  }
  const noPause = (): Promise<void> => Promise.resolve()
  const records = Array.from({ length: 100 }, (_, i) => recordOf(`key ${i}`, 1))
  const { position } = records[3]!

  it('is out of the fingerprints when all has been read', async () => {
    const { store, level } = await opened(records)
    await level.del(recordRow(position))
    expect(store.fingerprints.sum(0, slotCount).count).toBe(100)
    const slot = slotOf(position)
    expect(await store.scrub(slot + 1, slotCount, noPause)).toEqual({ damaged: 0, miscounted: 0 })
    expect(await store.scrub(0, slot + 1, noPause)).toEqual({ damaged: 0, miscounted: 1 })
    expect(store.fingerprints.sum(0, slotCount).count).toBe(99)
    await expectCountedRight(store)
    await store.close()
  })

  it('is so too where an older version has come up in its place', async () => {
    const older = recordOf('key 3', 0)
    const { store, level } = await opened(records)
    await level.put(recordRow(position), older.encoded)
    expect(await store.scrub(0, slotCount, noPause)).toEqual({ damaged: 0, miscounted: 1 })
    await expectCountedRight(store)
    await store.merge(records[3]!)
    expect((await store.head(position))?.version.time).toBe(1)
    await store.close()
  })

  it('is so too where a bit of its key has flipped, and is damaged where it came up', async () => {
    const elsewhere = new Uint8Array(position)
    elsewhere[31]! ^= 1
    const { store, level } = await opened(records)
    await level.del(recordRow(position))
    await level.put(recordRow(elsewhere), records[3]!.encoded)
    expect(await store.scrub(0, slotCount, noPause)).toMatchObject({ damaged: 1 })
    expect(store.fingerprints.damaged(0, slotCount).map(formatPosition)).toEqual([formatPosition(elsewhere)])
    await expectCountedRight(store)
    expect(await store.repair(elsewhere, undefined)).toBe(true)
    await store.merge(records[3]!)
    expect(store.fingerprints.sum(0, slotCount).count).toBe(100)
    await expectCountedRight(store)
    await store.close()
  })
})

describe('the folder of a LevelDB store', () => {
  it('is refused to a second opener, by name', async () => {
    const folder = temporaryFolder()
    const store = await open(folder)
    await expect(open(folder)).rejects.toMatchObject({
      code: 'ERR_STORE_LOCKED',
      message: `another process uses the data folder ${folder}`
    })
    await store.close()
    await (await open(folder)).close()
  })

  it('is refused where it has a newer format, naming both', async () => {
    const folder = temporaryFolder()
    writeFileSync(join(folder, 'FORMAT'), 'annulus store 2\n')
    await expect(open(folder)).rejects.toMatchObject({
      code: 'ERR_STORE',
      message: `the data folder ${folder} cannot be used: it has format 2, and this version of Annulus reads up to format 1; use a newer one`
    })
  })

  it('is refused and left alone where it is not of Annulus', async () => {
    const folder = temporaryFolder()
    writeFileSync(join(folder, 'thesis.txt'), '')
    const opening = open(folder)
    await expect(opening).rejects.toThrow(/is not empty/)
    await expect(opening).rejects.toMatchObject({ code: 'ERR_STORE' })
    expect(readdirSync(folder)).toEqual(['thesis.txt'])
  })

  it('is refused in one line where it is no folder', async () => {
    const file = join(temporaryFolder(), 'file')
    writeFileSync(file, '')
    const opening = open(file)
    await expect(opening).rejects.toThrow(/^[^\n]*EEXIST[^\n]*$/)
    await expect(opening).rejects.toMatchObject({ code: 'ERR_STORE' })
  })

  it.each(['FORMAT', 'LOSS', 'DURABLE', 'level/CURRENT'])(
    'is refused where a folder lies in the place of %s, naming it, and all else stays as it is',
    async name => {
      const folder = temporaryFolder()
      const store = await open(folder)
      await store.merge(recordOf('a', 1))
      await store.close()
      const moved = join(temporaryFolder(), 'moved')
      if (name !== 'LOSS') renameSync(join(folder, name), moved)
      mkdirSync(join(folder, name))
      const message = new RegExp(`^the data folder ${folder} cannot be used: [^\\n]*${name}[^\\n]*$`)
      await expect(open(folder)).rejects.toMatchObject({ code: 'ERR_STORE' })
      await expect(open(folder)).rejects.toThrow(message)
      rmdirSync(join(folder, name))
      if (name !== 'LOSS') renameSync(moved, join(folder, name))
      const again = await open(folder)
      expect(again.loss).toBeUndefined()
      expect((await again.head(recordOf('a', 1).position))?.version.time).toBe(1)
      await again.close()
    }
  )

  it('is made anew where its making was interrupted', async () => {
    const folder = temporaryFolder()
    writeFileSync(join(folder, 'FORMAT.new'), 'annu')
    const store = await open(folder)
    await store.close()
    expect(readFileSync(join(folder, 'FORMAT'), 'utf8')).toBe('annulus store 1\n')
    expect(existsSync(join(folder, 'level', 'CURRENT'))).toBe(true)
  })
})
