/** How the LevelDB store keeps the fingerprints of its slots on disk, and counts them anew where it must. */
import { cpSync } from 'node:fs'
import { join } from 'node:path'

import { afterEach, describe, expect, it, vi } from 'vitest'

import type { Logger, Store } from '../../src/core/ports.ts'
import { slotCount, slotOf } from '../../src/core/record/fingerprints.ts'
import { openLevelStore } from '../../src/storage/level.ts'
import { type Level, openLevel, type OpenLevel } from '../../src/storage/open-level.ts'
import { recordRow, recordRows, slotRows, usageRow } from '../../src/storage/rows.ts'
import { putSlot, slotRow } from '../../src/storage/slot-rows.ts'
import { expectCountedRight, recordOf } from './store.conformance.ts'
import { temporaryFolder } from './temporary-folders.ts'

const logger: Logger = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }
const open = (folder: string): Promise<Store> => openLevelStore(folder, { logger })
const total = (store: Store): number => store.fingerprints.sum(0, slotCount).count

async function filled(count: number): Promise<string> {
  const folder = temporaryFolder()
  const store = await open(folder)
  await store.mergeAll(Array.from({ length: count }, (_, i) => recordOf(`key ${i}`, 2)))
  await store.close()
  return folder
}

/** Changes the rows of a closed store. */
async function withRows(folder: string, action: (level: Level) => Promise<unknown>): Promise<void> {
  const level = await openLevel(join(folder, 'level'), { createIfMissing: false })
  await action(level).finally(() => level.close())
}

async function isCompleted(store: Store): Promise<boolean> {
  const not = new Promise<boolean>(resolve => setImmediate(() => resolve(false)))
  return Promise.race([store.fingerprints.completed.then(() => true), not])
}

/** For what is waited for while timers stand still. */
async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise(resolve => setImmediate(resolve))
}

/** Fails whoever walks over the records of a store, so many times. */
function failingWalks(count: number): { readonly open: OpenLevel; readonly failed: () => number } {
  let failed = 0
  const open: OpenLevel = async (location, options) => {
    const level = await openLevel(location, options)
    const iterator = level.iterator.bind(level) as (range: object) => Iterated
    // The overloads that give other types of keys are not used here.
    level.iterator = ((range: { gte?: Uint8Array }) => {
      const made = iterator(range)
      if (range.gte !== recordRows.gte || failed >= count) return made
      failed++
      const nextv = made.nextv.bind(made)
      // What it read before that does not count.
      let pages = 0
      made.nextv = size => (pages++ === 0 ? nextv(size) : Promise.reject(new Error('a test wants it so')))
      return made
    }) as unknown as typeof level.iterator
    return level
  }
  return { open, failed: () => failed }
}

/** Holds up whoever walks over the records of a store, until the next page is let through. */
class PagesOfRecords {
  #isHolding = true
  #waiting: Array<() => void> = []

  readonly open: OpenLevel = async (location, options) => {
    const level = await openLevel(location, options)
    const iterator = level.iterator.bind(level) as (range: object) => Iterated
    // The overloads that give other types of keys are not used here.
    level.iterator = ((range: { gte?: Uint8Array }) => {
      const made = iterator(range)
      if (range.gte !== recordRows.gte) return made
      const nextv = made.nextv.bind(made)
      made.nextv = async size => {
        if (this.#isHolding) await new Promise<void>(resolve => this.#waiting.push(resolve))
        return nextv(size)
      }
      return made
    }) as unknown as typeof level.iterator
    return level
  }

  next(): void {
    for (const resolve of this.#waiting.splice(0)) resolve()
  }

  holdNoMore(): void {
    this.#isHolding = false
    this.next()
  }
}

interface Iterated {
  nextv(size: number): Promise<unknown>
}

/** As the program wrote it before there were rows of slots. */
const asOlderProgram = async (level: Level): Promise<void> => {
  await level.clear(slotRows)
  await level.put(usageRow, (await level.get(usageRow))!.subarray(0, 16))
}

afterEach(() => {
  vi.useRealTimers()
})

describe('the fingerprints of a LevelDB store', () => {
  it('are there when it opens', async () => {
    const store = await open(await filled(5_000))
    expect(total(store)).toBe(5_000)
    expect(await isCompleted(store)).toBe(true)
    await expectCountedRight(store)
    await store.close()
  })

  it('are right after a kill at any batch, without being counted', async () => {
    const folder = temporaryFolder()
    const store = await open(folder)
    for (let i = 3; i < 40; i++) {
      const { position, version } = recordOf(`key ${i - 3}`, i - 3)
      if (i % 4 === 3) await store.drop(position, version)
      await Promise.all([
        store.merge(recordOf(`key ${i}`, i)),
        store.merge(recordOf(`key ${i - (i % 3)}`, i))
      ])
      const copy = temporaryFolder()
      cpSync(folder, copy, { recursive: true })
      const killed = await open(copy)
      expect(await isCompleted(killed)).toBe(true)
      await expectCountedRight(killed)
      await killed.close()
    }
    await store.close()
  })

  const first = recordOf('key 0', 2)
  const slot = slotOf(first.position)
  it.each([
    ['an older program wrote it', asOlderProgram],
    ['a slot has lost its row', (level: Level) => level.del(slotRow(slot))],
    [
      'the row of a slot is damaged',
      async (level: Level) => {
        const row = (await level.get(slotRow(slot)))!
        row[6]! ^= 1
        await level.put(slotRow(slot), row)
      }
    ],
    [
      'a slot has the row of another',
      async (level: Level) => level.put(slotRow(slot ^ 1), (await level.get(slotRow(slot)))!)
    ],
    [
      'a record has gone that they count',
      (level: Level) => level.put(slotRow(slot), putSlot(slot, { count: 2, low: 0, high: 0 }).value)
    ]
  ])('are counted anew, and kept from then on, where %s', async (_, change) => {
    const folder = await filled(300)
    await withRows(folder, change)
    const counting = await open(folder)
    expect(await isCompleted(counting)).toBe(false)
    await expectCountedRight(counting)
    await counting.merge(recordOf('one more', 1))
    await counting.close()
    const store = await open(folder)
    expect(await isCompleted(store)).toBe(true)
    expect(total(store)).toBe(301)
    await expectCountedRight(store)
    await store.close()
  })

  it('are counted right whatever is changed meanwhile', async () => {
    const folder = await filled(5_000)
    await withRows(folder, asOlderProgram)
    const pages = new PagesOfRecords()
    const store = await openLevelStore(folder, { logger, open: pages.open })
    expect(total(store)).toBe(0)
    let changes = 0
    for (let i = 0; !(await isCompleted(store)); i += 7, changes++) {
      await store.merge(recordOf(`key ${i % 5_000}`, 3 + i))
      const { position, version } = recordOf(`key ${(i + 1) % 5_000}`, 2)
      await store.drop(position, version)
      pages.next()
    }
    // A page has fewer rows than that.
    expect(changes).toBeGreaterThan(5_000 / 1024)
    pages.holdNoMore()
    // Behind the last page, while the slots get their rows.
    await Promise.all(Array.from({ length: 50 }, (_, i) => store.merge(recordOf(`late ${i}`, 1))))
    await expectCountedRight(store)
    await store.close()
    const again = await open(folder)
    await expectCountedRight(again)
    await again.close()
  })

  it('are counted again where the disk fails meanwhile, ever later, and say why until they are', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    const folder = await filled(2_000)
    await withRows(folder, asOlderProgram)
    const { open: openFailing, failed } = failingWalks(3)
    const store = await openLevelStore(folder, { logger, open: openFailing })
    for (const [i, delayMs] of [1_000, 2_000, 4_000].entries()) {
      await until(() => failed() === i + 1 && vi.getTimerCount() === 1)
      expect(store.fingerprints.trouble).toBe('a test wants it so')
      expect(await isCompleted(store)).toBe(false)
      // What is there can be read and written all the while.
      await store.merge(recordOf(`key ${i}`, 3))
      expect((await store.head(first.position))?.version.time).toBe(3)
      await vi.advanceTimersByTimeAsync(delayMs - 1)
      expect(vi.getTimerCount()).toBe(1)
      await vi.advanceTimersByTimeAsync(1)
    }
    await store.fingerprints.completed
    expect(store.fingerprints.trouble).toBeUndefined()
    await expectCountedRight(store)
    await store.close()
    const kept = await open(folder)
    expect(await isCompleted(kept)).toBe(true)
    await kept.close()
  })

  it('are not counted again once the store is closed, or cleared', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    for (const end of ['close', 'clear'] as const) {
      const folder = await filled(2_000)
      await withRows(folder, asOlderProgram)
      const store = await openLevelStore(folder, { logger, open: failingWalks(1).open })
      await until(() => vi.getTimerCount() === 1)
      if (end === 'clear') {
        await store.clear([])
        await expectCountedRight(store)
        expect(store.fingerprints.trouble).toBeUndefined()
      }
      await store.close()
      expect(vi.getTimerCount()).toBe(0)
    }
  })

  it('end being counted with the store, and with a clear', async () => {
    const folder = await filled(5_000)
    await withRows(folder, asOlderProgram)
    await (await open(folder)).close()
    const store = await open(folder)
    expect(await isCompleted(store)).toBe(false)
    await store.clear([])
    await expectCountedRight(store)
    await store.merge(first)
    await store.close()
    const again = await open(folder)
    expect(await isCompleted(again)).toBe(true)
    await expectCountedRight(again)
    await again.close()
  })

  it('are counted anew at each opening from when a damaged record was found until it is repaired', async () => {
    const folder = await filled(300)
    await withRows(folder, level => level.put(recordRow(first.position), new Uint8Array(60)))
    const finding = await open(folder)
    await expect(finding.head(first.position)).rejects.toThrow('is damaged')
    await finding.merge(recordOf('one more', 1))
    await finding.close()
    const counting = await open(folder)
    await counting.fingerprints.completed
    expect(counting.fingerprints.damaged(0, slotCount).length).toBe(1)
    expect(total(counting)).toBe(300)
    expect(await counting.repair(first.position, first)).toBe(true)
    await expectCountedRight(counting)
    await counting.close()
    const repaired = await open(folder)
    await expectCountedRight(repaired)
    expect(total(repaired)).toBe(301)
    await repaired.close()
    const kept = await open(folder)
    expect(await isCompleted(kept)).toBe(true)
    await kept.close()
  })

  it('are counted anew when it opens after a record was found gone without a trace', async () => {
    const folder = await filled(300)
    await withRows(folder, level => level.del(recordRow(first.position)))
    const store = await open(folder)
    expect(total(store)).toBe(300)
    expect(await store.scrub(0, slotCount, () => Promise.resolve())).toMatchObject({ miscounted: 1 })
    await store.merge(recordOf('one more', 1))
    await store.close()
    for (let i = 0; i < 2; i++) {
      const again = await open(folder)
      expect(await isCompleted(again)).toBe(false)
      await expectCountedRight(again)
      expect(total(again)).toBe(300)
      await again.close()
    }
  })
})
