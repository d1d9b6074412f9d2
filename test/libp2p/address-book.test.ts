import { generateKeyPair } from '@libp2p/crypto/keys'
import type { PrivateKey } from '@libp2p/interface'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { PeerRecord, RecordEnvelope } from '@libp2p/peer-record'
import { multiaddr } from '@multiformats/multiaddr'
import { beforeAll, describe, expect, it } from 'vitest'
import { type AddressBookComponents, SignedAddressBook } from '../../src/libp2p/address-book.ts'
import { maxAddressesPerPeer, maxKnownPeers } from '../../src/libp2p/limits.ts'

let own: PrivateKey
let other: PrivateKey
let stranger: PrivateKey

beforeAll(async () => {
  own = await generateKeyPair('Ed25519')
  other = await generateKeyPair('Ed25519')
  stranger = await generateKeyPair('secp256k1')
})

function bookAt(addresses: string[], key = own): SignedAddressBook {
  return new SignedAddressBook({
    peerId: peerIdFromPrivateKey(key),
    privateKey: key,
    // Of the address manager the book uses one method.
    addressManager: {
      getAddresses: () => addresses.map(one => multiaddr(one))
    } as unknown as AddressBookComponents['addressManager']
  })
}

async function sign(
  key: PrivateKey,
  sequence: number,
  addresses = ['/ip4/10.0.0.1/tcp/1'],
  signer = key
): Promise<Uint8Array> {
  const record = new PeerRecord({
    peerId: peerIdFromPrivateKey(key),
    multiaddrs: addresses.map(one => multiaddr(one)),
    seqNumber: BigInt(sequence)
  })
  return (await RecordEnvelope.seal(record, signer)).marshal()
}

function sequenceOf(signed: Uint8Array): bigint {
  return PeerRecord.createFromProtobuf(RecordEnvelope.createFromProtobuf(signed).payload).seqNumber
}

describe('an address book', () => {
  it('learns what a peer has signed, and the newest counts', async () => {
    const book = bookAt([])
    const peerId = peerIdFromPrivateKey(other).toString()
    expect(book.multiaddrs(peerId)).toEqual([])
    expect(book.of(peerId)).toBeUndefined()
    const second = await sign(other, 2, ['/ip4/10.0.0.2/tcp/2'])
    expect(await book.learn(second)).toBe(true)
    // Honest members send these, so they are no reason for complaint.
    const complain = (words: string): void => expect.fail(words)
    expect(await book.learn(second, complain)).toBe(false)
    expect(await book.learn(await sign(other, 1), complain)).toBe(false)
    expect(book.multiaddrs(peerId)).toEqual(['/ip4/10.0.0.2/tcp/2'])
    expect(book.of(peerId)).toEqual(second)
    expect(await book.learn(await sign(other, 3, ['/ip4/10.0.0.3/tcp/3']))).toBe(true)
    expect(book.multiaddrs(peerId)).toEqual(['/ip4/10.0.0.3/tcp/3'])
  })

  it('learns of two versions at once only the newer one', async () => {
    const book = bookAt([])
    const records = await Promise.all([sign(other, 5, ['/ip4/10.0.0.5/tcp/5']), sign(other, 4)])
    await Promise.all(records.map(record => book.learn(record)))
    expect(book.multiaddrs(peerIdFromPrivateKey(other).toString())).toEqual(['/ip4/10.0.0.5/tcp/5'])
  })

  it('keeps those of so many peers, the ones learnt last', { timeout: 60_000 }, async () => {
    const book = bookAt([])
    const names: string[] = []
    for (let i = 0; i < maxKnownPeers + 2; i++) {
      const key = await generateKeyPair('Ed25519')
      names.push(peerIdFromPrivateKey(key).toString())
      await book.learn(await sign(key, 1))
    }
    expect(book.use).toEqual({ kept: maxKnownPeers, forgotten: 2 })
    expect([names[1], names[2]].map(name => book.of(name!) !== undefined)).toEqual([false, true])
  })

  it('learns nothing that its owner has not signed', async () => {
    const book = bookAt([])
    const forged = await sign(other, 9, ['/ip4/6.6.6.6/tcp/6'], stranger)
    const damaged = (await sign(other, 9)).map((byte, index, all) =>
      index === all.length - 1 ? byte ^ 1 : byte
    )
    const crowded = await sign(
      other,
      9,
      Array.from({ length: maxAddressesPerPeer + 1 }, (_, port) => `/ip4/10.0.0.1/tcp/${port + 1}`)
    )
    const refused: string[] = []
    for (const record of [forged, damaged, crowded, new Uint8Array(0), new Uint8Array(100).fill(9)]) {
      expect(await book.learn(record, words => refused.push(words))).toBe(false)
    }
    expect(refused).toEqual([
      'an address record of another than its signer',
      expect.stringContaining('that it has not signed'),
      `an address record with ${maxAddressesPerPeer + 1} addresses, more than ${maxAddressesPerPeer}`,
      'an address record of 0 bytes',
      'an address record that cannot be read'
    ])
    expect(book.of(peerIdFromPrivateKey(other).toString())).toBeUndefined()
  })

  it('learns the record of a peer whose id does not hold its key', async () => {
    const rsa = await generateKeyPair('RSA', 2048)
    const book = bookAt([])
    expect(await book.learn(await sign(rsa, 1))).toBe(true)
    expect(book.multiaddrs(peerIdFromPrivateKey(rsa).toString())).toHaveLength(1)
  })

  it('signs its own addresses anew when they change, with a higher number', async () => {
    const addresses = ['/ip4/10.0.0.1/tcp/1']
    const book = bookAt(addresses)
    const first = await book.own()
    expect(await book.own()).toBe(first)
    addresses.push('/ip4/10.0.0.2/tcp/2')
    const second = await book.own()
    expect(sequenceOf(second)).toBeGreaterThan(sequenceOf(first))
    const reader = bookAt([], other)
    await reader.learn(second)
    expect(reader.multiaddrs(peerIdFromPrivateKey(own).toString())).toEqual(addresses)
  })

  it('outdoes a record of its own from a run by a clock that was ahead', async () => {
    const book = bookAt(['/ip4/10.0.0.1/tcp/1'])
    await book.own()
    const ahead = Date.now() + 1_000_000
    expect(await book.learn(await sign(own, ahead))).toBe(false)
    expect(sequenceOf(await book.own())).toBeGreaterThan(BigInt(ahead))
  })
})
