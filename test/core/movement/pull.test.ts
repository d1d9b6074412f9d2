import { describe, expect, it } from 'vitest'
import { maxBatchBytes } from '../../../src/core/limits.ts'
import { pull, type PullInit } from '../../../src/core/movement/pull.ts'
import type { StoredRecord } from '../../../src/core/record/record.ts'
import { comparePositions, formatPosition } from '../../../src/core/ring/position.ts'
import { rangeBetween, wholeRing, type Range } from '../../../src/core/ring/range.ts'
import { noProgress, recordOf, recordsOf, sizeOf, World } from './world.ts'

/** b is to pull from a. */
async function make(there: readonly StoredRecord[], here: readonly StoredRecord[] = []) {
  const world = new World('a b')
  const [a, b] = [world.host('a'), world.host('b')]
  await a.store.mergeAll(there)
  await b.store.mergeAll(here)
  const progress = noProgress()
  const init: PullInit = {
    source: a.member,
    ranges: [wholeRing],
    epoch: 1,
    signal: new AbortController().signal,
    onProgress: (records, bytes) => {
      progress.records += records
      progress.bytes += bytes
    }
  }
  const run = (rest: Partial<PullInit> = {}): Promise<void> =>
    world.settle(pull({ calls: world, store: b.store }, { ...init, ...rest }))
  return { world, a, b, progress, run }
}

/** The ring in so many ranges. */
function ringInRanges(count: number): Range[] {
  const cuts = recordsOf(count)
    .map(({ position }) => position)
    .sort(comparePositions)
  return cuts.map((cut, i) => rangeBetween(cuts.at(i - 1)!, cut))
}

describe('a pull', () => {
  it('brings what the source holds and this member does not, or only an older version of', async () => {
    const there = [recordOf('none', 2), recordOf('older', 2), recordOf('same', 2), recordOf('newer', 2)]
    const here = [recordOf('older', 1), recordOf('same', 2), recordOf('newer', 3)]
    const { b, progress, run } = await make(there, here)
    await run()
    expect(await b.store.times()).toEqual({ none: 2, older: 2, same: 2, newer: 3 })
    expect(progress).toMatchObject({ records: 2, bytes: sizeOf(there.slice(0, 2)) })
  })

  it('asks for no record that is held already, so that it costs versions only', async () => {
    const records = Array.from({ length: 100 }, (_, i) =>
      recordOf(`${i}`, 1, { value: new Uint8Array(4_000) })
    )
    const { world, run } = await make(records, records)
    await run()
    expect(world.asked('fetchRecords')).toBe('')
    expect(world.bytesOf('listVersions')).toBeLessThan(sizeOf(records) / 40)
  })

  it('brings tombstones and expired records with their bytes', async () => {
    const records = [
      recordOf('deleted', 2, { kind: 'tombstone', value: new Uint8Array() }),
      recordOf('expired', 2, { expiresAt: 1 })
    ]
    const { b, run } = await make(records, [recordOf('deleted', 1)])
    await run()
    for (const record of records) expect(await b.store.read(record.position)).toEqual(record)
  })

  it('leaves what lies outside the ranges', async () => {
    const records = recordsOf(20).sort((x, y) => comparePositions(x.position, y.position))
    const { b, run } = await make(records)
    await run({ ranges: [{ start: records[4]!.position, end: records[9]!.position }] })
    const heads = await b.store.heads(wholeRing, { limit: 100 })
    expect(heads.map(({ position }) => position)).toEqual(
      records.slice(5, 10).map(({ position }) => position)
    )
  })

  it('goes through page after page where there are more than 1,024 versions', async () => {
    const { world, b, run } = await make(recordsOf(2_500))
    await run()
    expect(b.store.usage().records).toBe(2_500)
    expect(world.asked('listVersions')).toBe('a a a')
  })

  it('asks for more than 512 ranges in several requests', async () => {
    const { world, b, run } = await make(recordsOf(1_500))
    await run({ ranges: ringInRanges(1_100) })
    expect(b.store.usage().records).toBe(1_500)
    const asked = world.sent.flatMap(({ request }) => request.listVersions?.ranges.length ?? [])
    expect([Math.max(...asked), new Set(asked)]).toEqual([512, new Set([512, 76])])
  })

  it('fetches in batches that fit a message, and a record that is larger than one alone', async () => {
    const value = new Uint8Array(100_000)
    const records = Array.from({ length: 12 }, (_, i) => recordOf(`${i}`, 1, { value }))
    const huge = recordOf('huge', 1, { value: new Uint8Array(3 * maxBatchBytes) })
    const { world, b, progress, run } = await make([...records, huge])
    await run()
    expect(Buffer.compare((await b.store.read(huge.position))!.encoded, huge.encoded)).toBe(0)
    expect(progress).toMatchObject({ records: 13, bytes: sizeOf([...records, huge]) })
    const batches = world.sent.filter(({ kind }) => kind === 'fetchRecords')
    // All but the huge one's within the limit and the little that surrounds the records.
    expect(batches.filter(({ bytes }) => bytes > maxBatchBytes + 2_000)).toHaveLength(1)
    expect(batches.length).toBeLessThanOrEqual(5)
    // No position is sent twice: each request is for as much as fits its answer.
    expect(batches.flatMap(({ request }) => request.fetchRecords!.positions)).toHaveLength(13)
  })

  it('asks again for what the source did not fit into its answer', async () => {
    // The versions' sizes are the source's word: here it lies.
    const value = new Uint8Array(maxBatchBytes / 2)
    const records = ['x', 'y', 'z'].map(key => recordOf(key, 1, { value }))
    const { world, a, b, run } = await make(records)
    const list = a.source.listVersions.bind(a.source)
    a.source.listVersions = async message => {
      const { versionPage: page } = await list(message)
      return { versionPage: { ...page!, versions: page!.versions.map(each => ({ ...each, size: 1 })) } }
    }
    await run()
    expect(b.store.usage().records).toBe(3)
    expect(world.asked('fetchRecords')).toBe('a a a')
  })

  it('fails where the source is at another epoch, from the first answer or from a later one on', async () => {
    const { world, a, b, run } = await make(recordsOf(10))
    for (const epoch of [2, 4]) {
      world.moveTo(epoch)
      await expect(run({ epoch: 3 })).rejects.toMatchObject({ name: 'EpochMovedError' })
    }
    expect(b.store.usage().records).toBe(0)
    world.moveTo(3)
    a.beforeAnswer = () => {
      a.epoch++
    }
    a.epoch = 2
    await expect(run({ epoch: 3 })).rejects.toMatchObject({ name: 'EpochMovedError' })
    expect(world.asked('fetchRecords')).toBe('a')
    expect(b.store.usage().records).toBe(0)
  })

  it('fails where the source does not answer what was asked, or sends what is no record', async () => {
    const { a, b, run } = await make(recordsOf(3))
    const fetch = a.source.fetchRecords.bind(a.source)
    a.source.fetchRecords = async message => {
      const { recordPage } = await fetch(message)
      return { recordPage: { ...recordPage!, records: [new Uint8Array(100)] } }
    }
    await expect(run()).rejects.toMatchObject({ name: 'RecordFormatError' })
    a.source.fetchRecords = () => Promise.resolve({ recordPage: { records: [], answered: 0 } })
    await expect(run()).rejects.toMatchObject({ name: 'TransportError', failure: 'internal' })
    a.source.fetchRecords = () => Promise.resolve({})
    await expect(run()).rejects.toMatchObject({ name: 'TransportError', failure: 'internal' })
    a.source.listVersions = () => Promise.resolve({})
    await expect(run()).rejects.toMatchObject({ name: 'TransportError', failure: 'internal' })
    expect(b.store.usage().records).toBe(0)
  })

  it('passes over what is damaged here, and brings all else', async () => {
    const { b, run } = await make([recordOf('damaged', 2), recordOf('other', 2)], [recordOf('damaged', 1)])
    b.store.damagedRows.add(formatPosition(recordOf('damaged').position))
    await run()
    expect(await b.store.times()).toEqual({ damaged: 1, other: 2 })
  })

  it('ends at its signal, and asks nothing any more', async () => {
    const { world, a, run } = await make(recordsOf(10))
    const controller = new AbortController()
    a.beforeAnswer = () => controller.abort(new Error('enough'))
    await expect(run({ signal: controller.signal })).rejects.toThrow('enough')
    expect(world.asked('listVersions')).toBe('a')
    expect(world.asked('fetchRecords')).toBe('')
  })
})
