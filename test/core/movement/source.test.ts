import { describe, expect, it } from 'vitest'
import { maxBatchBytes } from '../../../src/core/limits.ts'
import { MovementSource } from '../../../src/core/movement/source.ts'
import { toWireVersions } from '../../../src/core/movement/wire.ts'
import type { StoredRecord } from '../../../src/core/record/record.ts'
import { comparePositions, formatPosition } from '../../../src/core/ring/position.ts'
import { wholeRing } from '../../../src/core/ring/range.ts'
import type { ListVersions } from '../../../src/wire/generated/messages.ts'
import { DamageableStore, recordOf, recordsOf } from './world.ts'

const badRequest = { name: 'ServeError', code: 'bad-request' }
const ranges = [wholeRing] as ListVersions['ranges']

async function make(records: readonly StoredRecord[]) {
  const store = new DamageableStore()
  await store.mergeAll(records)
  return { store, source: new MovementSource({ store }) }
}

/** Positions as they stand in messages. */
const at = ({ position }: StoredRecord) => position
const inRingOrder = (records: StoredRecord[]) =>
  records.sort((a, b) => comparePositions(a.position, b.position))

describe('a source that is asked for versions', () => {
  it('lists in one page what fits, in ring order, tombstones and expired records among them', async () => {
    const records = [
      recordOf('value'),
      recordOf('deleted', 1, { kind: 'tombstone', value: new Uint8Array() }),
      recordOf('expired', 1, { expiresAt: 1 })
    ]
    const { source } = await make(records)
    const { versionPage } = await source.listVersions({ ranges, rangeIndex: 0, after: new Uint8Array() })
    expect(versionPage).toMatchObject({ finished: true })
    expect(versionPage!.versions).toEqual(toWireVersions(inRingOrder(records)))
  })

  it('goes on from page to page over ranges that hold more than 1,024', async () => {
    const records = inRingOrder(recordsOf(3_000))
    const { source } = await make(records)
    // The ring in two: the second range begins in the midst of a page.
    const cut = at(records[1_500]!)
    const halves = [
      { start: at(records.at(-1)!), end: cut },
      { start: cut, end: at(records.at(-1)!) }
    ]
    const listed: string[] = []
    const sizes: number[] = []
    let next: { rangeIndex: number; after: Uint8Array } = { rangeIndex: 0, after: new Uint8Array() }
    for (let finished = false; !finished;) {
      const { versionPage } = await source.listVersions({ ranges: halves, ...next })
      listed.push(...versionPage!.versions.map(({ position }) => formatPosition(position)))
      sizes.push(versionPage!.versions.length)
      next = { rangeIndex: versionPage!.rangeIndex, after: versionPage!.after }
      finished = versionPage!.finished
    }
    expect(sizes).toEqual([1_024, 1_024, 952])
    expect(listed).toEqual(records.map(({ position }) => formatPosition(position)))
  })

  it('refuses what is malformed', async () => {
    const { source } = await make([])
    const empty = new Uint8Array()
    const tooMany = Array.from({ length: 513 }, () => ranges[0]!)
    for (const request of [
      { ranges: tooMany, rangeIndex: 0, after: empty },
      { ranges: [{ start: empty, end: empty }], rangeIndex: 0, after: empty },
      { ranges, rangeIndex: 0, after: new Uint8Array(31) }
    ]) {
      await expect(source.listVersions(request)).rejects.toMatchObject(badRequest)
    }
  })
})

describe('a source that is asked for records', () => {
  it('gives as many as fit a message, and says how many positions that answers', async () => {
    const value = new Uint8Array(maxBatchBytes / 2 - 200)
    const records = ['a', 'b', 'c'].map(key => recordOf(key, 1, { value }))
    const { source } = await make(records)
    const { recordPage } = await source.fetchRecords({ positions: records.map(at) })
    expect(recordPage!.answered).toBe(2)
    const expected = records.slice(0, 2).map(({ encoded }) => encoded)
    expect(Buffer.concat(recordPage!.records).equals(Buffer.concat(expected))).toBe(true)
  })

  it('gives one alone that is larger than a batch', async () => {
    const huge = recordOf('huge', 1, { value: new Uint8Array(2 * maxBatchBytes) })
    const { source } = await make([huge, recordOf('small')])
    const { recordPage } = await source.fetchRecords({ positions: [at(huge), at(recordOf('small'))] })
    expect(recordPage!.answered).toBe(1)
    expect(recordPage!.records).toHaveLength(1)
  })

  it('counts positions that hold nothing as answered', async () => {
    const { source } = await make([recordOf('b')])
    const positions = ['a', 'b', 'c'].map(key => at(recordOf(key)))
    const { recordPage } = await source.fetchRecords({ positions })
    expect([recordPage!.answered, recordPage!.records.length]).toEqual([3, 1])
  })

  it('names the ranges in which it passes over a damaged record', async () => {
    const records = recordsOf(20).sort((a, b) => Buffer.compare(a.position, b.position))
    const { source, store } = await make(records)
    const cuts = [records[4]!, records[9]!, records[14]!, records[4]!].map(at)
    const ranges = [0, 1, 2].map(i => ({ start: cuts[i]!, end: cuts[i + 1]! }))
    store.damagedRows.add(formatPosition(records[7]!.position))
    const { versionPage } = await source.listVersions({ ranges, rangeIndex: 0, after: new Uint8Array() })
    expect(versionPage!.versions.length).toBe(19)
    expect(versionPage!.damagedRanges).toEqual([0])
  })

  it('refuses what is malformed, and serves nothing damaged', async () => {
    const { source, store } = await make([recordOf('a')])
    const position = at(recordOf('a'))
    const tooMany = Array.from({ length: 1_025 }, () => position)
    await expect(source.fetchRecords({ positions: tooMany })).rejects.toMatchObject(badRequest)
    await expect(source.fetchRecords({ positions: [new Uint8Array(33)] })).rejects.toMatchObject(badRequest)
    store.damagedValues.add(formatPosition(position))
    await expect(source.fetchRecords({ positions: [position] })).rejects.toThrow('damaged')
  })
})

describe('a source that is offered versions', () => {
  it('wants those that are newer than what it holds, and those of which it holds none', async () => {
    const { source } = await make([recordOf('older', 1), recordOf('same', 2), recordOf('newer', 3)])
    const offered = ['older', 'same', 'newer', 'none'].map(key => recordOf(key, 2))
    const { wanted } = await source.offerVersions({ versions: toWireVersions(offered) })
    expect(wanted!.positions).toEqual([at(recordOf('older')), at(recordOf('none'))])
  })

  it('wants no record that is damaged there, nor says that it has it', async () => {
    const { source, store } = await make([recordOf('damaged', 1)])
    store.damagedRows.add(formatPosition(recordOf('damaged').position))
    const versions = toWireVersions([recordOf('damaged', 2)])
    await expect(source.offerVersions({ versions })).rejects.toMatchObject({ code: 'internal' })
  })

  it('refuses more than fit a message', async () => {
    const { source } = await make([])
    const versions = toWireVersions(Array.from({ length: 1_025 }, () => recordOf('a')))
    await expect(source.offerVersions({ versions })).rejects.toMatchObject(badRequest)
  })
})

describe('a source that is given records', () => {
  it('has them on disk when it answers, but for those of which it holds newer ones', async () => {
    const { source, store } = await make([recordOf('newer', 3)])
    const records = [recordOf('newer', 2), recordOf('none', 2)].map(({ encoded }) => encoded)
    expect(await source.pushRecords({ records })).toEqual({ done: {} })
    expect(await store.times()).toEqual({ newer: 3, none: 2 })
  })

  it('refuses one that does not decode, and keeps nothing of what came with it', async () => {
    const { source, store } = await make([])
    const spoilt = new Uint8Array(recordOf('spoilt').encoded)
    spoilt[60]! ^= 1
    const records = [recordOf('good').encoded, spoilt]
    await expect(source.pushRecords({ records })).rejects.toMatchObject(badRequest)
    expect(await store.times()).toEqual({})
  })
})
