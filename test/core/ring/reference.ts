/** The ring as its definition reads, with no thought of speed: what the tests hold the real one against. */
import { hash } from 'node:crypto'
import fc from 'fast-check'
import { fromString } from 'uint8arrays/from-string'
import type { RingMember } from '../../../src/core/member.ts'
import { formatPosition } from '../../../src/core/ring/position.ts'
import { peerIdOf } from '../../support/peer-ids.ts'

export function memberOf(index: number, vnodes = 4, life = '0000000000000001'): RingMember {
  return { peerId: peerIdOf(index), life, vnodes }
}

export function membersOf(count: number, vnodes = 4): RingMember[] {
  return Array.from({ length: count }, (_, index) => memberOf(index, vnodes))
}

/** A position of 32 bytes that begins with these and goes on with zeros. */
export function positionAt(...bytes: number[]): Uint8Array {
  const position = new Uint8Array(32)
  position.set(bytes)
  return position
}

export function referenceTokens(member: RingMember): string[] {
  return Array.from({ length: member.vnodes }, (_, index) => {
    const suffix = new DataView(new ArrayBuffer(4))
    suffix.setUint32(0, index, false)
    const input = Buffer.concat([fromString(member.peerId, 'base58btc'), new Uint8Array(suffix.buffer)])
    return hash('sha256', input)
  })
}

/** Sorts the tokens of all members as hex and walks on from the position until there are enough members. */
export function referenceReplicas<M extends RingMember>(
  members: readonly M[],
  position: Uint8Array,
  count: number
): M[] {
  const tokens = members.flatMap(member => referenceTokens(member).map(token => ({ token, member })))
  tokens.sort((a, b) => (a.token < b.token ? -1 : 1))
  const at = formatPosition(position)
  const clockwise = [
    ...tokens.filter(({ token }) => token >= at),
    ...tokens.filter(({ token }) => token < at)
  ]
  return [...new Set(clockwise.map(({ member }) => member))].slice(0, count)
}

/** Members of different peers, each with a vnode count of its own, in no order. */
export function someMembers(atMost: number, atLeast = 0): fc.Arbitrary<RingMember[]> {
  return fc
    .uniqueArray(fc.record({ index: fc.nat(30), vnodes: fc.integer({ min: 1, max: 6 }) }), {
      selector: ({ index }) => index,
      minLength: atLeast,
      maxLength: atMost
    })
    .map(picks => picks.map(({ index, vnodes }) => memberOf(index, vnodes)))
}

export const somePosition = fc.uint8Array({ minLength: 32, maxLength: 32 })
/** How many copies to keep; also more than there are members. */
export const someCount = fc.integer({ min: 1, max: 5 })

/** The tokens of members and the positions on both sides of each: where an error by one shows. */
export function edgesOf(members: readonly RingMember[]): Uint8Array[] {
  return members.flatMap(referenceTokens).flatMap(token => {
    const value = BigInt(`0x${token}`)
    const wrap = 1n << 256n
    return [value - 1n, value, value + 1n].map(edge =>
      Buffer.from(((edge + wrap) % wrap).toString(16).padStart(64, '0'), 'hex')
    )
  })
}
