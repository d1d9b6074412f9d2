/** Lists on the wire: an empty element takes two bytes there and hundreds in memory, so each list has a limit. */
import { readFileSync } from 'node:fs'
import { describe, expect, it, test } from 'vitest'
import { Request, Response } from '../../src/wire/generated/messages.ts'

/** Elements in two megabytes: far above any limit. */
const elements = 1_000_000

/** A message that holds this field, in which the list of this number has nothing but empty elements. */
function fullOfNothing(field: number, list: number): Uint8Array {
  const inner = Buffer.alloc(2 * elements)
  for (let i = 0; i < inner.length; i += 2) inner[i] = list * 8 + 2
  return Buffer.concat([Buffer.from([...varint(field * 8 + 2), ...varint(inner.length)]), inner])
}

function varint(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...varint(value >>> 7)]
}

test.each(['log.proto', 'messages.proto', 'frame.proto'])('every list of %s has a limit', file => {
  const text = readFileSync(new URL(`../../src/wire/${file}`, import.meta.url), 'utf8')
  const lists = text.split('\n').filter(line => /\brepeated\b/.test(line.replace(/\/\/.*/, '')))
  expect(lists.filter(line => !/\[\(protons\.options\)\.limit = \d+\]/.test(line))).toEqual([])
})

describe('a message of two megabytes that is one list of empty elements is refused', () => {
  it.each([
    ['rumours in a ping', 11, 2],
    ['addresses in a ping', 11, 3],
    ['positions to fetch', 14, 1],
    ['versions on offer', 15, 1],
    ['records pushed', 16, 1],
    ['ranges to measure', 24, 1],
    ['survivors of a restore', 25, 1]
  ])('%s', (_, field, list) => {
    expect(() => Request.decode(fullOfNothing(field, list))).toThrow('too many elements')
  })

  it.each([
    ['entries of the log', 2, 1],
    ['records of a page', 10, 1],
    ['addresses', 13, 1],
    ['keys', 15, 1]
  ])('%s in an answer', (_, field, list) => {
    expect(() => Response.decode(fullOfNothing(field, list))).toThrow('too many elements')
  })
})
