import { describe, expect, it } from 'vitest'
import { contains, isWholeRing, rangeBetween, wholeRing } from '../../../src/core/ring/range.ts'
import { positionAt } from './reference.ts'

const holds = (start: number, end: number, position: number): boolean =>
  contains({ start: positionAt(start), end: positionAt(end) }, positionAt(position))

describe('range', () => {
  it('leaves out its start and has its end', () => {
    expect([9, 10, 11, 20, 21].map(position => holds(10, 20, position))).toEqual([
      false,
      false,
      true,
      true,
      false
    ])
  })

  it('wraps over position zero where its end lies before its start', () => {
    expect([199, 200, 201, 255, 0, 10, 11].map(position => holds(200, 10, position))).toEqual([
      false,
      false,
      true,
      true,
      true,
      true,
      false
    ])
  })

  it('is the whole ring where its ends are equal', () => {
    for (const position of [0, 5, 6, 255]) expect(holds(5, 5, position)).toBe(true)
    expect(contains(wholeRing, positionAt())).toBe(true)
    expect(isWholeRing({ start: positionAt(3), end: positionAt(3) })).toBe(true)
    expect(isWholeRing({ start: positionAt(3), end: positionAt(4) })).toBe(false)
  })

  it('from a token to the same token is spelt as the whole ring', () => {
    expect(rangeBetween(positionAt(3), positionAt(3))).toBe(wholeRing)
    expect(rangeBetween(positionAt(3), positionAt(4))).toEqual({ start: positionAt(3), end: positionAt(4) })
  })
})
