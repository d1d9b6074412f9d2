import { describe, expect, it } from 'vitest'
import { maxTime } from '../../../src/core/limits.ts'
import {
  checkedPosition,
  fromWireRanges,
  fromWireVersions,
  maxRangesPerRequest,
  maxVersionsPerMessage,
  toWireVersions
} from '../../../src/core/movement/wire.ts'
import { ServeError } from '../../../src/core/ports.ts'
import { recordOf } from './world.ts'

const record = recordOf('key')
const [version] = toWireVersions([record])

/** The code that something is refused with. */
function refusal(act: () => unknown): string {
  try {
    act()
  } catch (error) {
    if (error instanceof ServeError) return error.code
    throw error
  }
  return 'none'
}

const range = { start: new Uint8Array(32), end: new Uint8Array(32).fill(1) }

describe('versions on the wire', () => {
  it('come out as they went in', () => {
    const { position, version, size } = record
    expect(fromWireVersions(toWireVersions([record]))).toEqual([{ position, version, size }])
  })

  it('are refused where a position has not 32 bytes', () => {
    for (const length of [0, 31, 33]) {
      const position = new Uint8Array(length)
      expect(refusal(() => fromWireVersions([{ ...version!, position }]))).toBe('bad-request')
      expect(refusal(() => checkedPosition(position))).toBe('bad-request')
    }
  })

  it('are refused where one is missing, has another writer part than 16 bytes, or a time that cannot be', () => {
    const { version: valid } = version!
    const malformed = [
      undefined,
      { ...valid!, writer: new Uint8Array(15) },
      { ...valid!, time: maxTime + 1 },
      { ...valid!, time: NaN }
    ]
    const { position, size } = version!
    for (const version of malformed) {
      const versions = [version === undefined ? { position, size } : { position, size, version }]
      expect(refusal(() => fromWireVersions(versions))).toBe('bad-request')
    }
    expect(fromWireVersions([{ ...version!, version: { ...valid!, time: maxTime } }])).toHaveLength(1)
  })

  it('are refused where they are more than fit a message', () => {
    expect(fromWireVersions(Array.from({ length: maxVersionsPerMessage }, () => version!))).toHaveLength(1024)
    const tooMany = Array.from({ length: maxVersionsPerMessage + 1 }, () => version!)
    expect(refusal(() => fromWireVersions(tooMany))).toBe('bad-request')
  })
})

describe('ranges on the wire', () => {
  it('come out as they went in', () => {
    expect(fromWireRanges([range])).toEqual([range])
  })

  it('are refused where an end has not 32 bytes', () => {
    expect(refusal(() => fromWireRanges([{ ...range, start: new Uint8Array(31) }]))).toBe('bad-request')
    expect(refusal(() => fromWireRanges([{ ...range, end: new Uint8Array(0) }]))).toBe('bad-request')
  })

  it('are refused where they are more than fit a request', () => {
    expect(fromWireRanges(Array.from({ length: maxRangesPerRequest }, () => range))).toHaveLength(512)
    expect(refusal(() => fromWireRanges(Array.from({ length: maxRangesPerRequest + 1 }, () => range)))).toBe(
      'bad-request'
    )
  })
})
