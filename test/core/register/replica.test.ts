import { crc32 } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { maxTime } from '../../../src/core/limits.ts'
import { decodeRecord, encodeRecord } from '../../../src/core/record/codec.ts'
import type { StoredRecord } from '../../../src/core/record/record.ts'
import { positionOf } from '../../../src/core/ring/position.ts'
import { maxAheadMs, Replica } from '../../../src/core/register/replica.ts'
import { refusedCode } from '../../../src/core/register/wire.ts'
import { MemoryStore } from '../../../src/storage/memory.ts'
import { bytes, Host, key, silent } from './world.ts'

const position = positionOf(key)
const writer = new Uint8Array(16).fill(7)

function record(time: number, value = 'v'): StoredRecord {
  return encodeRecord({
    key,
    version: { time, writer, rmw: 0 },
    kind: 'value',
    expiresAt: 0,
    value: bytes(value)
  })
}

const write = (of: StoredRecord): { record: Uint8Array } => ({ record: of.encoded })

describe('a replica', () => {
  it('answers that it holds nothing with an absent version and empty bytes', async () => {
    const { replica } = new Host('a')
    expect(await replica.readVersion({ position })).toEqual({ version: {} })
    expect(await replica.readRecord({ position })).toEqual({ record: { record: new Uint8Array() } })
  })

  it('answers with the version and the record that it has stored', async () => {
    const { replica } = new Host('a')
    expect(await replica.writeRecord(write(record(5)))).toEqual({ done: {} })
    expect(await replica.readVersion({ position })).toEqual({
      version: { version: { time: 5, writer, rmw: 0 } }
    })
    const answer = await replica.readRecord({ position })
    expect(decodeRecord(answer.record!.record).value).toEqual(bytes('v'))
  })

  it('answers a write that it holds a newer one of with done, and keeps the newer one', async () => {
    const { replica } = new Host('a')
    await replica.writeRecord(write(record(5)))
    expect(await replica.writeRecord(write(record(4)))).toEqual({ done: {} })
    expect((await replica.readVersion({ position })).version?.version?.time).toBe(5)
  })

  it('never votes for a damaged record, nor over a disk that fails', async () => {
    for (const [fault, code] of [
      ['damaged', refusedCode.damaged],
      ['disk', refusedCode.disk]
    ] as const) {
      const host = new Host('a')
      host.store.fault = fault
      for (const answer of [
        await host.replica.readVersion({ position }),
        await host.replica.readRecord({ position }),
        await host.replica.writeRecord(write(record(5)))
      ]) {
        expect(answer.refused?.code).toBe(code)
        expect(Object.keys(answer)).toEqual(['refused'])
      }
    }
  })

  it('refuses a version of after the year 2200, which no clock could outdo', async () => {
    const { replica } = new Host('a')
    const { encoded } = record(maxTime)
    expect(await replica.writeRecord({ record: encoded })).toEqual({ done: {} })
    const later = encoded.slice()
    const view = new DataView(later.buffer)
    view.setBigUint64(16, BigInt(maxTime) + 1n)
    const checked = 48 + key.length
    view.setUint32(checked, crc32(later.subarray(0, checked), crc32(position)))
    await expect(replica.writeRecord({ record: later })).rejects.toMatchObject({
      code: 'bad-request',
      message: expect.stringContaining("a version's time is at most") as string
    })
    expect((await replica.readVersion({ position })).version?.version?.time).toBe(maxTime)
  })

  it('takes a put that is stamped far ahead of its clock, and tells whose it is', async () => {
    const nowMs = 1_800_000_000_000
    const told: unknown[] = []
    const replica = new Replica({
      store: new MemoryStore(),
      logger: silent,
      clock: { now: () => nowMs },
      refusals: { note: (...what) => void told.push(what) }
    })
    const from = { peerId: 'ahead', life: '' }
    const put = (aheadMs: number, isPut = true): Promise<unknown> =>
      replica.writeRecord({ ...write(record((nowMs + aheadMs) * 1000)), put: isPut }, from)
    expect(await put(maxAheadMs)).toEqual({ done: {} })
    // What a get writes back is not its own.
    expect(await put(10 * maxAheadMs, false)).toEqual({ done: {} })
    expect(told).toEqual([])
    expect(await put(100 * maxAheadMs)).toEqual({ done: {} })
    expect(told).toEqual([
      ['ahead', 'ahead', 'a put stamped 360000 s ahead of the clock here, which was taken']
    ])
    expect((await replica.readVersion({ position })).version?.version?.time).toBe(
      (nowMs + 100 * maxAheadMs) * 1000
    )
  })

  it('refuses malformed requests as such', async () => {
    const { replica } = new Host('a')
    const broken = write(record(5)).record.slice()
    broken[broken.length - 1]! ^= 1
    const malformed = [
      replica.readVersion({ position: position.subarray(1) }),
      replica.readRecord({ position: new Uint8Array() }),
      replica.writeRecord({ record: broken }),
      replica.writeRecord({ record: new Uint8Array() })
    ]
    for (const answer of malformed) await expect(answer).rejects.toMatchObject({ code: 'bad-request' })
  })
})
