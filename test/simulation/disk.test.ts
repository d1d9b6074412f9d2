import { describe, expect, it } from 'vitest'
import { DamagedRecordError, StoreError, type Store } from '../../src/core/ports.ts'
import { encodeRecord } from '../../src/core/record/codec.ts'
import { slotCount } from '../../src/core/record/fingerprints.ts'
import type { StoredRecord } from '../../src/core/record/record.ts'
import { formatPosition } from '../../src/core/ring/position.ts'
import { VirtualTime } from './clock.ts'
import { SimulatedDisk } from './disk.ts'
import { SimulatedProcess } from './process.ts'
import { SeededRandom } from './random.ts'

const names = ['a', 'b', 'c']

class Machine {
  readonly time = new VirtualTime()
  readonly disk: SimulatedDisk
  process = new SimulatedProcess()
  store: Store

  constructor(seed = 1) {
    this.disk = new SimulatedDisk({ time: this.time, random: new SeededRandom(seed) }, { syncMs: 5 })
    this.store = this.disk.open(this.process)
  }

  async writes(count: number): Promise<void> {
    for (let i = 0; i < count; i++) await this.time.settle(this.store.merge(recordOf(`key ${i}`)))
  }

  restart(): Store {
    this.process.kill()
    this.process = new SimulatedProcess()
    this.store = this.disk.open(this.process)
    return this.store
  }
}

describe('a crash', () => {
  it('leaves all or nothing of what was being synced, and nothing of what waited for that', async () => {
    const seen = new Set<number>()
    for (let seed = 0; seed < 20; seed++) {
      const machine = new Machine(seed)
      // The first goes to the disk by itself; the others, in one batch, after it.
      for (const name of names) void machine.store.merge(recordOf(name))
      await machine.time.run(0)
      machine.restart()
      await machine.time.run(100)
      seen.add(machine.disk.records)
      expect(machine.store.loss).toBeUndefined()
    }
    expect([...seen].sort()).toEqual([0, 1])
  })

  it('never leaves a part of a batch', async () => {
    const seen = new Set<number>()
    for (let seed = 0; seed < 20; seed++) {
      const machine = new Machine(seed)
      void machine.store.mergeAll(names.map(name => recordOf(name)))
      await machine.time.run(0)
      machine.restart()
      await machine.time.run(100)
      seen.add(machine.disk.records)
      const { tornBatches, unbeknownWrites } = machine.disk.counts
      expect(tornBatches + unbeknownWrites).toBe(1)
    }
    expect([...seen].sort()).toEqual([0, 3])
  })

  it('ends what a process was about to write, also before another one starts', async () => {
    const machine = new Machine()
    for (const name of names) void machine.store.merge(recordOf(name))
    await machine.time.run(0)
    machine.process.kill()
    await machine.time.run(1_000)
    expect(machine.disk.records).toBeLessThanOrEqual(1)
    expect(machine.disk.counts.lostWrites).toBeGreaterThanOrEqual(2)
  })
})

describe('a disk', () => {
  it('says that it lost something durable until it is cleared', async () => {
    const machine = new Machine()
    await machine.writes(20)
    machine.process.kill()
    await machine.disk.lose()
    expect(machine.disk.records).toBeGreaterThan(0)
    expect(machine.disk.records).toBeLessThan(20)
    const store = machine.restart()
    expect(store.loss).toMatch('missing')
    await machine.time.settle(store.clear([]))
    expect(machine.restart().loss).toBeUndefined()
  })

  it('takes no writes while it is full, and takes them again after', async () => {
    const machine = new Machine()
    machine.disk.isFull = true
    await expect(machine.writes(1)).rejects.toThrow(StoreError)
    expect(machine.disk.records).toBe(0)
    machine.disk.isFull = false
    await machine.writes(1)
    expect(machine.disk.records).toBe(1)
  })

  it('has some of the writes that failed, and not others', async () => {
    const machine = new Machine()
    machine.disk.failRate = 1
    for (let i = 0; i < 20; i++) {
      await expect(machine.time.settle(machine.store.merge(recordOf(`key ${i}`)))).rejects.toThrow(StoreError)
    }
    expect(machine.disk.records).toBeGreaterThan(0)
    expect(machine.disk.records).toBeLessThan(20)
  })

  it('never gives out a damaged record', async () => {
    const machine = new Machine()
    await machine.writes(2)
    const { position } = recordOf('key 0')
    machine.disk.damage(position)
    await expect(machine.store.read(position)).rejects.toThrow(DamagedRecordError)
    expect(machine.disk.damaged).toBe(1)
  })

  it('does not know of a damaged value until the record is read whole, and then has no vote for it', async () => {
    const machine = new Machine()
    await machine.writes(2)
    const { position } = recordOf('key 0')
    machine.disk.damage(position, 'value')
    expect((await machine.store.head(position))?.version.time).toBe(1)
    expect(machine.store.fingerprints.damaged(0, slotCount)).toEqual([])
    await machine.store.scrub(0, slotCount, () => Promise.resolve())
    expect(machine.store.fingerprints.damaged(0, slotCount).map(formatPosition)).toEqual([
      formatPosition(position)
    ])
    await expect(machine.store.head(position)).rejects.toThrow(DamagedRecordError)
  })

  it('is whole again where a damaged value that nobody read is replaced', async () => {
    const machine = new Machine()
    await machine.writes(2)
    machine.disk.damage(recordOf('key 0').position, 'value')
    await machine.time.settle(machine.store.merge(recordOf('key 0', 2)))
    expect(machine.disk.damaged).toBe(0)
    expect((await machine.store.read(recordOf('key 0').position))?.version.time).toBe(2)
  })

  it('counts a record that vanished until all is read', async () => {
    const machine = new Machine()
    await machine.writes(2)
    await machine.disk.vanish(recordOf('key 0').position)
    expect(await machine.store.head(recordOf('key 0').position)).toBeUndefined()
    expect(machine.store.fingerprints.sum(0, slotCount).count).toBe(2)
    expect(await machine.store.scrub(0, slotCount, () => Promise.resolve())).toMatchObject({ miscounted: 1 })
    expect(machine.store.fingerprints.sum(0, slotCount).count).toBe(1)
  })

  it('tells once when something is on its way to it', async () => {
    const machine = new Machine()
    let told = 0
    machine.disk.onSync = () => told++
    await machine.writes(3)
    expect(told).toBe(1)
  })
})

function recordOf(name: string, time = 1): StoredRecord {
  const key = new TextEncoder().encode(name)
  const version = { time, writer: new Uint8Array(16), rmw: 0 }
  return encodeRecord({ key, version, kind: 'value', expiresAt: 0, value: key })
}
