import { describe, expect, it } from 'vitest'
import { comparePositions, formatPosition, positionOf, prefixAt } from '../../../src/core/ring/position.ts'
import { positionAt } from './reference.ts'

describe('position', () => {
  it('of a key is its SHA-256', () => {
    // FIPS 180-2, appendix B.1.
    expect(formatPosition(positionOf(new TextEncoder().encode('abc')))).toBe(
      'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'
    )
  })

  it('compares as a big-endian number, down to the last byte', () => {
    const last = positionAt()
    last[31] = 1
    expect(comparePositions(positionAt(0, 255), positionAt(1))).toBeLessThan(0)
    expect(comparePositions(last, positionAt())).toBeGreaterThan(0)
    expect(comparePositions(positionAt(7), positionAt(7))).toBe(0)
  })

  it('has a prefix that is never negative', () => {
    expect(prefixAt(positionAt(0xff, 0xfe, 0xfd, 0xfc), 0)).toBe(0xfffefdfc)
    expect(prefixAt(positionAt(9, 0, 0, 0, 1), 1)).toBe(1)
  })
})
