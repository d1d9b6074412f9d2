import { defaultCrypto } from '@chainsafe/libp2p-noise/crypto'
import fc from 'fast-check'
import { Uint8ArrayList } from 'uint8arraylist'
import { describe, expect, it } from 'vitest'
import { noiseCrypto } from '../../src/libp2p/noise-crypto.ts'

const bytes = (maxLength: number, minLength = 0): fc.Arbitrary<Uint8Array> =>
  fc.uint8Array({ minLength, maxLength })
const sealed = fc.record({
  plaintext: bytes(4_000),
  nonce: bytes(12, 12),
  associated: bytes(32),
  key: bytes(32, 32)
})

describe('the cipher of Noise frames', () => {
  it('encrypts as libp2p does, and decrypts what libp2p encrypted', () => {
    fc.assert(
      fc.property(sealed, ({ plaintext, nonce, associated, key }) => {
        const theirs = defaultCrypto.chaCha20Poly1305Encrypt(plaintext, nonce, associated, key).subarray()
        for (const given of [plaintext, listOf(plaintext)]) {
          const ours = noiseCrypto.chaCha20Poly1305Encrypt(given, nonce, associated, key).subarray()
          expect(equal(ours, theirs)).toBe(true)
        }
        for (const given of [theirs, listOf(theirs)]) {
          const back = noiseCrypto.chaCha20Poly1305Decrypt(given, nonce, associated, key).subarray()
          expect(equal(back, plaintext)).toBe(true)
        }
      })
    )
  })

  it('refuses what was changed on its way', () => {
    const [nonce, key, associated] = [new Uint8Array(12), new Uint8Array(32).fill(7), new Uint8Array(0)]
    const frame = noiseCrypto
      .chaCha20Poly1305Encrypt(new Uint8Array(2_000), nonce, associated, key)
      .subarray()
    for (const at of [0, 1_999, 2_000, 2_015]) {
      const changed = frame.slice()
      changed[at]! ^= 1
      expect(() => noiseCrypto.chaCha20Poly1305Decrypt(changed, nonce, associated, key)).toThrow()
    }
  })
})

/** The same bytes in two pieces, as they come out of a stream. */
function listOf(whole: Uint8Array): Uint8ArrayList {
  const middle = whole.byteLength >> 1
  return new Uint8ArrayList(whole.subarray(0, middle), whole.subarray(middle))
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0
}
