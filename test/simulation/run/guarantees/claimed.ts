/**
 * Which guarantees a run judges. One that the product does not keep yet is left out here, in one place, and its
 * violations do not count; README.md beside the simulator says which and why.
 */
import type { Guarantee } from '../checker.ts'

/** `copies`: the half of G7 about records; the other half, about topology, goes by `G7`. */
export type Claim = Guarantee | 'copies'

const claims: ReadonlySet<Claim> = new Set<Claim>([
  'G1',
  'G2',
  'G3',
  'G4',
  'G5',
  'G6',
  'G7',
  'copies',
  'G8',
  'G9',
  'log',
  'judge',
  'crash'
])

export function isClaimed(claim: Claim): boolean {
  return claims.has(claim)
}
