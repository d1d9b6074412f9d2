import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  checkCall,
  checkChange,
  checkKey,
  checkOperation,
  checkPut,
  checkValue,
  defaultDeadlineMs
} from '../../src/core/arguments.ts'
import { AnnulusError } from '../../src/core/errors.ts'
import { maxDeadlineMs, maxKeyBytes, maxValueBytes } from '../../src/core/limits.ts'

function codeOf(check: () => unknown): string {
  try {
    check()
  } catch (error) {
    if (error instanceof AnnulusError) return error.code
    throw error
  }
  return 'none'
}

describe('a key', () => {
  it('is the UTF-8 of its text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 100 }), text => {
        expect(new TextDecoder().decode(checkKey(text))).toBe(text)
      })
    )
  })

  it('of bytes is copied', () => {
    const given = Uint8Array.of(1, 2, 3)
    const checked = checkKey(given)
    given.fill(0)
    expect([...checked]).toEqual([1, 2, 3])
    const buffer = Buffer.from('abc')
    const copied = checkKey(buffer)
    buffer.fill(0)
    expect([...copied]).toEqual([97, 98, 99])
  })

  it('has 1 byte to the limit, counted as UTF-8', () => {
    expect(checkKey('k'.repeat(maxKeyBytes))).toHaveLength(maxKeyBytes)
    expect(checkKey(new Uint8Array(maxKeyBytes))).toHaveLength(maxKeyBytes)
    for (const wrong of [
      '',
      'k'.repeat(maxKeyBytes + 1),
      'é'.repeat(maxKeyBytes / 2 + 1),
      new Uint8Array()
    ]) {
      expect(codeOf(() => checkKey(wrong))).toBe('ERR_INVALID')
    }
  })

  it('is refused where its text has no UTF-8, so that no two texts are one key', () => {
    for (const wrong of ['\ud800', 'a\udc00', '\udc00\ud800']) {
      expect(codeOf(() => checkKey(wrong))).toBe('ERR_INVALID')
    }
  })

  it('is refused where it is neither text nor bytes', () => {
    for (const wrong of [undefined, null, 7, {}, [1], new ArrayBuffer(1)]) {
      expect(codeOf(() => checkKey(wrong as never))).toBe('ERR_INVALID')
    }
  })
})

describe('a value', () => {
  it('is bytes up to the limit, none included', () => {
    expect(checkValue(new Uint8Array())).toHaveLength(0)
    expect(checkValue(new Uint8Array(maxValueBytes))).toHaveLength(maxValueBytes)
    expect(codeOf(() => checkValue(new Uint8Array(maxValueBytes + 1)))).toBe('ERR_INVALID')
    expect(codeOf(() => checkValue('text' as never))).toBe('ERR_INVALID')
  })
})

describe('the options of a call', () => {
  it('have a deadline of their own where none is given', () => {
    expect(checkCall()).toEqual({ deadlineMs: defaultDeadlineMs })
    expect(checkOperation()).toEqual({ deadlineMs: defaultDeadlineMs, consistency: 'quorum' })
  })

  it.each([0, -1, NaN, Infinity, maxDeadlineMs + 1])('refuse a deadline of %s ms', deadline => {
    expect(codeOf(() => checkCall({ deadline }))).toBe('ERR_INVALID')
  })

  it('take deadlines up to the limit, parts of a ms too', () => {
    expect(checkCall({ deadline: maxDeadlineMs }).deadlineMs).toBe(maxDeadlineMs)
    expect(checkCall({ deadline: 0.5 }).deadlineMs).toBe(0.5)
  })

  it('pass the signal on, unless it has aborted', () => {
    const { signal } = new AbortController()
    expect(checkPut({ signal }).signal).toBe(signal)
    expect(codeOf(() => checkGet(AbortSignal.abort()))).toBe('ERR_ABORTED')
  })

  it('limit a change of the members only where they are told to', () => {
    expect(checkChange()).toEqual({})
    expect(checkChange({ deadline: 5 })).toEqual({ limitMs: 5 })
    expect(codeOf(() => checkChange({ deadline: -5 }))).toBe('ERR_INVALID')
  })

  it('know three consistencies', () => {
    for (const consistency of ['one', 'quorum', 'all'] as const) {
      expect(checkOperation({ consistency }).consistency).toBe(consistency)
    }
    for (const wrong of ['', 'ONE', 'toString', 1]) {
      expect(codeOf(() => checkOperation({ consistency: wrong as never }))).toBe('ERR_INVALID')
    }
  })

  it('take a time to live of more than nothing, in whole ms', () => {
    expect(checkPut({}).ttlMs).toBeUndefined()
    expect(checkPut({ ttl: 0.2 }).ttlMs).toBe(1)
    for (const ttl of [0, -1, NaN, Infinity]) expect(codeOf(() => checkPut({ ttl }))).toBe('ERR_INVALID')
  })
})

function checkGet(signal: AbortSignal): unknown {
  return checkOperation({ signal })
}
