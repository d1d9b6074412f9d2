import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { HeadsOptions, MetaChange } from '../../../src/core/ports.ts'
import { Purger } from '../../../src/core/purge/purger.ts'
import { VisibleStore } from '../../../src/core/purge/visible-store.ts'
import { encodeRecord } from '../../../src/core/record/codec.ts'
import type { RecordHead, RecordKind, StoredRecord } from '../../../src/core/record/record.ts'
import { isLive } from '../../../src/core/record/record.ts'
import { positionOf } from '../../../src/core/ring/position.ts'
import { wholeRing, type Range } from '../../../src/core/ring/range.ts'
import type { Topology } from '../../../src/core/topology/topology.ts'
import { MemoryStore } from '../../../src/storage/memory.ts'
import { VirtualClock, VirtualTime } from '../../simulation/clock.ts'
import { SimulatedDisk } from '../../simulation/disk.ts'
import { SimulatedProcess } from '../../simulation/process.ts'
import { SeededRandom } from '../../simulation/random.ts'
import { silent } from '../topology/fakes.ts'
import { id, run } from '../topology/script.ts'

const minute = 60_000
const writer = new Uint8Array(16)
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

function record(key: string, time: number, kind: RecordKind = 'value', expiresAt = 0): StoredRecord {
  const value = bytes(kind === 'value' ? 'v' : '')
  return encodeRecord({ key: bytes(key), version: { time, writer, rmw: 0 }, kind, expiresAt, value })
}

class Log {
  readonly #listeners = new Set<() => void>()
  current: Topology | undefined = run('found a; purge 0 5000')

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  move(script: string): void {
    this.current = run(script, { from: this.current! })
    for (const listener of this.#listeners) listener()
  }
}

/** Grace of 24 minutes: a sweep each minute or so. */
function setUp(store: ConstructorParameters<typeof Purger>[0]['store'], log = new Log()) {
  const time = new VirtualTime()
  const told: Array<readonly [purgedBefore: number, records: number]> = []
  const components = {
    clock: new VirtualClock(time),
    random: new SeededRandom(1),
    store,
    log,
    logger: silent,
    onPurged: (purgedBefore: number, records: number) => void told.push([purgedBefore, records])
  }
  return { time, log, told, purger: new Purger(components, { tombstoneGraceMs: 24 * minute }) }
}

describe('the purger', () => {
  const dead = Array.from({ length: 600 }, (_, i) => record(`dead ${i}`, 1000 + i, 'tombstone'))
  const kept = [record('later', 3000, 'tombstone'), record('expiring', 10, 'value', 4), record('old', 1)]

  it('drops what is purged as soon as that is in force, and nothing else, and tells of it once', async () => {
    const store = new MemoryStore()
    await store.mergeAll([...dead, ...kept])
    const { time, log, told, purger } = setUp(store)
    purger.start()
    await time.run(2 * minute)
    expect(store.usage().records).toBe(dead.length + kept.length)
    log.move('purge 3000 5000')
    await time.until(() => store.usage().records === kept.length, 1_000)
    await time.run(5 * minute)
    expect(store.usage().records).toBe(kept.length)
    expect(told).toEqual([[3000, dead.length]])
    await time.settle(purger.stop())
    expect(time.pending).toBe(0)
  })

  it('goes on after a restart where it was stopped in the middle', async () => {
    const store = new MemoryStore()
    await store.mergeAll([...dead, ...kept])
    const { time, log, purger } = setUp(store)
    purger.start()
    log.move('purge 3000 5000')
    await time.until(() => store.usage().records < dead.length, 2 * minute)
    await time.settle(purger.stop())
    const left = store.usage().records
    expect(left).toBeGreaterThan(kept.length)
    const next = setUp(store, log)
    next.purger.start()
    await next.time.until(() => store.usage().records === kept.length, 1_000)
    await next.time.settle(next.purger.stop())
  })

  it('knows the oldest that a later purge would drop, once it has dropped what is purged', async () => {
    const store = new MemoryStore()
    const { time, log, purger } = setUp(store)
    purger.start()
    expect(purger.oldest).toBeUndefined()
    await time.run(2 * minute)
    expect(purger.oldest).toBe(0)
    await store.mergeAll([...dead, ...kept])
    await time.run(2 * minute)
    expect(purger.oldest).toBe(1000)
    log.move('purge 3000 5000')
    expect(purger.oldest).toBeUndefined()
    await time.run(1_000)
    expect(purger.oldest).toBe(3000)
    await time.settle(purger.stop())
  })

  it('tries again when the disk failed', async () => {
    let failures = 2
    class Failing extends MemoryStore {
      override heads(range: Range, options: HeadsOptions): Promise<RecordHead[]> {
        return failures-- > 0 ? Promise.reject(new Error('a test wants it so')) : super.heads(range, options)
      }
    }
    const store = new Failing()
    await store.mergeAll([...dead, ...kept])
    const { time, log, purger } = setUp(store)
    purger.start()
    log.move('purge 3000 5000')
    await time.until(() => store.usage().records === kept.length, minute)
    await time.settle(purger.stop())
  })

  it('begins behind the merges that were called before the purge', async () => {
    const calls: string[] = []
    class Noting extends MemoryStore {
      override writeMeta(changes: readonly MetaChange[]): Promise<void> {
        calls.push('takes its turn')
        return super.writeMeta(changes)
      }
      override heads(range: Range, options: HeadsOptions): Promise<RecordHead[]> {
        calls.push('lists')
        return super.heads(range, options)
      }
    }
    const { time, log, purger } = setUp(new Noting())
    purger.start()
    log.move('purge 3000 5000')
    await time.run(minute)
    expect(calls.slice(0, 2)).toEqual(['takes its turn', 'lists'])
    await time.settle(purger.stop())
  })
})

describe('what was deleted', () => {
  // All of it is about one key. The tombstone is of time 2000, what it deletes is older.
  const position = positionOf(bytes('k'))
  const lateWrites = fc.array(
    fc.record({ atMs: fc.integer({ min: 0, max: 40 }), time: fc.integer({ min: 1, max: 2000 }) }),
    { maxLength: 8 }
  )
  const schedule = fc.record({
    seed: fc.integer(),
    late: lateWrites,
    purgeAtMs: fc.integer({ min: 0, max: 40 }),
    syncMs: fc.integer({ min: 1, max: 20 })
  })

  it('stays deleted, whenever writes that were accepted before the purge reach the disk', async () => {
    await fc.assert(
      fc.asyncProperty(schedule, async ({ seed, late, purgeAtMs, syncMs }) => {
        const time = new VirtualTime()
        const random = new SeededRandom(seed)
        const disk = new SimulatedDisk({ time, random }, { syncMs })
        const store = disk.open(new SimulatedProcess())
        const log = new Log()
        const visible = new VisibleStore({ store, topology: () => log.current }, { self: id('a') })
        const clock = new VirtualClock(time)
        const purger = new Purger({ clock, random, store, log, logger: silent }, { tombstoneGraceMs: minute })
        await time.settle(store.merge(record('k', 2000, 'tombstone')))
        purger.start()
        const startMs = time.nowMs
        time.at(startMs + purgeAtMs, () => log.move('purge 3000 5000'))
        for (const write of late) {
          // Accepted at an epoch of before the purge: a later one knows of no such record.
          const atMs = startMs + Math.min(write.atMs, purgeAtMs - 0.5)
          if (atMs >= startMs) time.at(atMs, () => void visible.merge(record('k', write.time)))
        }
        const seen: boolean[] = []
        for (let ms = 0; ms < 400; ms += 2) {
          await time.run(2)
          seen.push(isLive(await visible.head(position), clock.now()))
        }
        await time.settle(purger.stop())
        expect(seen).not.toContain(true)
        expect(await store.heads(wholeRing, { limit: 9 })).toEqual([])
      }),
      { numRuns: 60 }
    )
  })
})
