/** The identifiers that the adapter compares and checks: peer ids, lives and instances. */
import { randomBytes } from 'node:crypto'

/** Bytes of an instance: enough that no two processes draw the same one. */
export const instanceBytes = 8

/** Draws what tells this process from another one with the same identity and data folder. */
export function newInstance(): Uint8Array {
  return new Uint8Array(randomBytes(instanceBytes))
}

export function isLife(text: string): boolean {
  return /^[0-9a-f]{16}$/.test(text)
}

export function isClusterId(text: string): boolean {
  return /^[0-9a-f]{32}$/.test(text)
}

/** Orders peer ids by their texts' code units: the same on both ends, whatever their locale. */
export function precedes(a: string, b: string): boolean {
  return a < b
}

/** The last digits of a peer id, for messages to people. */
export function shortId(peerId: string): string {
  return peerId.length > 10 ? `…${peerId.slice(-8)}` : peerId
}
