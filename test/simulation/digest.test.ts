import { describe, expect, it } from 'vitest'
import { RunDigest } from './run/digest.ts'

function digestOf(bodies: readonly number[][]): string {
  const digest = new RunDigest()
  for (const [i, body] of bodies.entries()) digest.message(`${i} from a to b`, Uint8Array.from(body))
  return digest.hex()
}

describe('the hash of a run', () => {
  const many = Array.from({ length: 2_000 }, (_, i) => [i % 256, 1, 2])

  it('is equal for equal messages', () => {
    expect(digestOf(many)).toBe(digestOf(many))
  })

  it.each([0, 1_000, 1_999])('differs where one byte of message %i does', at => {
    expect(digestOf(many.with(at, [at % 256, 1, 3]))).not.toBe(digestOf(many))
  })

  it('differs where a message comes later, is missing, or is longer by zeroes', () => {
    expect(digestOf([...many.slice(1), many[0]!])).not.toBe(digestOf(many))
    expect(digestOf(many.slice(0, -1))).not.toBe(digestOf(many))
    expect(digestOf([[0]])).not.toBe(digestOf([[0, 0]]))
  })
})
