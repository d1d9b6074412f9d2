/** Peer ids for tests: well-formed ones, the same in every run. */
import { hash } from 'node:crypto'
import { concat } from 'uint8arrays/concat'
import { toString } from 'uint8arrays/to-string'

/** Identity multihash (0x00) of 36 bytes: a protobuf with key type Ed25519 (1) and a public key of 32 bytes. */
const ed25519Prefix = Uint8Array.of(0x00, 0x24, 0x08, 0x01, 0x12, 0x20)

/** The `index`th peer id: "12D3KooW..." as libp2p prints those of Ed25519 keys. */
export function peerIdOf(index: number): string {
  const publicKey = hash('sha256', `peer ${index}`, 'buffer')
  return toString(concat([ed25519Prefix, publicKey]), 'base58btc')
}
