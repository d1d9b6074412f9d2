/**
 * How even the ring is, against what is known: shares follow Gamma(V, 1/V), and Chord's plot of keys per node
 * (Stoica et al., SIGCOMM 2001, section 6.2: 10^4 nodes, 10^6 keys, the 99th percentile falls from 4.8 to 1.6).
 */
import { Ring } from '../../src/core/ring/ring.ts'
import { gammaQuantile } from './gamma.ts'
import { memberOf, membersOf, positionsOf } from './made-up.ts'

const vnodesOfGamma = [1, 2, 5, 10, 20, 64, 128, 256]
const vnodesOfChord = [1, 2, 5, 10, 20]
const chordNodes = 10_000
/** Tokens hashed for each row: enough for a 99th percentile, few enough to hash in a second. */
const tokenBudget = 300_000

/** Percentiles over the mean. */
export interface Balance {
  readonly vnodes: number
  readonly peers: number
  readonly first: number
  readonly last: number
  readonly most: number
}

export interface GammaBalance extends Balance {
  readonly theory: { readonly first: number; readonly last: number }
}

/** Shares of positions, one copy, so that nothing but the ring is in it. */
export function balanceOfShares(): GammaBalance[] {
  return vnodesOfGamma.map(vnodes => {
    const peers = Math.min(chordNodes, Math.floor(tokenBudget / vnodes))
    const ring = Ring.of(membersOf(peers, vnodes))
    const loads = ring.members.map(member => ring.share(member, 1))
    const theory = { first: gammaQuantile(vnodes, 0.01), last: gammaQuantile(vnodes, 0.99) }
    return { vnodes, theory, ...balanceOf(loads) }
  })
}

/** Keys per node: those of so few keys are uneven by chance too. */
export function balanceOfKeys(keys: number): Balance[] {
  const positions = positionsOf(keys)
  return vnodesOfChord.map(vnodes => {
    const ring = Ring.of(membersOf(chordNodes, vnodes))
    const counts = new Map(ring.members.map(member => [member.peerId, 0]))
    for (const position of positions) {
      const { peerId } = ring.replicas(position, 1)[0]!
      counts.set(peerId, counts.get(peerId)! + 1)
    }
    return { vnodes, ...balanceOf([...counts.values()]) }
  })
}

/** The fullest of peers over the mean: of primaries, and of all copies. */
export function fullest(peers: number, copies: number): { primary: number; copies: number } {
  const ring = Ring.of(Array.from({ length: peers }, (_, i) => memberOf(i)))
  const most = (count: number): number =>
    Math.max(...ring.members.map(member => ring.share(member, count))) * peers
  return { primary: most(1), copies: most(copies) }
}

function balanceOf(loads: readonly number[]): Omit<Balance, 'vnodes'> {
  const sorted = loads.toSorted((a, b) => a - b)
  const mean = loads.reduce((sum, load) => sum + load, 0) / loads.length
  const percentile = (fraction: number): number => sorted[Math.floor(fraction * (sorted.length - 1))]! / mean
  return { peers: loads.length, first: percentile(0.01), last: percentile(0.99), most: sorted.at(-1)! / mean }
}
