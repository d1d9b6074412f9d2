/**
 * What every implementation of the Store port must do. A test file runs it over the implementation it tests;
 * one that survives its process also gives `reopen`.
 */
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import { type ScrubbedPart, type Store, StoreError } from '../../src/core/ports.ts'
import { noRecords } from '../../src/core/record/fingerprint.ts'
import { Fingerprints, slotCount } from '../../src/core/record/fingerprints.ts'
import { encodeRecord, type RecordFields } from '../../src/core/record/codec.ts'
import type { StoredRecord } from '../../src/core/record/record.ts'
import { compareVersions } from '../../src/core/record/version.ts'
import { comparePositions } from '../../src/core/ring/position.ts'

export interface StoreFactory {
  /** A new, empty store. */
  create(): Promise<Store>
  /** Closes what is left open and deletes it. */
  remove(store: Store): Promise<void>
  /** Closes a store and opens it again. */
  reopen?(store: Store): Promise<Store>
}

export function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}

/** A record of the key `key` written at `time`, with defaults for the rest. */
export function recordOf(key: string, time: number, rest: Partial<RecordFields> = {}): StoredRecord {
  const version = { time, writer: new Uint8Array(16).fill(1), rmw: 0 }
  return encodeRecord({ key: bytes(key), version, kind: 'value', expiresAt: 0, value: bytes(key), ...rest })
}

/** A record whose position is `first` and then zeros, to try the order of positions. */
export function recordAt(first: number): StoredRecord {
  return recordOf(`at ${first}`, 1, { position: positionAt(first) })
}

export function positionAt(first: number): Uint8Array {
  const position = new Uint8Array(32)
  position[0] = first
  return position
}

/** That a store's fingerprints are those of the records that it lists, slot by slot, and of no others. */
export async function expectCountedRight(store: Store): Promise<void> {
  await store.fingerprints.completed
  const rebuilt = new Fingerprints()
  const damaged: string[] = []
  const onDamaged = (position: Uint8Array): void => void damaged.push(hex(position))
  for (const head of await store.heads(wholeRing, { limit: Infinity, onDamaged })) rebuilt.add(head)
  for (let slot = 0; slot < slotCount; slot++) {
    const [counted, expected] = [store.fingerprints.sum(slot, slot + 1), rebuilt.sum(slot, slot + 1)]
    // Compared by hand first: an assertion for each of the slots would take seconds.
    const isSame =
      counted.count === expected.count && counted.low === expected.low && counted.high === expected.high
    if (!isSame) expect({ slot, ...counted }).toEqual({ slot, ...expected })
  }
  expect(store.fingerprints.damaged(0, slotCount).map(hex).sort()).toEqual(damaged.sort())
}

/** Value sizes on both sides of where a store may change how it keeps them. */
const valueSizes = [0, 1, 100, 1023, 1024, 1025, 5000, 300_000]
const wholeRing = { start: positionAt(0), end: positionAt(0) }

export function testStore(name: string, factory: StoreFactory): void {
  describe(name, () => {
    let store: Store
    beforeEach(async () => {
      store = await factory.create()
    })
    afterEach(async () => {
      await factory.remove(store)
    })
    const reopen = async (): Promise<void> => {
      if (factory.reopen !== undefined) store = await factory.reopen(store)
    }
    const expectUsage = async (records: readonly StoredRecord[]): Promise<void> => {
      const usage = { records: records.length, bytes: records.reduce((sum, { size }) => sum + size, 0) }
      expect(store.usage()).toEqual(usage)
      await expectCountedRight(store)
      await reopen()
      expect(store.usage()).toEqual(usage)
      await expectCountedRight(store)
    }

    it('holds nothing at first', async () => {
      expect(store.loss).toBeUndefined()
      expect(await store.head(positionAt(1))).toBeUndefined()
      expect(await store.read(positionAt(1))).toBeUndefined()
      expect(await store.readMeta('x')).toBeUndefined()
      expect(await store.heads(wholeRing, { limit: 10 })).toEqual([])
      await expectUsage([])
    })

    it.each(valueSizes)('gives back a record with a value of %i bytes, also when opened anew', async size => {
      const record = recordOf('a', 5, { value: new Uint8Array(size).fill(9), expiresAt: 77 })
      await store.merge(record)
      for (let i = 0; i < 2; i++) {
        expect(await store.read(record.position)).toEqual({
          ...record,
          position: expect.anything() as Uint8Array
        })
        const { position, version, kind, expiresAt } = record
        const head = await store.head(position)
        expect(head).toMatchObject({ version, kind, expiresAt, size: record.size })
        expect(comparePositions(head!.position, position)).toBe(0)
        await reopen()
      }
    })

    it('ends with the newest version, whatever the order and company of the merges', async () => {
      const versionsOfKeys = fc.array(
        fc.record({
          key: fc.constantFrom('a', 'b', 'c'),
          time: fc.integer({ min: 1, max: 4 }),
          writer: fc.integer({ min: 0, max: 3 }),
          size: fc.constantFrom(...valueSizes.slice(0, 6)),
          kind: fc.constantFrom('value' as const, 'tombstone' as const),
          together: fc.boolean(),
          wait: fc.boolean()
        }),
        { minLength: 1, maxLength: 25 }
      )
      await fc.assert(
        fc.asyncProperty(versionsOfKeys, async writes => {
          await store.clear([])
          const newest = new Map<string, StoredRecord>()
          const pending: Array<Promise<void>> = []
          let together: StoredRecord[] = []
          for (const write of writes) {
            const record = mergeable(write)
            const held = newest.get(write.key)
            if (compareVersions(record.version, held?.version) > 0) newest.set(write.key, record)
            together.push(record)
            if (write.together) continue
            pending.push(store.mergeAll(together))
            together = []
            if (write.wait) await pending.at(-1)
          }
          pending.push(store.mergeAll(together))
          await Promise.all(pending)
          for (const record of newest.values()) {
            expect((await store.read(record.position))?.encoded).toEqual(record.encoded)
          }
          const bytesHeld = [...newest.values()].reduce((sum, { size }) => sum + size, 0)
          expect(store.usage()).toEqual({ records: newest.size, bytes: bytesHeld })
        }),
        { numRuns: 60 }
      )
    })

    it('counts the fingerprints of what it holds after any changes, also when opened anew', async () => {
      const change = fc.record({
        what: fc.constantFrom(...(['merge', 'merge', 'merge', 'drop', 'clear', 'reopen', 'wait'] as const)),
        keys: fc.array(fc.constantFrom('a', 'b', 'c', 'd'), { minLength: 1, maxLength: 4 }),
        time: fc.integer({ min: 1, max: 4 }),
        kind: fc.constantFrom('value' as const, 'tombstone' as const),
        size: fc.constantFrom(0, 5000)
      })
      await fc.assert(
        fc.asyncProperty(fc.array(change, { maxLength: 20 }), async changes => {
          await store.clear([])
          let pending: Array<Promise<unknown>> = []
          for (const { what, keys, time, kind, size } of changes) {
            const records = keys.map(key => mergeable({ key, time, writer: 1, size, kind }))
            const [first] = records
            if (what === 'merge') pending.push(store.mergeAll(records))
            if (what === 'drop') pending.push(store.drop(first!.position, first!.version))
            if (what === 'clear') pending.push(store.clear([]))
            if (what === 'wait' || what === 'reopen') {
              await Promise.all(pending)
              pending = []
              await expectCountedRight(store)
            }
            if (what === 'reopen') await reopen()
          }
          await Promise.all(pending)
          await expectCountedRight(store)
        }),
        { numRuns: 40 }
      )
    })

    it('counts a record once its change is durable, and nothing of an older one', async () => {
      const record = recordOf('a', 2)
      await store.merge(record)
      const counted = store.fingerprints.sum(0, slotCount)
      expect(counted.count).toBe(1)
      await store.merge(recordOf('a', 1))
      expect(store.fingerprints.sum(0, slotCount)).toEqual(counted)
      await store.merge(recordOf('a', 3))
      expect(store.fingerprints.sum(0, slotCount)).toMatchObject({ count: 1 })
      expect(store.fingerprints.sum(0, slotCount)).not.toEqual(counted)
      await store.clear([])
      expect(store.fingerprints.sum(0, slotCount)).toEqual(noRecords)
    })

    it('resolves a merge only when a version at least as new is there to be read', async () => {
      const newer = store.merge(recordOf('a', 2))
      await store.merge(recordOf('a', 1))
      expect((await store.head(recordOf('a', 1).position))?.version.time).toBe(2)
      await newer
    })

    it('takes an equal version as held already', async () => {
      const record = recordOf('a', 1)
      await store.merge(record)
      await store.merge(recordOf('a', 1, { value: bytes('not the same') }))
      expect((await store.read(record.position))?.value).toEqual(record.value)
      await expectUsage([record])
    })

    it('orders equal times by writer', async () => {
      const writer = new Uint8Array(16).fill(1)
      writer[15] = 2
      const later = recordOf('a', 1, { version: { time: 1, writer, rmw: 0 }, value: bytes('later') })
      await store.mergeAll([later, recordOf('a', 1)])
      expect((await store.read(later.position))?.value).toEqual(bytes('later'))
    })

    it('takes a thousand merges at once', async () => {
      const records = Array.from({ length: 1000 }, (_, i) => recordOf(`key ${i}`, i + 1))
      await Promise.all(records.map(record => store.merge(record)))
      await expectUsage(records)
      for (const { position, version } of records)
        expect((await store.head(position))?.version).toEqual(version)
    })

    it('keeps tombstones and expired records with all their bytes', async () => {
      const deleted = recordOf('deleted', 2, { kind: 'tombstone', value: new Uint8Array(0) })
      const expired = recordOf('expired', 2, { expiresAt: 1 })
      await store.mergeAll([recordOf('deleted', 1, { value: new Uint8Array(5000) }), deleted, expired])
      expect((await store.read(deleted.position))?.kind).toBe('tombstone')
      expect((await store.read(expired.position))?.encoded).toEqual(expired.encoded)
      await expectUsage([deleted, expired])
    })

    it('finds nothing amiss where it reads all that it holds, and tells how much that was', async () => {
      const records = Array.from({ length: 200 }, (_, i) =>
        recordOf(`key ${i}`, 1, i % 10 === 0 ? { value: new Uint8Array(5000) } : {})
      )
      await store.mergeAll(records)
      for (let i = 0; i < 2; i++) {
        const read = { records: 0, bytes: 0 }
        const pace = (part: ScrubbedPart): Promise<void> => {
          read.records += part.records
          read.bytes += part.bytes
          return Promise.resolve()
        }
        expect(await store.scrub(0, 1_000, pace)).toEqual({ damaged: 0, miscounted: 0 })
        expect(await store.scrub(1_000, slotCount, pace)).toEqual({ damaged: 0, miscounted: 0 })
        expect(read.records).toBe(records.length)
        expect(read.bytes).toBeGreaterThanOrEqual(records.reduce((sum, { size }) => sum + size, 0))
        await expectCountedRight(store)
        await reopen()
      }
    })

    it('lets writes pass while it reads what it holds, and counts them right', async () => {
      const records = Array.from({ length: 300 }, (_, i) => recordOf(`key ${i}`, 1))
      await store.mergeAll(records)
      let parts = 0
      const pace = async (): Promise<void> => {
        const [changed, dropped] = [recordOf(`key ${parts}`, 2), records[200 + parts]!]
        parts++
        await Promise.all([store.merge(changed), store.drop(dropped.position, dropped.version)])
      }
      expect(await store.scrub(0, slotCount, pace)).toEqual({ damaged: 0, miscounted: 0 })
      expect(parts).toBeGreaterThan(0)
      expect(store.usage().records).toBe(records.length - parts)
      await expectCountedRight(store)
    })

    it('stops reading what it holds where it is told to', async () => {
      await store.merge(recordOf('a', 1))
      const stop = new Error('enough')
      await expect(store.scrub(0, slotCount, () => Promise.reject(stop))).rejects.toThrow('enough')
      await store.merge(recordOf('a', 2))
    })

    it('repairs nothing that is not damaged', async () => {
      const record = recordOf('a', 1)
      expect(await store.repair(record.position, record)).toBe(false)
      await store.merge(record)
      expect(await store.repair(record.position, recordOf('a', 2))).toBe(false)
      expect(await store.repair(record.position, undefined)).toBe(false)
      expect((await store.head(record.position))?.version.time).toBe(1)
      await expectCountedRight(store)
    })

    it('drops a record of just that version and no other', async () => {
      const record = recordOf('a', 2, { value: new Uint8Array(5000) })
      await store.merge(record)
      expect(await store.drop(record.position, recordOf('a', 1).version)).toBe(false)
      expect(await store.drop(record.position, recordOf('a', 3).version)).toBe(false)
      await expectUsage([record])
      expect(await store.drop(record.position, record.version)).toBe(true)
      expect(await store.drop(record.position, record.version)).toBe(false)
      expect(await store.read(record.position)).toBeUndefined()
      await expectUsage([])
    })

    it('decides drops and merges of one record in the order of their calls', async () => {
      const [first, second] = [recordOf('a', 1), recordOf('a', 2, { value: new Uint8Array(2000) })]
      const merged = store.merge(first)
      const outcomes = [
        store.drop(first.position, first.version),
        store.drop(first.position, first.version),
        store.merge(second).then(() => 'merged'),
        store.drop(first.position, first.version)
      ]
      expect(await Promise.all(outcomes)).toEqual([true, false, 'merged', false])
      await merged
      await expectUsage([second])
    })

    it('lists heads in ring order, in ranges that wrap or not, page by page', async () => {
      const firsts = [0, 3, 17, 128, 200, 255]
      await store.mergeAll([...firsts].reverse().map(recordAt))
      const list = async (start: number, end: number, limit = 100, after?: number): Promise<number[]> => {
        const range = { start: positionAt(start), end: positionAt(end) }
        const options = { limit, ...(after !== undefined && { after: positionAt(after) }) }
        return (await store.heads(range, options)).map(({ position }) => position[0]!)
      }
      expect(await list(3, 200)).toEqual([17, 128, 200])
      expect(await list(2, 199)).toEqual([3, 17, 128])
      expect(await list(200, 3)).toEqual([255, 0, 3])
      expect(await list(17, 17)).toEqual([128, 200, 255, 0, 3, 17])
      expect(await list(0, 0)).toEqual([3, 17, 128, 200, 255, 0])
      expect(await list(3, 200, 2)).toEqual([17, 128])
      expect(await list(200, 3, 2)).toEqual([255, 0])
      expect(await list(3, 200, 2, 128)).toEqual([200])
      expect(await list(200, 3, 2, 255)).toEqual([0, 3])
      expect(await list(200, 3, 2, 0)).toEqual([3])
      expect(await list(17, 17, 3, 255)).toEqual([0, 3, 17])
      expect(await list(17, 17, 3, 17)).toEqual([])
      expect(await list(3, 200, 2, 200)).toEqual([])
    })

    it('walks many records in pages without missing or repeating any', async () => {
      const records = Array.from({ length: 3000 }, (_, i) => recordOf(`key ${i}`, 1))
      await store.mergeAll(records)
      const range = { start: positionAt(100), end: positionAt(100) }
      const seen: Uint8Array[] = []
      for (;;) {
        const after = seen.at(-1)
        const page = await store.heads(range, { limit: 271, ...(after && { after }) })
        if (page.length === 0) break
        seen.push(...page.map(({ position }) => position))
      }
      const inOrder = records.map(({ position }) => position).sort(comparePositions)
      const turn = inOrder.findIndex(position => comparePositions(position, range.start) > 0)
      expect(seen.map(hex)).toEqual([...inOrder.slice(turn), ...inOrder.slice(0, turn)].map(hex))
    })

    it('reads, lists and deletes metadata', async () => {
      await store.writeMeta([
        ['b/2', bytes('two')],
        ['b/1', bytes('one')],
        ['a', bytes('other')],
        ['b/\u{1f600}', new Uint8Array(0)],
        ['b/\uffee', bytes('before it by bytes')]
      ])
      await reopen()
      expect(await store.readMeta('b/1')).toEqual(bytes('one'))
      const names = (await store.listMeta('b/')).map(([name]) => name)
      expect(names).toEqual(['b/1', 'b/2', 'b/\uffee', 'b/\u{1f600}'])
      await store.writeMeta([
        ['b/1', undefined],
        ['b/2', bytes('new')],
        ['missing', undefined]
      ])
      expect(await store.listMeta('b/1')).toEqual([])
      expect(await store.listMeta('b/2')).toEqual([['b/2', bytes('new')]])
      expect((await store.listMeta('')).length).toBe(4)
      await expectUsage([])
    })

    it('clears all but the metadata that is to be kept', async () => {
      await store.mergeAll([recordOf('a', 1), recordOf('b', 1, { value: new Uint8Array(5000) })])
      await store.writeMeta([
        ['identity', bytes('me')],
        ['identity/2', bytes('x')],
        ['log', bytes('y')]
      ])
      await store.clear(['identity'])
      for (let i = 0; i < 2; i++) {
        expect(await store.listMeta('')).toEqual([['identity', bytes('me')]])
        expect(await store.heads(wholeRing, { limit: 10 })).toEqual([])
        expect(await store.read(recordOf('b', 1).position)).toBeUndefined()
        await expectUsage([])
      }
      const old = recordOf('a', 1)
      await store.merge(old)
      await expectUsage([old])
    })

    it('takes what comes before a clear away, and keeps what comes after it', async () => {
      const after = recordOf('b', 1)
      await Promise.all([store.merge(recordOf('a', 1)), store.clear([]), store.merge(after)])
      await expectUsage([after])
    })

    it('makes pending changes durable when it closes, and refuses later calls', async () => {
      const record = recordOf('a', 1)
      const merged = store.merge(record)
      await store.close()
      await merged
      const late = [
        () => store.merge(record),
        () => store.mergeAll([]),
        () => store.drop(record.position, record.version),
        () => store.clear([]),
        () => store.head(record.position),
        () => store.read(record.position),
        () => store.heads(wholeRing, { limit: 1 }),
        () => store.scrub(0, slotCount, () => Promise.resolve()),
        () => store.readMeta('x'),
        () => store.listMeta(''),
        () => store.writeMeta([])
      ]
      for (const call of late) await expect(call()).rejects.toThrow(StoreError)
      await store.close()
    })

    it('does not change what it holds when a caller reuses its buffers', async () => {
      const record = recordOf('a', 1)
      const kept = record.encoded.slice()
      const value = bytes('meta')
      await Promise.all([store.merge(record), store.writeMeta([['name', value]])])
      record.encoded.fill(0)
      value.fill(0)
      expect((await store.read(recordOf('a', 1).position))?.encoded).toEqual(kept)
      expect(await store.readMeta('name')).toEqual(bytes('meta'))
    })
  })
}

interface Write {
  readonly key: string
  readonly time: number
  readonly writer: number
  readonly size: number
  readonly kind: 'value' | 'tombstone'
}

/** Equal versions come with equal bytes, as they do where no stamp is used twice. */
function mergeable({ key, time, writer, size, kind }: Write): StoredRecord {
  const stamp = new Uint8Array(16).fill(writer)
  stamp[14] = size % 251
  stamp[15] = kind === 'value' ? 0 : 1
  return recordOf(key, time, {
    version: { time, writer: stamp, rmw: 0 },
    kind,
    value: new Uint8Array(kind === 'value' ? size : 0).fill(time)
  })
}

function hex(position: Uint8Array): string {
  return Buffer.from(position).toString('hex')
}
