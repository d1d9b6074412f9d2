import fc from 'fast-check'
import { describe, expect, it, test } from 'vitest'
import {
  formatBytes,
  formatCount,
  formatDuration,
  formatSeconds,
  parseBytes,
  parseDuration,
  plural
} from '../../src/cli/units.ts'

describe('a duration', () => {
  test.each([
    ['500ms', 500],
    ['10s', 10_000],
    ['1.5s', 1_500],
    ['10m', 600_000],
    ['2h', 7_200_000],
    ['1d', 86_400_000],
    ['0', 0],
    ['0s', 0]
  ])('%s is %i ms', (text, ms) => {
    expect(parseDuration(text)).toBe(ms)
  })

  test.each(['', '10', 's', '-1s', '1 s', '1e3s', '10min', '1h30m', '.5s', `${'9'.repeat(30)}d`])(
    'is not what "%s" says',
    text => {
      expect(parseDuration(text)).toBeUndefined()
    }
  )

  it('reads back as it was written', () => {
    fc.assert(
      fc.property(fc.nat(), ms => {
        expect(parseDuration(formatDuration(ms))).toBe(ms)
      })
    )
  })
})

describe('a number of bytes', () => {
  test.each([
    ['0', 0],
    ['7B', 7],
    ['500kB', 500_000],
    ['1.5MB', 1_500_000],
    ['2GB', 2e9],
    ['1KiB', 1024],
    ['32MiB', 33_554_432],
    ['0.5GiB', 536_870_912]
  ])('%s is %i', (text, bytes) => {
    expect(parseBytes(text)).toBe(bytes)
  })

  test.each(['', '10', 'MB', '-1MB', '1 MB', '1e3B', '10mb', '10M', `${'9'.repeat(30)}GB`])(
    'is not what "%s" says',
    text => {
      expect(parseBytes(text)).toBeUndefined()
    }
  )
})

test.each([
  [0, '0 B'],
  [1023, '1023 B'],
  [1024, '1.0 KiB'],
  [1536, '1.5 KiB'],
  [1024 * 1024 - 1, '1.0 MiB'],
  [4 * 1024 * 1024, '4.0 MiB'],
  [5e15, '4.4 PiB']
])('%i bytes are shown as %s', (bytes, text) => {
  expect(formatBytes(bytes)).toBe(text)
})

test.each([
  [0, '0 s'],
  [59, '59 s'],
  [125, '2 m 05 s'],
  [3_600, '1 h 00 m'],
  [86_399, '23 h 59 m'],
  [100_000, '1 d 3 h']
])('%i seconds are shown as %s', (seconds, text) => {
  expect(formatSeconds(seconds)).toBe(text)
})

it('counts with thousands apart and the right ending', () => {
  expect(formatCount(999)).toBe('999')
  expect(formatCount(1_234_567)).toBe('1,234,567')
  expect(plural(1, 'file')).toBe('1 file')
  expect(plural(1_000, 'file')).toBe('1,000 files')
})
