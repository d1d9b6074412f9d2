/**
 * The plan of a change: what it would move, counted before anything does. A peer and a client make it by the same
 * code; they differ in how they come by the topology and whom they have measure.
 */
import type { Change, Plan, PlanOptions, PlannedMove } from '../../api.ts'
import { AnnulusError } from '../errors.ts'
import { EpochMovedError } from '../movement/ask.ts'
import { maxRangesPerRequest } from '../movement/wire.ts'
import type { RingMember } from '../member.ts'
import type { Topology } from '../topology/topology.ts'
import { expectedShare, prospectOf, type Prospect } from './change.ts'
import { measureAll, type Amount, type Measure } from './measure.ts'
import { cutAt, movesOf, shareOf, type Move } from './moves.ts'

/** How often a plan is begun anew because the members changed while it counted, before it is given up. */
const maxAttempts = 10

export interface PlanComponents {
  /** The newest topology that can be had. */
  readonly topology: () => Promise<Topology>
  readonly measure: Measure
}

/** Throws ERR_INVALID, ERR_REFUSED where the change can never be made, and what `measure` throws. */
export async function planChange(
  components: PlanComponents,
  change: Change,
  options: Pick<PlanOptions, 'onProgress'> = {}
): Promise<Plan> {
  for (let attempt = 0; attempt < maxAttempts; attempt++) {
    const topology = await components.topology()
    try {
      return await planAt(topology, components.measure, change, options)
    } catch (error) {
      if (!(error instanceof EpochMovedError)) throw error
    }
  }
  throw new AnnulusError('ERR_UNREACHABLE', 'the members change faster than what would move can be counted')
}

async function planAt(
  topology: Topology,
  measure: Measure,
  change: Change,
  { onProgress }: Pick<PlanOptions, 'onProgress'>
): Promise<Plan> {
  const prospect = prospectOf(topology, change)
  const moves = movesOf(prospect.before, prospect.after, topology.replicas)
  const pieces = inPieces(topology, moves)
  const amounts = await measureAll(
    question => measure(question, topology.epoch),
    pieces.map(({ range }) => range),
    { perQuestion: maxRangesPerRequest, onProgress: done => onProgress?.({ done, total: pieces.length }) }
  )
  return { ...describe(topology, prospect, moves), ...addUp(prospect, pieces, amounts) }
}

/**
 * Such that the members of the ring that surely holds everything have each piece whole or not at all. Sorted by who
 * gives, so that one member can be asked for many of them at once.
 */
function inPieces(topology: Topology, moves: readonly Move<RingMember>[]): Move<RingMember>[] {
  const { layout } = topology.before
  const pieces =
    topology.transition === undefined
      ? [...moves]
      : moves.flatMap(move => cutAt(layout, move.range).map(range => ({ ...move, range })))
  return pieces.sort((a, b) => compareTexts(a.from.peerId, b.from.peerId))
}

function describe(
  topology: Topology,
  prospect: Prospect,
  moves: readonly Move<RingMember>[]
): Pick<Plan, 'change' | 'share' | 'expectedShare' | 'copies' | 'epoch' | 'isUnderWay'> {
  const { before, after, member, isNamed } = prospect
  const copiesIn = ({ members }: { members: readonly unknown[] }): number =>
    Math.min(topology.replicas, members.length)
  const copies = { before: copiesIn(before), after: copiesIn(after) }
  const kind = after.members.length > before.members.length ? 'join' : 'leave'
  return {
    change: { kind, peerId: isNamed ? member.peerId : null, vnodes: member.vnodes },
    share: copies.after === 0 ? 0 : shareOf(moves, copies.after),
    expectedShare: expectedShare(prospect, topology.replicas),
    copies,
    epoch: topology.epoch,
    isUnderWay: topology.transition !== undefined
  }
}

/** What goes from whom to whom, by peer id; those that give nothing are left out. */
function addUp(
  { member, isNamed }: Prospect,
  pieces: readonly Move<RingMember>[],
  amounts: readonly Amount[]
): Pick<Plan, 'records' | 'bytes' | 'moves'> {
  const byPair = new Map<string, { from: string; to: string; records: number; bytes: number }>()
  for (const [i, { from, to }] of pieces.entries()) {
    const { records, bytes } = amounts[i]!
    const pair = `${from.peerId} ${to.peerId}`
    const sum = byPair.get(pair) ?? { from: from.peerId, to: to.peerId, records: 0, bytes: 0 }
    byPair.set(pair, sum)
    sum.records += records
    sum.bytes += bytes
  }
  const sums = [...byPair.values()]
    .filter(({ records }) => records > 0)
    .sort((a, b) => compareTexts(a.from, b.from) || compareTexts(a.to, b.to))
  const nameOf = (peerId: string): string | null => (isNamed || peerId !== member.peerId ? peerId : null)
  const moves: PlannedMove[] = sums.map(sum => ({ ...sum, to: nameOf(sum.to) }))
  const total = (of: (move: PlannedMove) => number): number => moves.reduce((sum, move) => sum + of(move), 0)
  return { records: total(({ records }) => records), bytes: total(({ bytes }) => bytes), moves }
}

function compareTexts(a: string, b: string): number {
  if (a === b) return 0
  return a < b ? -1 : 1
}
