/** Rings to compare: ours and those of the packages that people take for it. */
import { load, missingPackage } from '../compare/installed.ts'
import { positionOf } from '../../src/core/ring/position.ts'
import { Ring } from '../../src/core/ring/ring.ts'
import { memberOf, membersOf, vnodesByDefault } from './made-up.ts'

/** Each has as many tokens for a peer, and gives as many replicas of a key. */
export const copies = 3

export interface Contender {
  readonly name: string
  /** It cannot have more. */
  readonly maxPeers: number
  /** With peers 0 up to `peers`. */
  readonly make: (peers: number) => MadeRing
}

export interface MadeRing {
  /** Names of a key's replicas. */
  readonly lookup: (key: string) => readonly string[]
  /** Takes a peer more into the ring; what it puts off to the next lookup counts too. */
  readonly join: (index: number) => MadeRing
}

export const annulus: Contender = {
  name: 'annulus',
  maxPeers: Infinity,
  make: peers => annulusRing(Ring.of(membersOf(peers)))
}

function annulusRing(ring: Ring<ReturnType<typeof memberOf>>): MadeRing {
  return {
    lookup: key => ring.replicas(positionOf(Buffer.from(key)), copies).map(({ peerId }) => peerId),
    join: index => annulusRing(ring.with({ add: [memberOf(index)] }))
  }
}

/** The parts of the packages that are used. */
interface HashRingPackage {
  readonly default: new (names: readonly string[], algorithm: string, init: object) => HashRing
}

interface HashRing {
  range(key: string, count: number): string[]
  add(name: string): void
}

interface ConsistentHashPackage {
  readonly default: new (init: { controlPoints: number }) => ConsistentHash
}

interface ConsistentHash {
  add(name: string): void
  get(key: string, count: number): string[]
}

/** Tokens that one digest of hashring makes. */
const tokensPerDigest = 4

/** consistent-hash has 100,003 places for tokens, and fails well before they are full. */
const consistentHashMaxPeers = 100

/** Those packages that are installed, and why the others are not. */
export async function otherContenders(): Promise<{ contenders: Contender[]; notes: string[] }> {
  const makers = { hashring: hashRing, 'consistent-hash': consistentHash }
  const contenders: Contender[] = []
  const notes: string[] = []
  for (const [name, make] of Object.entries(makers)) {
    const missing = missingPackage(name)
    if (missing === undefined) contenders.push(await make(name))
    else notes.push(`${name} is left out: ${missing}`)
  }
  return { contenders, notes }
}

async function hashRing(name: string): Promise<Contender> {
  const { default: HashRing } = await load<HashRingPackage>(name)
  const made = (ring: HashRing): MadeRing => ({
    lookup: key => ring.range(key, copies),
    join: index => {
      ring.add(nameOf(index))
      return made(ring)
    }
  })
  const settings = { 'vnode count': vnodesByDefault / tokensPerDigest }
  return { name, maxPeers: Infinity, make: peers => made(new HashRing(namesOf(peers), 'md5', settings)) }
}

async function consistentHash(name: string): Promise<Contender> {
  const { default: ConsistentHash } = await load<ConsistentHashPackage>(name)
  const made = (ring: ConsistentHash): MadeRing => ({
    lookup: key => ring.get(key, copies),
    join: index => {
      ring.add(nameOf(index))
      return made(ring)
    }
  })
  const make = (peers: number): MadeRing => {
    const ring = new ConsistentHash({ controlPoints: vnodesByDefault })
    for (const peer of namesOf(peers)) ring.add(peer)
    return made(ring)
  }
  return { name, maxPeers: consistentHashMaxPeers, make }
}

function nameOf(index: number): string {
  return memberOf(index).peerId
}

function namesOf(count: number): string[] {
  return Array.from({ length: count }, (_, index) => nameOf(index))
}
