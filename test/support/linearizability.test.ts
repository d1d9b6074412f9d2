import { describe, expect, it } from 'vitest'
import { isLinearizable, type RegisterOperation } from './linearizability.ts'

const write = (value: string, calledAt: number, returnedAt = Infinity): RegisterOperation => ({
  kind: 'write',
  value,
  calledAt,
  returnedAt
})
const read = (value: string | undefined, calledAt: number, returnedAt: number): RegisterOperation => ({
  kind: 'read',
  value,
  calledAt,
  returnedAt
})

describe('the checker of linearizability', () => {
  it('accepts reads of the latest write', () => {
    expect(isLinearizable([read(undefined, 0, 1), write('a', 2, 3), read('a', 4, 5)])).toBe(true)
  })

  it('refuses a read of a write that another one has replaced', () => {
    expect(isLinearizable([write('a', 0, 1), write('b', 2, 3), read('a', 4, 5)])).toBe(false)
  })

  it('accepts either order of writes at the same time, but not both', () => {
    const writes = [write('a', 0, 10), write('b', 0, 10)]
    expect(isLinearizable([...writes, read('a', 11, 12)])).toBe(true)
    expect(isLinearizable([...writes, read('b', 11, 12)])).toBe(true)
    expect(isLinearizable([...writes, read('a', 11, 12), read('b', 13, 14)])).toBe(false)
  })

  it('refuses a read that goes back behind an earlier read', () => {
    expect(isLinearizable([write('a', 0, 9), read('a', 1, 2), read(undefined, 3, 4)])).toBe(false)
  })

  it('does not search among writes that nobody can have seen', () => {
    const unseen = Array.from({ length: 40 }, (_, i) => write(`unseen ${i}`, 0))
    const goneBack = [write('a', 1, 2), write('b', 3, 4), read('b', 5, 6), read('a', 7, 8)]
    expect(isLinearizable([...unseen, ...goneBack], { maxSteps: 100 })).toBe(false)
  })

  it('lets a write that nobody answered explain an absence, where it deletes or expires', () => {
    const absence = [write('a', 1, 2), read(undefined, 5, 6)]
    const deletion = { ...write('', 3), value: undefined }
    expect(isLinearizable([...absence, deletion])).toBe(true)
    expect(isLinearizable([...absence, { ...write('b', 3), expiresAt: 4 }])).toBe(true)
    expect(isLinearizable([...absence, write('b', 3)])).toBe(false)
  })

  it('lets a write of unknown outcome take effect late, or never, but only once', () => {
    const lost = write('a', 0)
    expect(isLinearizable([lost, read(undefined, 1, 2), read('a', 3, 4)])).toBe(true)
    expect(isLinearizable([lost, read(undefined, 1, 2), read(undefined, 3, 4)])).toBe(true)
    expect(isLinearizable([lost, write('b', 1, 2), read('a', 3, 4), write('c', 5, 6), read('a', 7, 8)])).toBe(
      false
    )
  })
})
