/**
 * Where peers listen: libp2p's signed peer records (RFC 0003 of libp2p/specs), of which the one with the
 * highest sequence number counts. They travel in greetings and in the pings of SWIM, from anyone: only their owner can have made
 * them.
 */
import type { PeerId, PrivateKey } from '@libp2p/interface'
import type { AddressManager } from '@libp2p/interface-internal'
import { peerIdFromPublicKey } from '@libp2p/peer-id'
import { PeerRecord, RecordEnvelope } from '@libp2p/peer-record'
import type { AddressBook } from '../core/ports.ts'
import { maxAddressesPerPeer, maxAddressRecordBytes, maxKnownPeers } from './limits.ts'

export interface AddressBookComponents {
  readonly peerId: PeerId
  readonly privateKey: PrivateKey
  readonly addressManager: AddressManager
}

interface Entry {
  readonly signed: Uint8Array
  readonly sequence: bigint
  readonly multiaddrs: string[]
}

export class SignedAddressBook implements AddressBook {
  readonly #components: AddressBookComponents
  readonly #self: string
  /** By peer id; the one learnt longest ago first. */
  readonly #entries = new Map<string, Entry>()
  #forgotten = 0
  #own: Promise<Uint8Array> | undefined
  #ownAddresses = ''
  #ownSequence = 0n

  constructor(components: AddressBookComponents) {
    this.#components = components
    this.#self = components.peerId.toString()
  }

  own(): Promise<Uint8Array> {
    const multiaddrs = this.#components.addressManager.getAddresses().slice(0, maxAddressesPerPeer)
    const addresses = multiaddrs.join()
    if (this.#own !== undefined && addresses === this.#ownAddresses) return this.#own
    this.#ownAddresses = addresses
    // The clock gives a number above those of earlier runs; where it was set back, the last one known does.
    const now = BigInt(Date.now())
    this.#ownSequence = now > this.#ownSequence ? now : this.#ownSequence + 1n
    const { peerId, privateKey } = this.#components
    const record = new PeerRecord({ peerId, multiaddrs, seqNumber: this.#ownSequence })
    this.#own = RecordEnvelope.seal(record, privateKey).then(envelope => envelope.marshal())
    return this.#own
  }

  async learn(signed: Uint8Array, refused?: (words: string) => void): Promise<boolean> {
    const record = parse(signed)
    if (typeof record === 'string') {
      refused?.(record)
      return false
    }
    if (!this.#isNews(record)) return false
    if (!(await isSigned(signed))) {
      refused?.(`an address record of ${record.peerId.toString()} that it has not signed`)
      return false
    }
    // Another one may have come while the signature was checked.
    if (!this.#isNews(record)) return false
    const peerId = record.peerId.toString()
    if (peerId === this.#self) return this.#outdo(record.seqNumber)
    this.#entries.delete(peerId)
    this.#entries.set(peerId, {
      signed: signed.slice(),
      sequence: record.seqNumber,
      multiaddrs: record.multiaddrs.map(address => address.toString())
    })
    this.#forgetOldest()
    return true
  }

  /** Peers whose addresses are kept, and how many were forgotten as others came. */
  get use(): { readonly kept: number; readonly forgotten: number } {
    return { kept: this.#entries.size, forgotten: this.#forgotten }
  }

  of(peerId: string): Uint8Array | undefined {
    return this.#entries.get(peerId)?.signed
  }

  multiaddrs(peerId: string): string[] {
    if (peerId === this.#self) return this.#components.addressManager.getAddresses().map(String)
    return [...(this.#entries.get(peerId)?.multiaddrs ?? [])]
  }

  #isNews(record: PeerRecord): boolean {
    const peerId = record.peerId.toString()
    const known = peerId === this.#self ? this.#ownSequence : this.#entries.get(peerId)?.sequence
    return known === undefined || record.seqNumber > known
  }

  /** An earlier run of this peer, by a clock that was ahead, has signed a newer record: sign one above it. */
  #outdo(sequence: bigint): false {
    this.#ownSequence = sequence
    this.#own = undefined
    return false
  }

  #forgetOldest(): void {
    for (const peerId of this.#entries.keys()) {
      if (this.#entries.size <= maxKnownPeers) return
      this.#entries.delete(peerId)
      this.#forgotten++
    }
  }
}

/**
 * The record in an envelope, or what is wrong with it. The signature is not yet checked: most that arrive are known, and
 * checking costs.
 */
function parse(signed: Uint8Array): PeerRecord | string {
  if (signed.length === 0 || signed.length > maxAddressRecordBytes)
    return `an address record of ${signed.length} bytes`
  try {
    const envelope = RecordEnvelope.createFromProtobuf(signed)
    const record = PeerRecord.createFromProtobuf(envelope.payload)
    const isOwners = peerIdFromPublicKey(envelope.publicKey).equals(record.peerId)
    const isOfType = Buffer.compare(envelope.payloadType, PeerRecord.CODEC) === 0
    if (!isOwners || !isOfType) return 'an address record of another than its signer'
    if (record.multiaddrs.length > maxAddressesPerPeer)
      return `an address record with ${record.multiaddrs.length} addresses, more than ${maxAddressesPerPeer}`
    return record
  } catch {
    return 'an address record that cannot be read'
  }
}

async function isSigned(signed: Uint8Array): Promise<boolean> {
  try {
    await RecordEnvelope.openAndCertify(signed, PeerRecord.DOMAIN)
    return true
  } catch {
    return false
  }
}
