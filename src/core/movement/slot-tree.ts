/**
 * The tree over the 65,536 slots of the ring by which two members find where they differ: the root has all of
 * them, each node its sixteenth part of its parent's, and a leaf is one slot.
 *
 *     level   nodes    slots of each   numbered from
 *     0       1        65,536          0
 *     1       16       4,096           1
 *     2       256      256             17
 *     3       4,096    16              273
 *     4       65,536   1               4,369
 */
import { slotCount } from '../record/fingerprints.ts'

/** Children of a node: four comparisons, one behind the other, lead from the root to a slot. */
const fanout = 16

export const rootNode = 0

/** The number of the first leaf, and of leaves and inner nodes together. */
const firstLeaf = 4_369
export const nodeCount = firstLeaf + slotCount

/** Slots from `first` to before `end`. */
export interface SlotSpan {
  readonly first: number
  readonly end: number
}

export const allSlots: SlotSpan = { first: 0, end: slotCount }

export function isLeaf(node: number): boolean {
  return node >= firstLeaf
}

export function leafOf(slot: number): number {
  return firstLeaf + slot
}

/** In the order of their slots; none where it is a leaf. */
export function childrenOf(node: number): readonly number[] {
  if (isLeaf(node)) return []
  return Array.from({ length: fanout }, (_, i) => node * fanout + 1 + i)
}

export function slotsOf(node: number): SlotSpan {
  let levelStart = 0
  let width = slotCount
  for (let levelSize = 1; node >= levelStart + levelSize; levelSize *= fanout) {
    levelStart += levelSize
    width /= fanout
  }
  const first = (node - levelStart) * width
  return { first, end: first + width }
}
