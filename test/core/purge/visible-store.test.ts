import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ensureMayPush } from '../../../src/core/purge/gone-senders.ts'
import { VisibleStore } from '../../../src/core/purge/visible-store.ts'
import { encodeRecord } from '../../../src/core/record/codec.ts'
import { isPurged } from '../../../src/core/record/purged.ts'
import type { RecordKind, StoredRecord } from '../../../src/core/record/record.ts'
import { positionOf } from '../../../src/core/ring/position.ts'
import { wholeRing } from '../../../src/core/ring/range.ts'
import type { Topology } from '../../../src/core/topology/topology.ts'
import { MemoryStore } from '../../../src/storage/memory.ts'
import { id, run } from '../topology/script.ts'

const writer = new Uint8Array(16)
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

function record(key: string, time: number, kind: RecordKind = 'value', expiresAt = 0): StoredRecord {
  const value = bytes(kind === 'value' ? 'v' : '')
  return encodeRecord({ key: bytes(key), version: { time, writer, rmw: 0 }, kind, expiresAt, value })
}

/** A store of the member a, and the log that it goes by. */
function setUp(script: string) {
  const log = { current: run(script) as Topology | undefined }
  const store = new MemoryStore()
  const visible = new VisibleStore({ store, topology: () => log.current }, { self: id('a') })
  return { log, store, visible }
}

const purged = 'found a; open +b; close; purge 0 5000; purge 3000 5000'

describe('a store after a purge', () => {
  it('shows neither head nor record of what was purged, nor lists it', async () => {
    const { store, visible } = setUp(purged)
    const gone = [record('deleted', 2999, 'tombstone'), record('expired', 10, 'value', 2)]
    const kept = [
      record('deleted later', 3000, 'tombstone'),
      record('expires later', 10, 'value', 3),
      record('old', 1)
    ]
    await store.mergeAll([...gone, ...kept])
    for (const { position } of gone) {
      expect(await visible.head(position)).toBeUndefined()
      expect(await visible.read(position)).toBeUndefined()
    }
    for (const { position, version } of kept) {
      expect((await visible.head(position))?.version).toEqual(version)
      expect((await visible.read(position))?.version).toEqual(version)
    }
    expect(await visible.heads(wholeRing, { limit: 9 })).toHaveLength(kept.length)
  })

  it('takes nothing in that was purged, and the rest of a batch', async () => {
    const { store, visible } = setUp(purged)
    await visible.merge(record('k', 2999, 'tombstone'))
    await visible.mergeAll([record('l', 2999, 'tombstone'), record('m', 1)])
    expect(store.usage().records).toBe(1)
  })

  it('lists pages that are full where there is more, whatever lies between', async () => {
    const record_ = fc.record({ key: fc.integer({ min: 0, max: 60 }), dead: fc.boolean() })
    const all = fc.tuple(
      fc.uniqueArray(record_, { selector: ({ key }) => key }),
      fc.integer({ min: 1, max: 7 })
    )
    await fc.assert(
      fc.asyncProperty(all, async ([records, limit]) => {
        const { store, visible } = setUp(purged)
        await store.mergeAll(
          records.map(({ key, dead }) => record(`${key}`, 1, dead ? 'tombstone' : 'value'))
        )
        const wanted = (await store.heads(wholeRing, { limit: 99 })).filter(head => !isPurged(head, 3000))
        const listed = []
        for (let page = await visible.heads(wholeRing, { limit }); page.length > 0;) {
          listed.push(...page)
          if (page.length < limit) break
          page = await visible.heads(wholeRing, { limit, after: page.at(-1)!.position })
        }
        expect(listed).toEqual(wanted)
      })
    )
  })

  it('shows what was read before the purge came into force as it is after', async () => {
    const { log, store, visible } = setUp('found a; purge 0 5000')
    await store.merge(record('k', 10, 'tombstone'))
    const reading = visible.head(positionOf(bytes('k')))
    log.current = run('purge 3000 5000', { from: log.current! })
    expect(await reading).toBeUndefined()
  })
})

describe('a member that has gone', () => {
  it('shows only what it holds from the fence on', async () => {
    const { log, store, visible } = setUp(purged)
    await store.mergeAll([record('before', 4999), record('after', 5000)])
    expect(await visible.heads(wholeRing, { limit: 9 })).toHaveLength(2)
    log.current = run('open -a; close', { from: log.current! })
    expect((await visible.heads(wholeRing, { limit: 9 })).map(head => head.version.time)).toEqual([5000])
  })

  it('is refused when it pushes something older', () => {
    const topology = run('open -a; close', { from: run(purged) })
    const push = (of: StoredRecord) => ({ records: [record('x', 6000).encoded, of.encoded] })
    expect(() => ensureMayPush(topology, id('a'), push(record('k', 4999)))).toThrow(/may have been deleted/)
    expect(() => ensureMayPush(topology, id('a'), push(record('k', 5000)))).not.toThrow()
    expect(() => ensureMayPush(topology, id('b'), push(record('k', 4999)))).not.toThrow()
    expect(() => ensureMayPush(topology, id('a'), { records: [bytes('?')] })).toThrow()
  })
})
