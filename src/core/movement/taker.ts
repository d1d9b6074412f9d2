/**
 * What a taker does in a transition: each range that it replicates in the ring after and not in the ring before,
 * it reconciles with enough replicas of the ring before that every acknowledged write is among what it has then.
 * With n replicas and quorums of q, any n - q + 1 of them hold at least one copy of it.
 *
 * One session covers all that is to be taken from a source, and one follows the other: what the first brought,
 * the next finds to be equal, so that it is sent once.
 */
import type { CancelSignal } from '../canceller.ts'
import { memberKey, type MemberId } from '../member.ts'
import { slotCount, slotOf } from '../record/fingerprints.ts'
import { widthOf } from '../ring/range.ts'
import { sleep } from '../time.ts'
import type { Topology } from '../topology/topology.ts'
import { pullCount, type Duty } from '../topology/transition.ts'
import { slotsTouchedBy } from './domain.ts'
import type { Domains } from './domains.ts'
import { beginPart, type SessionProgress, waiting } from './progress.ts'
import { reconcile, type SessionComponents } from './session.ts'

/** Pause before sources that failed are asked again, in ms. */
const retryMs = 500

export interface TakerComponents extends SessionComponents {
  readonly isAlive: (member: MemberId) => boolean
}

export interface TakerInit {
  readonly self: MemberId
  /** Of the topology that the transition's latest entry made: sessions at another epoch do not count. */
  readonly domains: Pick<Domains, 'duties' | 'takenFrom'> & { readonly topology: Pick<Topology, 'epoch'> }
  readonly signal: CancelSignal
  readonly progress: SessionProgress
}

interface OpenDuty extends Duty {
  /** Keys of the sources that it is reconciled with. */
  readonly credited: Set<string>
}

/** Resolves when every duty is done and on disk; throws when the signal aborts. */
export async function take(components: TakerComponents, init: TakerInit): Promise<void> {
  const { progress } = init
  let open: readonly OpenDuty[] = init.domains.duties.map(duty => ({ ...duty, credited: new Set() }))
  for (;;) {
    const failed = new Set<string>()
    for (;;) {
      open = stillOpen(components, init, open)
      const source = nextSource(open, init.self, failed, components.isAlive)
      if (source === undefined) break
      const credited = await session(components, init, source, open)
      const key = memberKey(source)
      for (const duty of credited) duty.credited.add(key)
      if (open.some(duty => lacks(duty, key))) failed.add(key)
    }
    if (open.length === 0) return
    waiting(progress, waitsFor(open, init.self, components.isAlive))
    await sleep(components.clock, retryMs, init.signal)
  }
}

/**
 * This member counts for itself where it is one of the sources, but not where a record of its own is damaged: that
 * may be the one copy that nobody else who was asked has.
 */
function stillOpen(
  { store }: TakerComponents,
  { self }: TakerInit,
  duties: readonly OpenDuty[]
): readonly OpenDuty[] {
  const damaged = new Set(store.fingerprints.damaged(0, slotCount).map(slotOf))
  const key = memberKey(self)
  return duties.filter(duty => {
    const countsItself = isSource(duty, key) && !touches(duty, damaged)
    return credits(duty) + (countsItself ? 1 : 0) < duty.needed
  })
}

/**
 * Where so few are left that all of them are needed, one that was given up and answers all the same stands for none
 * of them: it may lack what they have.
 */
function credits({ credited, sources, needed }: OpenDuty): number {
  if (needed >= pullCount(sources.length)) return credited.size
  return sources.filter(source => !source.lost && credited.has(memberKey(source))).length
}

/** The source that the most open duties lack, alive ones first; undefined when all of them failed. */
function nextSource(
  open: readonly OpenDuty[],
  self: MemberId,
  failed: ReadonlySet<string>,
  isAlive: (member: MemberId) => boolean
): MemberId | undefined {
  const candidates = new Map<string, { source: MemberId; duties: number }>()
  for (const duty of open) {
    for (const source of duty.sources) {
      const key = memberKey(source)
      if (key === memberKey(self) || failed.has(key) || !lacks(duty, key)) continue
      const candidate = candidates.get(key) ?? { source, duties: 0 }
      candidate.duties++
      candidates.set(key, candidate)
    }
  }
  let best: { source: MemberId; duties: number } | undefined
  for (const candidate of candidates.values()) {
    if (best === undefined) best = candidate
    else if (isAlive(candidate.source) !== isAlive(best.source))
      best = isAlive(best.source) ? best : candidate
    else if (candidate.duties > best.duties) best = candidate
  }
  return best?.source
}

/**
 * Reconciles what is to be taken from one source, and gives the duties for which that counts: not those where the
 * source has a damaged record, which may be a write that no other source asked has.
 */
async function session(
  components: TakerComponents,
  { domains, signal, progress }: TakerInit,
  source: MemberId,
  open: readonly OpenDuty[]
): Promise<readonly OpenDuty[]> {
  const { epoch } = domains.topology
  const domain = domains.takenFrom(source)
  if (domain === undefined) return []
  beginPartWith(source, { open, progress })
  try {
    const init = { member: source, kind: 'taken', domain, epoch, signal, progress } as const
    const { damagedThere } = await reconcile(components, init)
    waiting(progress, undefined)
    if (damagedThere.size > 0)
      components.logger.warn('a source has damaged records', { source: source.peerId })
    return open.filter(duty => lacks(duty, memberKey(source)) && !touches(duty, damagedThere))
  } catch (error) {
    signal.throwIfAborted()
    components.logger.debug('taking from a source failed', { source: source.peerId, error: String(error) })
    return []
  }
}

/** What nobody was asked for yet is what there is to find: part of it with this source, the rest with others. */
function beginPartWith(
  source: MemberId,
  { open, progress }: { readonly open: readonly OpenDuty[]; readonly progress: SessionProgress }
): void {
  const key = memberKey(source)
  let [here, elsewhere] = [0, 0]
  for (const duty of open) {
    if (duty.credited.size > 0) continue
    if (isSource(duty, key)) here += widthOf(duty.range)
    else elsewhere += widthOf(duty.range)
  }
  // A session of what was taken already finds next to nothing: what is told goes on from the one before it.
  if (here > 0) beginPart(progress, here, elsewhere)
}

function isSource({ sources }: Duty, key: string): boolean {
  return sources.some(source => memberKey(source) === key)
}

function lacks(duty: OpenDuty, key: string): boolean {
  return !duty.credited.has(key) && isSource(duty, key)
}

function touches({ range }: Duty, slots: ReadonlySet<number>): boolean {
  if (slots.size === 0) return false
  for (const { first, end } of slotsTouchedBy(range)) {
    for (const slot of slots) if (slot >= first && slot < end) return true
  }
  return false
}

function waitsFor(open: readonly OpenDuty[], self: MemberId, isAlive: TakerComponents['isAlive']): string {
  const missing = new Set<string>()
  for (const duty of open) {
    for (const source of duty.sources)
      if (!duty.credited.has(memberKey(source)) && memberKey(source) !== memberKey(self))
        missing.add(isAlive(source) ? source.peerId : `${source.peerId}, which does not answer`)
  }
  return `records of ${open.length} ${open.length === 1 ? 'range' : 'ranges'} from ${[...missing].sort().join(', ')}`
}
