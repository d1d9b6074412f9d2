import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  type Frame,
  frameKind,
  frameLength,
  MalformedError,
  readFrame,
  writeFrame
} from '../../src/libp2p/frame.ts'
import { errorCode } from '../../src/libp2p/calls.ts'
import { ErrorCode, Frame as WireFrame, FrameKind } from '../../src/wire/generated/frame.ts'
import { varintLength, writeVarint } from '../../src/wire/varint.ts'

const uint32 = fc.integer({ min: 0, max: 0xffff_ffff })

const anyFrame: fc.Arbitrary<Frame> = fc.record({
  kind: fc.constantFrom(...Object.values(frameKind)),
  id: fc.integer({ min: 1, max: 0xffff_ffff }),
  timeoutMs: uint32,
  body: fc.uint8Array({ maxLength: 300 }),
  code: uint32,
  reason: fc.string({ unit: 'grapheme', maxLength: 40 })
})

const wireKinds: Record<number, FrameKind> = {
  [frameKind.request]: FrameKind.FRAME_REQUEST,
  [frameKind.response]: FrameKind.FRAME_RESPONSE,
  [frameKind.error]: FrameKind.FRAME_ERROR,
  [frameKind.cancel]: FrameKind.FRAME_CANCEL,
  [frameKind.ping]: FrameKind.FRAME_PING,
  [frameKind.pong]: FrameKind.FRAME_PONG,
  [frameKind.goodbye]: FrameKind.FRAME_GOODBYE
}

function encode(frame: Frame): Buffer {
  const bytes = Buffer.alloc(frameLength(frame))
  expect(writeFrame(bytes, 0, frame)).toBe(bytes.length)
  return bytes
}

describe('a frame', () => {
  it('is encoded byte for byte as frame.proto says', () => {
    fc.assert(
      fc.property(anyFrame, frame => {
        const wire = WireFrame.encode({
          ...frame,
          kind: wireKinds[frame.kind]!,
          body: new Uint8Array(frame.body)
        })
        expect(encode(frame).toString('hex')).toBe(Buffer.from(wire).toString('hex'))
      })
    )
  })

  it('comes back as it was', () => {
    fc.assert(
      fc.property(anyFrame, frame => {
        const read = readFrame(new Uint8Array(encode(frame)))
        expect({ ...read, body: [...read.body] }).toEqual({ ...frame, body: [...frame.body] })
      })
    )
  })

  it('is read though a later version has added fields', () => {
    const later = Buffer.concat([
      encode({ kind: frameKind.request, id: 3, timeoutMs: 9, body: Buffer.from('b'), code: 0, reason: '' }),
      Buffer.from([0x38, 0xff, 0x01]), // 7: varint
      Buffer.from([0x41, 1, 2, 3, 4, 5, 6, 7, 8]), // 8: 64 bits
      Buffer.from([0x4a, 2, 1, 2]), // 9: bytes
      Buffer.from([0x55, 1, 2, 3, 4]) // 10: 32 bits
    ])
    expect(readFrame(later)).toMatchObject({ kind: frameKind.request, id: 3, timeoutMs: 9 })
  })

  it.each([
    ['nothing', []],
    ['no kind', [0x10, 0x01]],
    ['an unknown kind', [0x08, 0x09, 0x10, 0x01]],
    ['no id', [0x08, 0x01]],
    ['a body that reaches beyond it', [0x08, 0x01, 0x10, 0x01, 0x22, 0x05, 0x00]],
    ['a body of four billion bytes', [0x08, 0x01, 0x10, 0x01, 0x22, 0xff, 0xff, 0xff, 0xff, 0x0f]],
    ['a number that does not end', [0x08, 0x01, 0x10, 0xff, 0xff, 0xff]],
    ['an unknown wire type', [0x08, 0x01, 0x10, 0x01, 0x3b]]
  ])('with %s is malformed', (_, bytes) => {
    expect(() => readFrame(Uint8Array.from(bytes))).toThrow(MalformedError)
  })

  it('of random bytes is read or malformed, and nothing else happens', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), bytes => {
        try {
          readFrame(bytes)
        } catch (error) {
          expect(error).toBeInstanceOf(MalformedError)
        }
      })
    )
  })
})

describe('an error code', () => {
  it('has the number that frame.proto gives it', () => {
    // The generated code knows names only: the numbers are the positions.
    const names = Object.values(ErrorCode)
    expect(names[errorCode.overloaded]).toBe(ErrorCode.ERROR_OVERLOADED)
    expect(names[errorCode['bad-request']]).toBe(ErrorCode.ERROR_BAD_REQUEST)
    expect(names[errorCode.internal]).toBe(ErrorCode.ERROR_INTERNAL)
    expect(names[errorCode['not-ready']]).toBe(ErrorCode.ERROR_NOT_READY)
  })
})

describe('a varint', () => {
  it('takes as many bytes as its length says', () => {
    fc.assert(
      fc.property(uint32, value => {
        expect(writeVarint(new Uint8Array(5), 0, value)).toBe(varintLength(value))
      })
    )
  })
})
