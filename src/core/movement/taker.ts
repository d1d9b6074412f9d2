/**
 * What a taker does in a transition: for each range that it replicates in the ring after and not in the ring
 * before, it pulls from enough replicas of the ring before that every acknowledged write is among what it got.
 * With n replicas and quorums of q, any n - q + 1 of them hold at least one copy of it.
 */
import { memberKey, type MemberId } from '../member.ts'
import type { Clock, Logger, Store } from '../ports.ts'
import type { Calls } from '../rpc-types.ts'
import { sleep } from '../time.ts'
import type { Range } from '../ring/range.ts'
import { moved, type Progress } from './progress.ts'
import { pull } from './pull.ts'

/** Pause before sources that failed are asked again, in ms. */
const retryMs = 500

/** One range to take: what `dutiesOf` in topology/transition.ts gives. */
export interface Duty {
  readonly range: Range
  /** The range's replicas in the ring before. */
  readonly sources: readonly MemberId[]
  /** How many of them must have been pulled from; this member counts as pulled from where it is one. */
  readonly needed: number
}

export interface TakerComponents {
  readonly calls: Calls
  readonly store: Store
  readonly clock: Clock
  readonly logger: Logger
  readonly isAlive: (member: MemberId) => boolean
}

export interface TakerInit {
  readonly self: MemberId
  readonly duties: readonly Duty[]
  /** Epoch of the transition's latest entry: sessions of another one do not count. */
  readonly epoch: number
  readonly signal: AbortSignal
  readonly progress: Progress
}

interface OpenDuty extends Duty {
  /** Keys of the sources pulled from. */
  readonly credited: Set<string>
}

/** Resolves when every duty is done and on disk; throws when the signal aborts. */
export async function take(components: TakerComponents, init: TakerInit): Promise<void> {
  const self = memberKey(init.self)
  let open: OpenDuty[] = init.duties.map(duty => ({
    ...duty,
    credited: new Set(duty.sources.map(memberKey).filter(key => key === self))
  }))
  const isOpen = (duty: OpenDuty): boolean => duty.credited.size < duty.needed
  for (;;) {
    const failed = new Set<string>()
    for (open = open.filter(isOpen); open.length > 0; open = open.filter(isOpen)) {
      const source = nextSource(open, failed, components.isAlive)
      if (source === undefined) break
      const key = memberKey(source)
      const duties = open.filter(duty => lacks(duty, key))
      const done = await session(components, init, source, duties)
      for (const duty of done) duty.credited.add(key)
      if (done.length < duties.length) failed.add(key)
    }
    if (open.length === 0) return
    init.progress.waitsFor = waitsFor(open)
    await sleep(components.clock, retryMs, init.signal)
  }
}

/** The source that the most open duties lack, alive ones first; undefined when all of them failed. */
function nextSource(
  open: readonly OpenDuty[],
  failed: ReadonlySet<string>,
  isAlive: (member: MemberId) => boolean
): MemberId | undefined {
  const candidates = new Map<string, { source: MemberId; duties: number }>()
  for (const duty of open) {
    for (const source of duty.sources) {
      const key = memberKey(source)
      if (failed.has(key) || !lacks(duty, key)) continue
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
 * Pulls what one source has for these duties, and gives those for which that counts: not where the source has
 * a damaged record, which may be a write that no other source asked has.
 */
async function session(
  components: TakerComponents,
  init: TakerInit,
  source: MemberId,
  duties: readonly OpenDuty[]
): Promise<readonly OpenDuty[]> {
  const damaged = new Set<Range>()
  try {
    await pull(components, {
      source,
      ranges: duties.map(duty => duty.range),
      epoch: init.epoch,
      signal: init.signal,
      onDamaged: range => damaged.add(range),
      onProgress: (records, bytes) => {
        moved(init.progress, records, bytes)
        init.progress.waitsFor = undefined
      }
    })
    // Also where there was nothing to fetch.
    init.progress.waitsFor = undefined
    if (damaged.size > 0) components.logger.warn('a source has damaged records', { source: source.peerId })
    return duties.filter(({ range }) => !damaged.has(range))
  } catch (error) {
    init.signal.throwIfAborted()
    components.logger.debug('a pull failed', { source: source.peerId, error: String(error) })
    return []
  }
}

function lacks(duty: OpenDuty, key: string): boolean {
  return !duty.credited.has(key) && duty.sources.some(source => memberKey(source) === key)
}

function waitsFor(open: readonly OpenDuty[]): string {
  const missing = new Set<string>()
  for (const duty of open) {
    for (const source of duty.sources) if (!duty.credited.has(memberKey(source))) missing.add(source.peerId)
  }
  return `records of ${open.length} ranges from ${[...missing].sort().join(', ')}`
}
