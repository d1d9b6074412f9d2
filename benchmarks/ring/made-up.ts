/** Peers and keys for the benchmarks of the ring, the same in every run of a seed. */
import { hash } from 'node:crypto'
import type { RingMember } from '../../src/core/member.ts'
import { peerIdOf } from '../../test/support/peer-ids.ts'

export const vnodesByDefault = 128

export function memberOf(index: number, vnodes = vnodesByDefault): RingMember {
  return { peerId: peerIdOf(index), life: '0000000000000001', vnodes }
}

export function membersOf(count: number, vnodes = vnodesByDefault): RingMember[] {
  return Array.from({ length: count }, (_, index) => memberOf(index, vnodes))
}

export function keysOf(count: number, seed: number): string[] {
  return Array.from({ length: count }, (_, index) => `key ${seed}/${index}`)
}

export function positionsOf(count: number): Uint8Array[] {
  return Array.from({ length: count }, (_, index) => hash('sha256', `position ${index}`, 'buffer'))
}
