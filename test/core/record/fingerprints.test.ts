import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import {
  type Fingerprinted,
  fingerprintOf,
  noRecords,
  plus,
  plusOne
} from '../../../src/core/record/fingerprint.ts'
import { Fingerprints, slotCount, slotOf } from '../../../src/core/record/fingerprints.ts'
import { maxTime } from '../../../src/core/limits.ts'

function hex(head: Fingerprinted): string {
  const { low, high } = fingerprintOf(head)
  return high.toString(16).padStart(8, '0') + low.toString(16).padStart(8, '0')
}

function headOf(position: number, time: number, kind: 'value' | 'tombstone' = 'value'): Fingerprinted {
  const bytes = new Uint8Array(32)
  new DataView(bytes.buffer).setUint32(0, position)
  return { position: bytes, version: { time, writer: new Uint8Array(16), rmw: 0 }, kind }
}

const anyHead = fc.record({
  position: fc.uint8Array({ minLength: 32, maxLength: 32 }),
  version: fc.record({
    time: fc.integer({ min: 0, max: maxTime }),
    writer: fc.uint8Array({ minLength: 16, maxLength: 16 }),
    rmw: fc.integer({ min: 0, max: 0xffffffff })
  }),
  kind: fc.constantFrom('value' as const, 'tombstone' as const)
})

describe('the fingerprint of a record', () => {
  it('is the same on every machine and in every version of the program', () => {
    expect(hex(headOf(0, 0))).toBe('b552130b99acbf22')
    expect(hex(headOf(0x01020304, 1_767_225_600_000_000))).toBe('501072b9e28e47a5')
    expect(hex(headOf(0xffffffff, 1, 'tombstone'))).toBe('46f81aa56e8bfcf4')
  })

  it('changes half of its bits with any bit of position, time, writer, rmw and kind', () => {
    const bits = new Map<string, number[]>()
    fc.assert(
      fc.property(anyHead, fc.nat(8 * 32 - 1), (head, bit) => {
        const flipped = (bytes: Uint8Array): Uint8Array => {
          const copy = bytes.slice()
          copy[(bit >>> 3) % copy.length]! ^= 1 << (bit & 7)
          return copy
        }
        const { version } = head
        const time = Number(BigInt(version.time) ^ (1n << BigInt(bit % 52)))
        const variants: Record<string, Fingerprinted> = {
          position: { ...head, position: flipped(head.position) },
          time: { ...head, version: { ...version, time } },
          writer: { ...head, version: { ...version, writer: flipped(version.writer) } },
          rmw: { ...head, version: { ...version, rmw: (version.rmw ^ (1 << (bit & 31))) >>> 0 } },
          kind: { ...head, kind: head.kind === 'value' ? 'tombstone' : 'value' }
        }
        const [a, all] = [fingerprintOf(head), bits]
        for (const [name, variant] of Object.entries(variants)) {
          const b = fingerprintOf(variant)
          all.set(name, [...(all.get(name) ?? []), ones(a.low ^ b.low) + ones(a.high ^ b.high)])
        }
      }),
      { numRuns: 500 }
    )
    for (const changed of bits.values()) {
      const mean = changed.reduce((sum, count) => sum + count, 0) / changed.length
      expect(mean).toBeGreaterThan(30)
      expect(mean).toBeLessThan(34)
      expect(Math.min(...changed)).toBeGreaterThan(8)
    }
  })

  it('collides for none of many that differ little', () => {
    const seen = new Set<string>()
    for (let position = 0; position < 200; position++)
      for (let time = 0; time < 200; time++) seen.add(hex(headOf(position, time)))
    expect(seen.size).toBe(40_000)
  })
})

describe('fingerprints by slot', () => {
  const op = fc.record({
    position: fc.integer({ min: 0, max: 7 }).map(index => index * 0x1fff_ffff),
    time: fc.integer({ min: 1, max: 3 }),
    what: fc.constantFrom('replace' as const, 'remove' as const, 'damage' as const)
  })

  it('are those of what is held, whatever was added, removed and damaged before', () => {
    fc.assert(
      fc.property(fc.array(op, { maxLength: 40 }), ops => {
        const index = new Fingerprints()
        const held = new Map<number, { head: Fingerprinted; damaged: boolean }>()
        for (const { position, time, what } of ops) {
          const before = held.get(position)
          if (before !== undefined && what !== 'damage') index.remove(before.head)
          if (what !== 'damage') held.delete(position)
          const head = headOf(position, time)
          if (what === 'replace') {
            index.add(head)
            held.set(position, { head, damaged: false })
          } else if (what === 'damage' && before !== undefined) {
            index.damage(before.head)
            held.set(position, { ...before, damaged: true })
          }
        }
        const sound = [...held.values()].filter(({ damaged }) => !damaged).map(({ head }) => head)
        for (const [first, end] of [
          [0, slotCount],
          [0, 1],
          [1, 0x8000],
          [0x1fff, 0x2000],
          [0xffff, 0x10000]
        ] as const) {
          const within = sound.filter(({ position }) => slotOf(position) >= first && slotOf(position) < end)
          const expected = within.reduce((sum, head) => plusOne(sum, fingerprintOf(head)), noRecords)
          expect(index.sum(first, end)).toEqual(expected)
        }
        const damaged = [...held.values()].filter(each => each.damaged)
        expect(index.damaged(0, slotCount).length).toBe(damaged.length)
      })
    )
  })

  it('add up over any cut of the ring', () => {
    const index = new Fingerprints()
    for (let i = 0; i < 1000; i++) index.add(headOf(i * 4_294_967, i))
    fc.assert(
      fc.property(fc.nat(slotCount), cut => {
        expect(plus(index.sum(0, cut), index.sum(cut, slotCount))).toEqual(index.sum(0, slotCount))
      })
    )
  })
})

function ones(word: number): number {
  let count = 0
  for (let bits = word >>> 0; bits > 0; bits >>>= 1) count += bits & 1
  return count
}
