import { describe, expect, it } from 'vitest'
import { positionBytes } from '../../../src/core/ring/position.ts'
import { tokensOf } from '../../../src/core/ring/tokens.ts'
import { peerIdOf } from '../../support/peer-ids.ts'
import { memberOf, referenceTokens } from './reference.ts'

function hexOf(tokens: Uint8Array): string[] {
  return Array.from({ length: tokens.length / positionBytes }, (_, i) =>
    Buffer.from(tokens.subarray(i * positionBytes, (i + 1) * positionBytes)).toString('hex')
  )
}

describe('tokens', () => {
  it('are the hashes of the peer id and the index, in ring order', () => {
    expect(hexOf(tokensOf(peerIdOf(0), 300))).toEqual(referenceTokens(memberOf(0, 300)).sort())
  })

  it('never change from one release to the next: every peer computes those of all others', () => {
    expect(peerIdOf(0)).toBe('12D3KooWLRY9Ta8Px6d9SZNMW1ikNqv7PACFYA5ez7TLiDmLwFcL')
    expect(hexOf(tokensOf(peerIdOf(0), 2))).toEqual([
      '70dbc89158af432a620bb5deb2599d519b0e111b0e2fa43593ff6a52bc5633b2',
      '922bbf84725bb2d049bb527d5506d3410d252a5943c0f832ee008862f3d89ebd'
    ])
  })

  it('of fewer vnodes are among those of more', () => {
    expect(hexOf(tokensOf(peerIdOf(1), 128))).toEqual(
      expect.arrayContaining(hexOf(tokensOf(peerIdOf(1), 64)))
    )
  })

  it('are refused for what is no peer id, with its text', () => {
    for (const peerId of ['', '0OIl', 'not a peer', '12D3KooW_']) {
      expect(() => tokensOf(peerId, 1)).toThrow(`"${peerId}" is not a peer id: it is not base58btc`)
    }
  })

  it('are refused for a vnode count that is not a whole number from 1 to 1024', () => {
    for (const vnodes of [0, -1, 1.5, Number.NaN, 1025]) {
      expect(() => tokensOf(peerIdOf(0), vnodes)).toThrow('a whole number from 1 to 1024')
    }
    expect(tokensOf(peerIdOf(0), 1024)).toHaveLength(1024 * positionBytes)
  })
})
