/** The simulated disk's store keeps its fingerprints as the real ones do, through crashes and damage too. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { DamagedRecordError, type Store } from '../../src/core/ports.ts'
import { VirtualTime } from '../simulation/clock.ts'
import { SimulatedDisk } from '../simulation/disk.ts'
import { SimulatedProcess } from '../simulation/process.ts'
import { SeededRandom } from '../simulation/random.ts'
import { expectCountedRight, recordOf } from './store.conformance.ts'

const change = fc.record({
  what: fc.constantFrom(...(['merge', 'merge', 'drop', 'damage', 'crash', 'run'] as const)),
  key: fc.constantFrom('a', 'b', 'c'),
  time: fc.integer({ min: 1, max: 4 })
})

describe('the fingerprints of a simulated disk', () => {
  it('are those of what is on it after any changes, failures, damages and crashes', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(change, { maxLength: 25 }), fc.nat(), async (changes, seed) => {
        const time = new VirtualTime()
        const disk = new SimulatedDisk({ time, random: new SeededRandom(seed) }, { syncMs: 5, failRate: 0.1 })
        let process = new SimulatedProcess()
        let store: Store = disk.open(process)
        for (const { what, key, time: at } of changes) {
          const record = recordOf(key, at)
          if (what === 'merge') store.merge(record).catch(() => undefined)
          if (what === 'drop') store.drop(record.position, record.version).catch(() => undefined)
          const held = await disk.heads()
          if (what === 'damage' && held.length > 0) disk.damage(held[at % held.length]!.position)
          if (what === 'crash') {
            process.kill()
            process = new SimulatedProcess()
            store = disk.open(process)
          }
          if (what === 'run') await time.run(50)
          await expectCountedRight(store)
        }
        await time.run(1_000)
        await expectCountedRight(store)
      }),
      { numRuns: 60 }
    )
  })

  it('count a record again that was repaired, as soon as that is durable', async () => {
    const time = new VirtualTime()
    const disk = new SimulatedDisk({ time, random: new SeededRandom(1) }, { syncMs: 5 })
    const store = disk.open(new SimulatedProcess())
    await time.settle(store.mergeAll([recordOf('a', 1), recordOf('b', 1)]))
    for (const key of ['a', 'b']) disk.damage(recordOf(key, 1).position)
    const repaired = store.repair(recordOf('a', 1).position, recordOf('a', 2))
    await expect(store.head(recordOf('a', 1).position)).rejects.toThrow(DamagedRecordError)
    expect(await time.settle(repaired)).toBe(true)
    expect(await time.settle(store.repair(recordOf('b', 1).position, undefined))).toBe(true)
    expect((await store.head(recordOf('a', 1).position))?.version.time).toBe(2)
    expect(store.usage().records).toBe(1)
    expect(disk.damaged).toBe(0)
    await expectCountedRight(store)
  })

  it('leave a record out that was damaged while a write of it waited, and the write with it', async () => {
    const time = new VirtualTime()
    const disk = new SimulatedDisk({ time, random: new SeededRandom(1) }, { syncMs: 5 })
    const store = disk.open(new SimulatedProcess())
    await time.settle(store.merge(recordOf('a', 1)))
    const merged = store.merge(recordOf('a', 2))
    disk.damage(recordOf('a', 1).position)
    await expect(time.settle(merged)).rejects.toThrow(DamagedRecordError)
    expect(store.fingerprints.sum(0, 65_536).count).toBe(0)
    await expectCountedRight(store)
  })
})
