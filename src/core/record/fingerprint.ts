/**
 * The fingerprint of a record: 64 bits that differ, but for chance, wherever position, version or kind do. Sums
 * of them stand for sets of records when two members reconcile. Expiry and value are not in it: a version
 * names one write, and expiring changes nothing that is stored.
 *
 * Two lanes of 32 bits, mixed as lanes 1 and 3 of MurmurHash3_x86_128 are (A. Appleby, public domain), and
 * finished likewise; unlike there, each lane takes every word. It is not
 * made to withstand members that look for collisions: those could as well lie about what they hold.
 */
import { positionBytes } from '../ring/position.ts'
import type { RecordHead } from './record.ts'
import { writerBytes } from './version.ts'

/** What of a head is hashed. */
export type Fingerprinted = Pick<RecordHead, 'position' | 'version' | 'kind'>

/** A fingerprint, or a sum of them: two unsigned integers of 32 bits. */
export interface Fingerprint {
  readonly low: number
  readonly high: number
}

/**
 * How many records a set has, and the sum of their fingerprints. A sum, not an XOR, so that what is counted
 * twice does not vanish; each lane is summed modulo 2^32 by itself, as good as one sum of 64 bits, and no carry.
 */
export interface FingerprintSum extends Fingerprint {
  readonly count: number
}

export const noRecords: FingerprintSum = { count: 0, low: 0, high: 0 }

/** Bytes of a fingerprint where it is written. */
export const fingerprintBytes = 8

/** Any two that differ: the lanes must not move in step. */
const seedLow = 0x9747b28c
const seedHigh = 0x3c6ef372

const uint32Span = 0x1_0000_0000

/** Bytes hashed: position, time and writer of the version, rmw, kind. A whole number of words, as lengths are fixed. */
const hashedBytes = positionBytes + 8 + writerBytes + 4 + 4

export function fingerprintOf({ position, version, kind }: Fingerprinted): Fingerprint {
  let low = seedLow
  let high = seedHigh
  const mix = (word: number): void => {
    low = mixLow(low, high, word)
    high = mixHigh(high, low, word)
  }
  for (let i = 0; i < positionBytes; i += 4) mix(wordAt(position, i))
  mix(Math.floor(version.time / uint32Span))
  mix(version.time | 0)
  for (let i = 0; i < writerBytes; i += 4) mix(wordAt(version.writer, i))
  mix(version.rmw)
  mix(kind === 'value' ? 1 : 2)
  return finish(low ^ hashedBytes, high ^ hashedBytes)
}

export function plus(a: FingerprintSum, b: FingerprintSum): FingerprintSum {
  return { count: a.count + b.count, low: (a.low + b.low) >>> 0, high: (a.high + b.high) >>> 0 }
}

/** A set with one more record. */
export function plusOne(sum: FingerprintSum, { low, high }: Fingerprint): FingerprintSum {
  return plus(sum, { count: 1, low, high })
}

/** A set with one record less, which was in it. */
export function minusOne(sum: FingerprintSum, { low, high }: Fingerprint): FingerprintSum {
  return { count: sum.count - 1, low: (sum.low - low) >>> 0, high: (sum.high - high) >>> 0 }
}

export function sameSum(a: FingerprintSum, b: FingerprintSum): boolean {
  return a.count === b.count && a.low === b.low && a.high === b.high
}

function wordAt(bytes: Uint8Array, offset: number): number {
  return (bytes[offset]! << 24) | (bytes[offset + 1]! << 16) | (bytes[offset + 2]! << 8) | bytes[offset + 3]!
}

/** Lane 1 of the original. */
function mixLow(low: number, high: number, word: number): number {
  const scrambled = Math.imul(rotate(Math.imul(word, 0x239b961b), 15), 0xab0e9789)
  return (Math.imul((rotate(low ^ scrambled, 19) + high) | 0, 5) + 0x561ccd1b) | 0
}

/** Lane 3 of the original. */
function mixHigh(high: number, low: number, word: number): number {
  const scrambled = Math.imul(rotate(Math.imul(word, 0x38b34ae5), 17), 0xa1e38b93)
  return (Math.imul((rotate(high ^ scrambled, 15) + low) | 0, 5) + 0x96cd1c35) | 0
}

/** Every bit of the lanes comes to bear on every bit of the fingerprint. */
function finish(low: number, high: number): Fingerprint {
  let a = (low + high) | 0
  let b = (high + a) | 0
  a = avalanche(a)
  b = avalanche(b)
  a = (a + b) | 0
  b = (b + a) | 0
  return { low: a >>> 0, high: b >>> 0 }
}

function avalanche(lane: number): number {
  let mixed = lane ^ (lane >>> 16)
  mixed = Math.imul(mixed, 0x85ebca6b)
  mixed ^= mixed >>> 13
  mixed = Math.imul(mixed, 0xc2b2ae35)
  return mixed ^ (mixed >>> 16)
}

function rotate(word: number, bits: number): number {
  return (word << bits) | (word >>> (32 - bits))
}
