import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { MalformedError } from '../../src/libp2p/frame.ts'
import { MessageDecoder } from '../../src/libp2p/message-decoder.ts'
import { varintLength, writeVarint } from '../../src/wire/varint.ts'

const limit = 1_000_000

function prefixed(message: Uint8Array): Uint8Array {
  const prefix = varintLength(message.length)
  const bytes = new Uint8Array(prefix + message.length)
  bytes.set(message, writeVarint(bytes, 0, message.length))
  return bytes
}

function decodeAll(decoder: MessageDecoder, chunks: Uint8Array[]): string[] {
  const messages: string[] = []
  for (const chunk of chunks) {
    decoder.push(chunk)
    for (let message = decoder.next(limit); message !== undefined; message = decoder.next(limit)) {
      messages.push(Buffer.from(message).toString('hex'))
    }
  }
  return messages
}

/** Cuts bytes at the given places, which may be anywhere and in any order. */
function cut(bytes: Uint8Array, places: number[]): Uint8Array[] {
  const ends = [...places.map(place => place % (bytes.length + 1)), bytes.length].sort((a, b) => a - b)
  return ends.map((end, index) => bytes.subarray(ends[index - 1] ?? 0, end))
}

describe('a decoder of messages', () => {
  it('gives the messages that were sent, however their bytes are cut', () => {
    const messages = fc.array(
      fc.oneof(
        fc.uint8Array({ minLength: 1, maxLength: 300 }),
        fc.integer({ min: 1, max: 300_000 }).map(length => new Uint8Array(length).fill(length))
      ),
      { maxLength: 6 }
    )
    fc.assert(
      fc.property(messages, fc.array(fc.nat(), { maxLength: 20 }), (sent, places) => {
        const chunks = cut(Buffer.concat(sent.map(prefixed)), places)
        const received = decodeAll(new MessageDecoder(), chunks)
        expect(received).toEqual(sent.map(message => Buffer.from(message).toString('hex')))
      })
    )
  })

  it('gives the messages that were sent when each byte comes alone', () => {
    const sent = [Buffer.from('one'), Buffer.alloc(200, 'two'), Buffer.from('three')]
    const bytes = Buffer.concat(sent.map(prefixed))
    const chunks = Array.from(bytes, byte => Uint8Array.of(byte))
    expect(decodeAll(new MessageDecoder(), chunks)).toEqual(sent.map(message => message.toString('hex')))
  })

  it('takes a message of the limit, and none above', () => {
    const decoder = new MessageDecoder()
    decoder.push(prefixed(new Uint8Array(200)))
    expect(decoder.next(200)).toHaveLength(200)
    decoder.push(prefixed(new Uint8Array(201)))
    expect(() => decoder.next(200)).toThrow(MalformedError)
  })

  it('refuses a length over the limit before it reserves anything', () => {
    const decoder = new MessageDecoder()
    const before = process.memoryUsage().arrayBuffers
    decoder.push(Uint8Array.of(0xff, 0xff, 0xff, 0x7f))
    expect(() => decoder.next(limit)).toThrow('268435455 bytes')
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(limit)
  })

  it('reserves little for a message of which little has come', () => {
    const beginning = prefixed(new Uint8Array(limit)).subarray(0, 10)
    const decoders = Array.from({ length: 100 }, () => new MessageDecoder())
    const before = process.memoryUsage().arrayBuffers
    for (const decoder of decoders) {
      decoder.push(beginning)
      decoder.next(limit)
    }
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(100 * 70_000)
    expect(decoders).toHaveLength(100)
  })

  it.each([
    ['zero', [0x00]],
    ['padded with zero bits', [0x85, 0x00]],
    ['longer than four bytes', [0x80, 0x80, 0x80, 0x80, 0x01]]
  ])('refuses a length that is %s', (_, bytes) => {
    const decoder = new MessageDecoder()
    decoder.push(Uint8Array.from(bytes))
    expect(() => decoder.next(limit)).toThrow(MalformedError)
  })
})
