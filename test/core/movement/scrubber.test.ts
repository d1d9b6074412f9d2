import { describe, expect, it } from 'vitest'

import { Scrubber } from '../../../src/core/movement/scrubber.ts'
import { StoreError, type Store } from '../../../src/core/ports.ts'
import { encodeRecord } from '../../../src/core/record/codec.ts'
import { slotCount } from '../../../src/core/record/fingerprints.ts'
import type { StoredRecord } from '../../../src/core/record/record.ts'
import { formatPosition } from '../../../src/core/ring/position.ts'
import { MemoryStore } from '../../../src/storage/memory.ts'
import { VirtualClock, VirtualTime } from '../../simulation/clock.ts'
import { SimulatedDisk } from '../../simulation/disk.ts'
import { SimulatedProcess } from '../../simulation/process.ts'
import { SeededRandom } from '../../simulation/random.ts'
import { silent } from '../topology/fakes.ts'

const minuteMs = 60_000

function recordOf(index: number, valueBytes = 1_000): StoredRecord {
  const version = { time: 1, writer: new Uint8Array(16), rmw: 0 }
  const key = new TextEncoder().encode(`key ${index}`)
  return encodeRecord({ key, version, kind: 'value', expiresAt: 0, value: new Uint8Array(valueBytes) })
}

function recordsOf(count: number, valueBytes?: number): StoredRecord[] {
  return Array.from({ length: count }, (_, i) => recordOf(i, valueBytes))
}

interface Step {
  readonly atMs: number
  readonly first: number
  readonly end: number
}

interface Init {
  readonly bytesPerSecond?: number
  readonly isBusy?: () => boolean
  readonly store?: Pick<Store, 'fingerprints' | 'scrub'>
  readonly time?: VirtualTime
}

function make({ store = new MemoryStore(), time = new VirtualTime(), ...init }: Init) {
  const steps: Step[] = []
  const told = { miscounted: 0 }
  const watched: Pick<Store, 'fingerprints' | 'scrub'> = {
    fingerprints: store.fingerprints,
    scrub: (first, end, pace) => {
      steps.push({ atMs: time.nowMs, first, end })
      return store.scrub(first, end, pace)
    }
  }
  const scrubber = new Scrubber(
    {
      store: watched,
      clock: new VirtualClock(time),
      random: new SeededRandom(1),
      logger: silent,
      isBusy: init.isBusy ?? (() => false),
      onMiscounted: () => told.miscounted++
    },
    { bytesPerSecond: init.bytesPerSecond }
  )
  return { time, scrubber, steps, told }
}

describe('the scrubber', () => {
  it('reads each slot once in a pass, in ring order, from wherever it begins', async () => {
    const store = new MemoryStore()
    await store.mergeAll(recordsOf(5_000))
    const { time, scrubber, steps } = make({ store })
    scrubber.start()
    await time.run(40_000)
    await time.settle(scrubber.stop())
    expect(steps.length).toBeGreaterThan(10)
    for (const [i, { first, end }] of steps.entries()) {
      expect(end).toBeGreaterThan(first)
      expect(first).toBe(i === 0 ? steps.at(-1)!.end : steps[i - 1]!.end % slotCount)
    }
    expect(steps.reduce((sum, { first, end }) => sum + end - first, 0)).toBe(slotCount)
  })

  it.each([
    ['bytes', 100, 1_048_576 - 60, 100_000],
    ['records, where they are small', 100_000, 10, 100_000]
  ])('goes no faster than it is set to: by %s', async (_, count, valueBytes, leastMs) => {
    const store = new MemoryStore()
    await store.mergeAll(recordsOf(count, valueBytes))
    const { time, scrubber, steps } = make({ store, bytesPerSecond: 1024 * (count === 100 ? 1024 : 1000) })
    scrubber.start()
    await time.until(() => steps.reduce((sum, { first, end }) => sum + end - first, 0) > slotCount, 200_000)
    await time.settle(scrubber.stop())
    expect(time.nowMs).toBeGreaterThan(leastMs * 0.99)
    expect(time.nowMs).toBeLessThan(leastMs * 1.01)
  })

  it('leaves what little there is alone for a minute between two passes, and does not wait with an empty store', async () => {
    const { time, scrubber, steps } = make({})
    scrubber.start()
    await time.run(10 * minuteMs)
    await time.settle(scrubber.stop())
    expect(steps.length).toBeGreaterThanOrEqual(8 * 2)
    expect(steps.length).toBeLessThanOrEqual(14 * 2)
  })

  it('stands back while requests are served', async () => {
    const busy = { is: true }
    const store = new MemoryStore()
    await store.mergeAll(recordsOf(5_000, 10))
    const quick = { store, bytesPerSecond: 1e12 }
    const one = make({ ...quick, isBusy: () => busy.is })
    one.scrubber.start()
    await one.time.run(50)
    expect(one.steps.length).toBeLessThanOrEqual(11)
    busy.is = false
    await one.time.run(50)
    expect(one.steps.length).toBeGreaterThan(15)
    await one.time.settle(one.scrubber.stop())
  })

  it('never begins where its rate is 0', async () => {
    const { time, scrubber, steps } = make({ bytesPerSecond: 0 })
    scrubber.start()
    await time.run(10 * minuteMs)
    await scrubber.stop()
    expect(steps).toEqual([])
  })

  it('has the store find what is damaged, and tells where a record had gone without a trace', async () => {
    const time = new VirtualTime()
    const disk = new SimulatedDisk({ time, random: new SeededRandom(1) })
    const store = disk.open(new SimulatedProcess())
    const [first, second, third] = recordsOf(3) as [StoredRecord, StoredRecord, StoredRecord]
    await time.settle(store.mergeAll([first, second, third]))
    const { scrubber, told } = make({ store, time })
    scrubber.start()
    await time.run(2 * minuteMs)
    expect(told.miscounted).toBe(0)
    disk.damage(first.position, 'value')
    await disk.vanish(second.position)
    await time.until(() => told.miscounted === 1, 2 * minuteMs)
    expect(store.fingerprints.damaged(0, slotCount).map(formatPosition)).toEqual([
      formatPosition(first.position)
    ])
    expect(store.fingerprints.sum(0, slotCount).count).toBe(1)
    await time.run(2 * minuteMs)
    expect(told.miscounted).toBe(1)
    await time.settle(scrubber.stop())
  })

  it('goes on behind what cannot be read', async () => {
    const store = new MemoryStore()
    await store.mergeAll(recordsOf(2_000))
    const failing: Pick<Store, 'fingerprints' | 'scrub'> = {
      fingerprints: store.fingerprints,
      scrub: (first, end, pace) =>
        first < 30_000 && end > 30_000
          ? Promise.reject(new StoreError('input/output error'))
          : store.scrub(first, end, pace)
    }
    const { time, scrubber, steps } = make({ store: failing })
    scrubber.start()
    await time.run(4 * minuteMs)
    await time.settle(scrubber.stop())
    expect(steps.filter(({ first, end }) => first < 30_000 && end > 30_000).length).toBeGreaterThan(1)
    expect(steps.some(({ first }) => first > 50_000)).toBe(true)
  })

  it('stops in the middle of a pass, and while a store still counts what it holds', async () => {
    const store = new MemoryStore()
    await store.mergeAll(recordsOf(5_000))
    const one = make({ store })
    one.scrubber.start()
    await one.time.run(1_000)
    await one.time.settle(one.scrubber.stop())
    expect(one.time.pending).toBe(0)
    store.fingerprints.begin()
    const other = make({ store })
    other.scrubber.start()
    await other.time.run(1_000)
    await other.scrubber.stop()
    expect(other.steps).toEqual([])
    expect(other.time.pending).toBe(0)
  })
})
