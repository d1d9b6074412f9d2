import { describe, expect, it } from 'vitest'
import { maxBatchBytes } from '../../../src/core/limits.ts'
import { Admission } from '../../../src/core/movement/admission.ts'
import { MovementSource } from '../../../src/core/movement/source.ts'
import { Throttle } from '../../../src/core/movement/throttle.ts'
import { toWireVersions } from '../../../src/core/movement/wire.ts'
import type { StoredRecord } from '../../../src/core/record/record.ts'
import { formatPosition } from '../../../src/core/ring/position.ts'
import { VirtualClock, VirtualTime } from '../../simulation/clock.ts'
import { DamageableStore, recordOf } from './world.ts'

const badRequest = { name: 'ServeError', code: 'bad-request' }
const asked = { signal: new AbortController().signal }

async function make(records: readonly StoredRecord[]) {
  const store = new DamageableStore()
  await store.mergeAll(records)
  const time = new VirtualTime()
  const throttle = new Throttle({ clock: new VirtualClock(time) })
  return { time, store, source: new MovementSource({ store, admission: new Admission({ throttle }) }) }
}

/** Positions as they stand in messages. */
const at = ({ position }: StoredRecord) => position

describe('a source that is asked for records', () => {
  it('gives as many as fit a message, and says how many positions that answers', async () => {
    const value = new Uint8Array(maxBatchBytes / 2 - 200)
    const records = ['a', 'b', 'c'].map(key => recordOf(key, 1, { value }))
    const { source } = await make(records)
    const { recordPage } = await source.fetchRecords({ positions: records.map(at) }, asked)
    expect(recordPage!.answered).toBe(2)
    const expected = records.slice(0, 2).map(({ encoded }) => encoded)
    expect(Buffer.concat(recordPage!.records).equals(Buffer.concat(expected))).toBe(true)
  })

  it('gives one alone that is larger than a batch', async () => {
    const huge = recordOf('huge', 1, { value: new Uint8Array(2 * maxBatchBytes) })
    const { time, source } = await make([huge, recordOf('small')])
    const { recordPage } = await time.settle(
      source.fetchRecords({ positions: [at(huge), at(recordOf('small'))] }, asked)
    )
    expect(recordPage!.answered).toBe(1)
    expect(recordPage!.records).toHaveLength(1)
  })

  it('counts positions that hold nothing as answered', async () => {
    const { source } = await make([recordOf('b')])
    const positions = ['a', 'b', 'c'].map(key => at(recordOf(key)))
    const { recordPage } = await source.fetchRecords({ positions }, asked)
    expect([recordPage!.answered, recordPage!.records.length]).toEqual([3, 1])
  })

  it('refuses what is malformed, and serves nothing damaged', async () => {
    const { source, store } = await make([recordOf('a')])
    const position = at(recordOf('a'))
    const tooMany = Array.from({ length: 1_025 }, () => position)
    await expect(source.fetchRecords({ positions: tooMany }, asked)).rejects.toMatchObject(badRequest)
    await expect(source.fetchRecords({ positions: [new Uint8Array(33)] }, asked)).rejects.toMatchObject(
      badRequest
    )
    store.damagedValues.add(formatPosition(position))
    const { recordPage } = await source.fetchRecords({ positions: [position] }, asked)
    expect(recordPage).toEqual({ records: [], answered: 1, damaged: [0] })
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
    const { wanted } = await source.offerVersions({ versions })
    expect(wanted).toEqual({ positions: [], damaged: [at(recordOf('damaged'))] })
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
    expect(await source.pushRecords({ records }, asked)).toEqual({ recordsTaken: { damaged: [] } })
    expect(await store.times()).toEqual({ newer: 3, none: 2 })
  })

  it('names those that it cannot take, as what it holds is damaged, and takes the others', async () => {
    const { source, store } = await make([recordOf('a', 1), recordOf('b', 1)])
    await store.damage(at(recordOf('b')))
    const records = ['a', 'b', 'c'].map(key => recordOf(key, 2).encoded)
    expect(await source.pushRecords({ records }, asked)).toEqual({ recordsTaken: { damaged: [1] } })
    expect(await store.times()).toEqual({ a: 2, b: 1, c: 2 })
  })

  it('refuses one that does not decode, and keeps nothing of what came with it', async () => {
    const { source, store } = await make([])
    const spoilt = new Uint8Array(recordOf('spoilt').encoded)
    spoilt[60]! ^= 1
    const records = [recordOf('good').encoded, spoilt]
    await expect(source.pushRecords({ records }, asked)).rejects.toMatchObject(badRequest)
    expect(await store.times()).toEqual({})
  })
})
