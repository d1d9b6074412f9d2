import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { maxKeyBytes, maxTime, maxValueBytes } from '../../../src/core/limits.ts'
import {
  assertValue,
  decodeHead,
  decodeRecord,
  encodeRecord,
  headBytesOf,
  maxRecordBytes,
  RecordFormatError,
  type RecordFields
} from '../../../src/core/record/codec.ts'
import { positionOf } from '../../../src/core/ring/position.ts'

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const fields: RecordFields = {
  key: bytes('colour'),
  version: { time: 1_700_000_000_000_001, writer: new Uint8Array(16).fill(7), rmw: 3 },
  kind: 'value',
  expiresAt: 1_800_000_000_000,
  value: bytes('blue')
}

const anyFields = fc
  .record({
    key: fc.uint8Array({ minLength: 1, maxLength: 64 }),
    version: fc.record({
      time: fc.integer({ min: 0, max: maxTime }),
      writer: fc.uint8Array({ minLength: 16, maxLength: 16 }),
      rmw: fc.integer({ min: 0, max: 0xffffffff })
    }),
    kind: fc.constantFrom('value' as const, 'tombstone' as const),
    expiresAt: fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
    value: fc.uint8Array({ maxLength: 200 })
  })
  .map(({ value, ...rest }) => ({ ...rest, value: rest.kind === 'value' ? value : new Uint8Array(0) }))

describe('the record codec', () => {
  it('gives back every record that it encodes', () => {
    fc.assert(
      fc.property(anyFields, any => {
        const encoded = encodeRecord(any)
        expect(encoded).toMatchObject({ ...any, size: encoded.encoded.length })
        expect(decodeRecord(encoded.encoded)).toEqual({ ...encoded, position: positionOf(any.key) })
      })
    )
  })

  it('finds out any one flipped bit', () => {
    fc.assert(
      fc.property(anyFields, fc.nat(), (any, where) => {
        const damaged = encodeRecord(any).encoded.slice()
        const bit = where % (damaged.length * 8)
        damaged[bit >> 3]! ^= 1 << (bit & 7)
        expect(() => decodeRecord(damaged)).toThrow(RecordFormatError)
      }),
      { numRuns: 500 }
    )
  })

  it('refuses a record that is cut off anywhere or has bytes behind it', () => {
    const { encoded } = encodeRecord(fields)
    for (let length = 0; length < encoded.length; length++) {
      expect(() => decodeRecord(encoded.subarray(0, length))).toThrow(RecordFormatError)
    }
    expect(() => decodeRecord(new Uint8Array([...encoded, 0]))).toThrow('a record of 62 bytes comes in 63')
  })

  it('answers arbitrary bytes with a named error only', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), junk => {
        expect(() => decodeRecord(junk)).toThrow(RecordFormatError)
      })
    )
  })

  it('keeps the documented layout', () => {
    const { encoded } = encodeRecord({ ...fields, key: bytes('k'), value: bytes('v') })
    expect(Buffer.from(encoded).toString('hex')).toBe(
      [
        '01', // format
        '01', // kind
        '0001', // bytes of the key
        '00000001', // bytes of the value
        '6b643b84', // body checksum
        '00000003', // rmw
        '00060a24181e4001', // time
        '07070707070707070707070707070707', // writer
        '000001a3185c5000', // expiry
        '6b', // key
        'bb6e9776', // head checksum
        '76' // value
      ].join('')
    )
  })

  it('takes the largest key and value, and nothing above', () => {
    const largest = { ...fields, key: new Uint8Array(maxKeyBytes), value: new Uint8Array(maxValueBytes) }
    const { encoded } = encodeRecord(largest)
    expect(encoded.length).toBe(maxRecordBytes)
    expect(decodeRecord(encoded).value.length).toBe(maxValueBytes)
    expect(() => encodeRecord({ ...fields, key: new Uint8Array(maxKeyBytes + 1) })).toThrow(/1 to 1024 bytes/)
    expect(() => encodeRecord({ ...fields, key: new Uint8Array(0) })).toThrow(/1 to 1024 bytes, not 0/)
    expect(() => encodeRecord({ ...fields, value: new Uint8Array(maxValueBytes + 1) })).toThrow(/at most/)
  })

  it.each<[string, Partial<RecordFields>]>([
    ['a time beyond the limit', { version: { ...fields.version, time: maxTime + 1 } }],
    ['a time that is no integer', { version: { ...fields.version, time: 1.5 } }],
    ['a negative time', { version: { ...fields.version, time: -1 } }],
    ['a writer of another length', { version: { ...fields.version, writer: new Uint8Array(15) } }],
    ['an rmw beyond 32 bits', { version: { ...fields.version, rmw: 2 ** 32 } }],
    ['a negative expiry', { expiresAt: -1 }],
    ['an expiry that is no number', { expiresAt: NaN }],
    ['a tombstone with a value', { kind: 'tombstone' }],
    ['a position of another length', { position: new Uint8Array(31) }]
  ])('refuses to encode %s', (_, wrong) => {
    expect(() => encodeRecord({ ...fields, ...wrong })).toThrow(RecordFormatError)
  })

  it('names a format that it does not know', () => {
    const { encoded } = encodeRecord(fields)
    encoded[0] = 2
    expect(() => decodeRecord(encoded)).toThrow("the record's format is 2; this version knows 1")
  })

  it('refuses huge sizes before it looks at anything else', () => {
    const { encoded } = encodeRecord(fields)
    encoded.fill(0xff, 4, 8)
    expect(() => decodeRecord(encoded)).toThrow('a value has at most 4194304 bytes, not 4294967295')
  })

  it('verifies a head without its value, and a value by its head', () => {
    const { encoded, value, size } = encodeRecord(fields)
    const head = decodeHead(encoded.subarray(0, headBytesOf(fields.key.length)))
    expect(head).toMatchObject({ size, kind: 'value', valueBytes: 4, version: fields.version })
    expect(() => assertValue(value, head.valueChecksum)).not.toThrow()
    expect(() => assertValue(bytes('bleu'), head.valueChecksum)).toThrow(RecordFormatError)
  })

  it('finds out a record under the position of another key', () => {
    const { encoded } = encodeRecord(fields)
    expect(decodeRecord(encoded, positionOf(fields.key)).key).toEqual(fields.key)
    expect(() => decodeRecord(encoded, positionOf(bytes('another')))).toThrow(/head fails its checksum/)
  })

  it('decodes views of the input, at any offset and of any kind of byte array', () => {
    const { encoded } = encodeRecord(fields)
    const inside = Buffer.concat([Buffer.alloc(5), encoded]).subarray(5)
    const record = decodeRecord(inside)
    expect(record.value).toEqual(fields.value)
    expect(record.value.buffer).toBe(inside.buffer)
    expect(record.value.constructor).toBe(Uint8Array)
  })
})
