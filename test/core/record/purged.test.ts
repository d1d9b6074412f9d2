import { describe, expect, it } from 'vitest'
import { endOf, isPurged } from '../../../src/core/record/purged.ts'
import type { RecordHead } from '../../../src/core/record/record.ts'

function head(kind: RecordHead['kind'], time: number, expiresAt = 0): RecordHead {
  const version = { time, writer: new Uint8Array(16), rmw: 0 }
  return { position: new Uint8Array(32), version, kind, expiresAt, size: 100 }
}

describe('a purge', () => {
  const cases: ReadonlyArray<[what: string, record: RecordHead, end: number | undefined]> = [
    ['a value never', head('value', 5), undefined],
    ['a tombstone by its stamp', head('tombstone', 5), 5],
    ['an expiring value by its expiry, which is in ms', head('value', 5, 2), 2000],
    ['one that was stamped after it had expired by its stamp', head('value', 7000, 2), 7000]
  ]
  for (const [what, record, end] of cases) {
    it(`makes an end of ${what}`, () => {
      expect(endOf(record)).toBe(end)
      expect(isPurged(record, 0)).toBe(false)
      expect(isPurged(record, end ?? Infinity)).toBe(false)
      expect(isPurged(record, (end ?? Infinity) + 1)).toBe(end !== undefined)
    })
  }
})
