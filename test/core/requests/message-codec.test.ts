import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { maxTime } from '../../../src/core/limits.ts'
import {
  decodeRequest,
  decodeResponse,
  encodeRequest,
  encodeResponse
} from '../../../src/core/requests/message-codec.ts'
import { Request, Response } from '../../../src/wire/generated/messages.ts'
import { varintLength, writeVarint } from '../../../src/wire/varint.ts'

const bytes = fc.uint8Array({ maxLength: 300 })
const epoch = fc.oneof(fc.constant(0), fc.maxSafeNat())

const storing = fc.integer({ min: 0, max: 0xffff_ffff })

const anyRequest: fc.Arbitrary<Request> = fc.oneof(
  fc.record({ epoch, readVersion: fc.record({ position: bytes, storing }, { requiredKeys: ['position'] }) }),
  fc.record({ epoch, readRecord: fc.record({ position: bytes }) }),
  fc.record({
    epoch,
    writeRecord: fc.record({ record: bytes, put: fc.boolean() }, { requiredKeys: ['record'] })
  }),
  fc.record({ epoch, fetchLog: fc.record({ after: epoch }) }),
  fc.record({ epoch })
)

const version = fc.record({
  time: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: maxTime })),
  writer: fc.oneof(fc.uint8Array({ minLength: 16, maxLength: 16 }), fc.uint8Array({ maxLength: 20 })),
  rmw: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 0xffff_ffff }))
})

const anyResponse: fc.Arbitrary<Response> = fc.oneof(
  fc.record({ epoch, version: fc.record({ version, full: fc.boolean() }, { requiredKeys: [] }) }),
  fc.record({ epoch, record: fc.record({ record: bytes }) }),
  fc.record({ epoch, done: fc.constant({}) }),
  epoch.map(epoch => ({ epoch, done: {}, log: { entries: [] } })),
  fc.record({ epoch, refused: fc.record({ code: fc.nat(9), reason: fc.string() }) }),
  fc.record({ epoch })
)

/** What comes of decoding, or that it throws. */
function outcome(decode: (bytes: Uint8Array) => unknown, encoded: Uint8Array): unknown {
  try {
    return decode(encoded)
  } catch {
    return 'no message'
  }
}

/** Valid bytes of which some were changed, cut off or added. */
function damaged(valid: fc.Arbitrary<Uint8Array>): fc.Arbitrary<Uint8Array> {
  return fc
    .tuple(valid, fc.array(fc.tuple(fc.nat(40), fc.nat(255)), { maxLength: 3 }), fc.nat(40), bytes)
    .map(([encoded, changes, cut, more]) => {
      const copy = Uint8Array.from([
        ...encoded.subarray(0, encoded.length - cut),
        ...more.subarray(0, cut % 5)
      ])
      for (const [at, value] of changes) if (at < copy.length) copy[at] = value
      return copy
    })
}

describe('the codec of messages', () => {
  it('encodes byte for byte as messages.proto says', () => {
    fc.assert(
      fc.property(anyRequest, request => {
        expect(Buffer.from(encodeRequest(request))).toEqual(Buffer.from(Request.encode(request)))
      })
    )
    fc.assert(
      fc.property(anyResponse, response => {
        expect(Buffer.from(encodeResponse(response))).toEqual(Buffer.from(Response.encode(response)))
      })
    )
  })

  it('decodes what messages.proto says', () => {
    fc.assert(
      fc.property(anyRequest.map(Request.encode), encoded => {
        expect(decodeRequest(encoded)).toEqual(Request.decode(encoded))
      })
    )
    fc.assert(
      fc.property(anyResponse.map(Response.encode), encoded => {
        expect(decodeResponse(encoded)).toEqual(Response.decode(encoded))
      })
    )
  })

  it('decodes any other bytes as the generated code does, or refuses them as it does', () => {
    fc.assert(
      fc.property(damaged(anyRequest.map(Request.encode)), encoded => {
        expect(outcome(decodeRequest, encoded)).toEqual(outcome(Request.decode, encoded))
      }),
      { numRuns: 3000 }
    )
    fc.assert(
      fc.property(damaged(anyResponse.map(Response.encode)), encoded => {
        expect(outcome(decodeResponse, encoded)).toEqual(outcome(Response.decode, encoded))
      }),
      { numRuns: 3000 }
    )
  })

  it('writes varints of up to 53 bits as long as it says', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), value => {
        const target = new Uint8Array(10)
        expect(writeVarint(target, 0, value)).toBe(varintLength(value))
      })
    )
  })
})
