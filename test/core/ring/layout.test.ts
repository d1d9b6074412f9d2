import { describe, expect, it } from 'vitest'
import { Layout, type Place } from '../../../src/core/ring/layout.ts'
import { replicaTable } from '../../../src/core/ring/replica-table.ts'
import { positionAt } from './reference.ts'

/** Peers with tokens of one's choice, given by their first byte: SHA-256 does not collide on request. */
const chosen: Record<string, number[]> = {
  a: [10, 40],
  b: [20, 40],
  c: [40, 50],
  d: [40],
  e: [40]
}

function source(peerId: string): Uint8Array {
  return new Uint8Array(Buffer.concat(chosen[peerId]!.map(byte => positionAt(byte))))
}

function placesOf(peers: string): Place[] {
  return peers.split('').map(peerId => ({ peerId, vnodes: chosen[peerId]!.length }))
}

function layoutOf(peers: string, from = Layout.empty): Layout {
  return from.rearranged(placesOf(peers), source)
}

/** Tokens and owners as text, such as "10a 20b". */
function show(layout: Layout): string {
  const tokens = Array.from(
    layout.owners,
    (owner, i) => `${layout.token(i)[0]}${layout.places[owner]!.peerId}`
  )
  return tokens.join(' ')
}

function replicasAt(layout: Layout, byte: number, copies: number): string {
  const { width, rows } = replicaTable(layout, copies)
  const segment = layout.segmentOf(positionAt(byte))
  const row = rows.subarray(segment * width, (segment + 1) * width)
  return Array.from(row, owner => layout.places[owner]!.peerId).join('')
}

/** All orders of the letters of a text. */
function orders(text: string): string[] {
  if (text.length < 2) return [text]
  return text.split('').flatMap(first => orders(text.replace(first, '')).map(rest => first + rest))
}

describe('layout', () => {
  it('finds the token at or after a position, and wraps behind the last', () => {
    const layout = layoutOf('ab')
    expect(show(layout)).toBe('10a 20b 40a 40b')
    expect([0, 10, 11, 20, 21, 40, 41, 255].map(byte => layout.segmentOf(positionAt(byte)))).toEqual([
      0, 0, 1, 1, 2, 2, 0, 0
    ])
  })

  it('puts tokens that collide in the order of their peers, whatever the order they came in', () => {
    for (const order of orders('abcd')) {
      let layout = Layout.empty
      for (let i = 1; i <= order.length; i++)
        layout = layoutOf(order.slice(0, i).split('').sort().join(''), layout)
      expect(show(layout), order).toBe('10a 20b 40a 40b 40c 40d 50c')
    }
  })

  it('puts them in the same order after leaves and joins at once', () => {
    const all = layoutOf('abce')
    expect(show(layoutOf('abde', all))).toBe('10a 20b 40a 40b 40d 40e')
    expect(show(layoutOf('be', all))).toBe('20b 40b 40e')
    expect(show(layoutOf('cd', all))).toBe('40c 40d 50c')
    expect(show(layoutOf('', all))).toBe('')
  })

  it('walks through tokens that collide one peer at a time', () => {
    const layout = layoutOf('abcd')
    expect(replicasAt(layout, 30, 4)).toBe('abcd')
    expect(replicasAt(layout, 45, 2)).toBe('ca')
    expect(replicasAt(layout, 15, 3)).toBe('bac')
  })

  it('gives a segment that holds no position the replicas of the one before, so that it parts no range', () => {
    const { rows } = replicaTable(layoutOf('abcd'), 1)
    // Of 10a 20b 40a 40b 40c 40d 50c: the four at 40 are one boundary, and a answers for what lies before it.
    expect(Array.from(rows, owner => 'abcd'[owner]).join('')).toBe('abaaaac')
  })

  it('goes from each segment to the next that holds a position', () => {
    const layout = layoutOf('abcd')
    const visited = [0]
    for (let next = layout.segmentAfter(0); next < layout.size; next = layout.segmentAfter(next))
      visited.push(next)
    expect(visited).toEqual([0, 1, 2, 6])
    expect(layoutOf('de').segmentAfter(0)).toBe(2)
  })

  it('is one segment where all tokens collide', () => {
    const layout = layoutOf('de')
    expect([0, 1].map(segment => layout.width(segment))).toEqual([1, 0])
    expect([0, 1].map(segment => layout.isEmpty(segment))).toEqual([false, true])
    expect([0, 40, 41].map(byte => replicasAt(layout, byte, 2))).toEqual(['de', 'de', 'de'])
  })

  it('has segments as wide as the tokens are apart', () => {
    const widths = Array.from({ length: 4 }, (_, segment) => layoutOf('ab').width(segment))
    expect(widths).toEqual([(256 - 30) / 256, 10 / 256, 20 / 256, 0])
  })

  it('hashes only who is new or has another number of vnodes', () => {
    const hashed: string[] = []
    const counted = (peerId: string, vnodes: number): Uint8Array => {
      hashed.push(peerId)
      return source(peerId).subarray(0, vnodes * 32)
    }
    const layout = layoutOf('ab')
    const places = [{ peerId: 'a', vnodes: 1 }, ...placesOf('bc')]
    expect(show(layout.rearranged(places, counted))).toBe('10a 20b 40b 40c 50c')
    expect(hashed).toEqual(['a', 'c'])
  })
})
