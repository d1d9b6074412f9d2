/**
 * What a displaced member does: foreign records, those in no range that it replicates in a ring in force, it hands
 * over to all of their replicas, and drops each once every one of them has it, if it is then still foreign and
 * unchanged. One window of the ring after the other, so that no more is remembered than a window has.
 */
import type { CancelSignal } from '../canceller.ts'
import { memberKey } from '../member.ts'
import { DamagedRecordError, TransportError } from '../ports.ts'
import { slotOf } from '../record/fingerprints.ts'
import type { RecordHead } from '../record/record.ts'
import { orAbort } from '../time.ts'
import { EpochMovedError } from './ask.ts'
import type { Domain } from './domain.ts'
import type { Dealing, Domains } from './domains.ts'
import type { NodeSums } from './node-sums.ts'
import { waiting, type SessionProgress } from './progress.ts'
import { reconcile, type SessionComponents } from './session.ts'
import { allSlots, childrenOf, isLeaf, rootNode, slotsOf } from './slot-tree.ts'

/** Foreign records of a window, unless its slots alone have more: some 600 KB of heads. */
const windowRecords = 4096

export type GiverComponents = SessionComponents

export interface GiverInit {
  readonly domains: Pick<Domains, 'topology' | 'foreign' | 'handedOver'>
  readonly signal: CancelSignal
  readonly progress: SessionProgress
}

/** Outcome of one pass over the store. */
export interface HandOverResult {
  readonly dropped: number
  /** Records that stay until the next pass: a replica did not take them, or they changed meanwhile. */
  readonly kept: number
}

/** Whether there is no foreign record at all, not even a damaged one; costs next to nothing. */
export async function hasNothingForeign(sums: NodeSums, domain: Domain | undefined): Promise<boolean> {
  if (domain === undefined) return true
  return (await sums.sum(domain, allSlots)).count === 0 && sums.damagedSlots(domain, allSlots).length === 0
}

/** One pass over all foreign records but damaged ones. Throws when the signal aborts, or the disk fails. */
export async function handOver(components: GiverComponents, init: GiverInit): Promise<HandOverResult> {
  const { foreign } = init.domains
  const total = { dropped: 0, kept: 0 }
  if (foreign === undefined) return total
  const { signal } = init
  await orAbort(components.store.fingerprints.completed, signal, () => signal.reason)
  /** Who could not be reached is not asked for each window. */
  const away = new Set<string>()
  for await (const window of windows(components.sums, foreign, rootNode)) {
    const { dropped, kept } = await handOverWindow(components, init, { foreign, window, away })
    total.dropped += dropped
    total.kept += kept
  }
  return total
}

/** Inner nodes in which the foreign records are few enough, in ring order. */
async function* windows(sums: NodeSums, domain: Domain, node: number): AsyncGenerator<number, void> {
  const { count } = await sums.sum(domain, slotsOf(node))
  if (count === 0) return
  const children = childrenOf(node)
  if (count <= windowRecords || children.some(isLeaf)) yield node
  else for (const child of children) yield* windows(sums, domain, child)
}

interface Window {
  readonly foreign: Domain
  /** A node of the slot tree. */
  readonly window: number
  readonly away: Set<string>
}

async function handOverWindow(
  components: GiverComponents,
  init: GiverInit,
  { foreign, window, away }: Window
): Promise<HandOverResult> {
  const slots = slotsOf(window)
  const heads: RecordHead[] = []
  for await (const head of components.sums.heads(foreign, slots)) heads.push(head)
  const damaged = new Set<number>()
  const refused: Domain[] = []
  for (const dealing of init.domains.handedOver) {
    if ((await components.sums.sum(dealing.domain, slots)).count === 0) continue
    const inDoubt = await give(components, init, dealing, { window, away })
    if (inDoubt === undefined) refused.push(dealing.domain)
    else for (const slot of inDoubt) damaged.add(slot)
  }
  const isWithAll = ({ position }: RecordHead): boolean =>
    !damaged.has(slotOf(position)) && !refused.some(domain => domain.has(position))
  const dropped = await dropForeign(components, init, heads.filter(isWithAll))
  return { dropped, kept: heads.length - dropped }
}

/**
 * Sees to it that a member has all that is its to take of a window. Gives the slots of which that is not said, as
 * one of the two has a damaged record there; undefined where it failed.
 */
async function give(
  components: GiverComponents,
  { domains, signal, progress }: GiverInit,
  { member, domain }: Dealing,
  { window, away }: Pick<Window, 'window' | 'away'>
): Promise<ReadonlySet<number> | undefined> {
  if (away.has(memberKey(member))) return undefined
  const { epoch } = domains.topology
  try {
    const within = [window]
    const init = { member, kind: 'handed-over', domain, epoch, signal, progress, within } as const
    const { damagedHere, damagedThere } = await reconcile(components, init)
    return new Set([...damagedHere, ...damagedThere])
  } catch (error) {
    signal.throwIfAborted()
    if (!(error instanceof TransportError || error instanceof EpochMovedError)) throw error
    // A member that is away, or behind, is offered them again at the next pass.
    away.add(memberKey(member))
    waiting(progress, `${member.peerId} to take what it now replicates`)
    return undefined
  }
}

/**
 * Drops of these what is unchanged. Nothing comes between the look at the log and the calls: whatever is served at a
 * newer epoch reaches the store after them. Gives how many are gone.
 */
async function dropForeign(
  { store, epoch }: GiverComponents,
  { domains, signal }: GiverInit,
  heads: readonly RecordHead[]
): Promise<number> {
  signal.throwIfAborted()
  if (epoch() !== domains.topology.epoch) return 0
  const drops = heads.map(({ position, version }) =>
    store.drop(position, version).catch((error: unknown) => {
      // Found damaged since.
      if (error instanceof DamagedRecordError) return false
      throw error
    })
  )
  const outcomes = await Promise.allSettled(drops)
  const failed = outcomes.find(outcome => outcome.status === 'rejected')
  if (failed !== undefined) throw failed.reason
  return outcomes.filter(outcome => outcome.status === 'fulfilled' && outcome.value).length
}
