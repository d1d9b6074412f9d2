import { describe, expect, it } from 'vitest'
import { StoreFullError, type Logger } from '../../src/core/ports.ts'
import { Quota } from '../../src/core/quota.ts'
import { encodeRecord } from '../../src/core/record/codec.ts'
import type { StoredRecord } from '../../src/core/record/record.ts'
import { VirtualClock, VirtualTime } from '../simulation/clock.ts'
import { silent } from './topology/fakes.ts'

const maxBytes = 16_000

function record(kind: 'value' | 'tombstone', valueBytes = 0): StoredRecord {
  const version = { time: 1, writer: new Uint8Array(16), rmw: 0 }
  const value = new Uint8Array(valueBytes)
  return encodeRecord({ key: Uint8Array.of(1), version, kind, expiresAt: 0, value })
}

function make(init: { maxBytes?: number } = { maxBytes }) {
  const held = { records: 1, bytes: 0 }
  const lines: unknown[] = []
  const time = new VirtualTime()
  const logger: Logger = { ...silent, warn: (...line) => void lines.push(line) }
  const quota = new Quota({ store: { usage: () => held }, clock: new VirtualClock(time), logger }, init)
  const write = (...records: StoredRecord[]): Promise<string> =>
    quota.during(records, () => Promise.resolve('written'))
  return { quota, held, lines, time, write }
}

describe('a disk quota', () => {
  it('has no room for a new value that would go beyond it, and has again when there is', async () => {
    const { quota, held, time } = make()
    held.bytes = maxBytes - 100
    expect(quota.refusalOf(100)).toBeUndefined()
    expect(quota.trouble).toBeUndefined()
    expect(quota.refusalOf(101)).toBe('its disk quota of 16000 bytes is used up')
    expect(quota.trouble).toBe('its disk quota of 16000 bytes is used up')
    await time.run(60_000)
    expect(quota.trouble).toBeUndefined()
    held.bytes = maxBytes
    expect(quota.trouble).toBe('its disk quota of 16000 bytes is used up')
    held.bytes = 0
    expect([quota.refusalOf(101), quota.trouble, quota.refused]).toEqual([undefined, undefined, 1])
  })

  it('has a margin for copies of what others hold, and a larger one for deletes', async () => {
    const { held, write } = make()
    held.bytes = maxBytes + 500
    expect(await write(record('value', 400))).toBe('written')
    await expect(write(record('value', 500))).rejects.toThrow(StoreFullError)
    held.bytes = maxBytes + 1_500
    await expect(write(record('value'), record('tombstone'))).rejects.toThrow(StoreFullError)
    expect(await write(record('tombstone'))).toBe('written')
    held.bytes = maxBytes + 2_000
    await expect(write(record('tombstone'))).rejects.toThrow(StoreFullError)
  })

  it('counts what is on its way to the disk', async () => {
    const { quota, write } = make()
    const landing = Promise.withResolvers<undefined>()
    const first = quota.during([record('value', 15_000)], () => landing.promise)
    expect(quota.refusalOf(2_000)).toBeDefined()
    await expect(write(record('value', 2_000))).rejects.toThrow(StoreFullError)
    landing.resolve(undefined)
    await first
    expect(quota.refusalOf(2_000)).toBeUndefined()
  })

  it('frees what was on its way where the disk fails', async () => {
    const { quota } = make()
    const fails = quota.during([record('value', 15_000)], () => Promise.reject(new Error('the disk failed')))
    await expect(fails).rejects.toThrow('the disk failed')
    expect(quota.refusalOf(2_000)).toBeUndefined()
  })

  it('is not there where none was given', async () => {
    const { quota, held, write } = make({})
    held.bytes = Number.MAX_SAFE_INTEGER
    expect([quota.refusalOf(1), quota.trouble]).toEqual([undefined, undefined])
    expect(await write(record('value', 1))).toBe('written')
  })

  it('is told of in the log once a minute, however many writes are refused', async () => {
    const { quota, held, lines, time } = make()
    held.bytes = maxBytes
    for (let i = 0; i < 1_000; i++) quota.refusalOf(1)
    expect(lines).toHaveLength(1)
    await time.run(60_000)
    quota.refusalOf(1)
    expect(lines).toHaveLength(2)
    expect(quota.refused).toBe(1_001)
  })
})
