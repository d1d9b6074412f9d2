/**
 * Moves this member's records as the topology asks, by two rules. R1: it reconciles what it replicates with the
 * other replicas; first of all, in a transition, what it takes, which it reports to the acceptors. R2: it hands
 * over what it no longer replicates. Beside that it has damaged records repaired. One thing at a time: a hand-over
 * has ended before a take begins, so nothing is dropped that a take counts on.
 */
import type { TransferEvent, TransferStatus } from '../../api.ts'
import type { CancelSignal } from '../canceller.ts'
import { sameMember, type MemberId } from '../member.ts'
import { slotCount } from '../record/fingerprints.ts'
import { orAbort } from '../time.ts'
import { linked, pause } from '../topology/pause.ts'
import type { ReconciledState } from '../topology/purge-reporter.ts'
import type { Domains } from './domains.ts'
import { handOver, hasNothingForeign } from './giver.ts'
import { type Neighbour, Neighbours } from './neighbours.ts'
import { Repairer } from './repairer.ts'
import { reconcile, type SessionComponents } from './session.ts'
import { take } from './taker.ts'
import { Transfers } from './transfers.ts'

/** Pause before what failed, or what some replica did not take, is tried again, in ms; jittered by half. */
const retryMs = 2_000

/** Between two looks for foreign and for damaged records while nothing changes, in ms: a late write may have left one. */
const lookEveryMs = 30_000

export interface MoverComponents extends Omit<SessionComponents, 'epoch'> {
  /** Of the topology in force. */
  readonly domains: () => Domains | undefined
  readonly isAlive: (member: MemberId) => boolean
  /** Tells the acceptors, until the epoch moves or the signal aborts, that this taker is done. */
  readonly report: (epoch: number, signal: CancelSignal) => Promise<void>
  readonly onTransfer?: ((event: TransferEvent) => void) | undefined
}

export interface MoverInit {
  readonly self: MemberId
  /** True where this member was away and may have missed writes. */
  readonly isReturning: boolean
}

export class Mover {
  readonly #components: MoverComponents & SessionComponents
  readonly #self: MemberId
  readonly #neighbours: Neighbours
  readonly #repairer: Repairer
  readonly #transfers: Transfers
  readonly #stop = new AbortController()
  /** Aborts when the topology changes: whatever is under way was for another one. */
  #work = new AbortController()
  /** Ends a rest: something has become due. */
  #wake: (() => void) | undefined
  /** The count of the store's records that wakes it when it is completed. */
  #counting: Promise<unknown> | undefined
  #running: Promise<void> | undefined
  /** The epoch at which this taker has done its part. */
  #takenAt = 0
  /** Monotonic time in ms. */
  #lookDueMs = 0
  /** When it was last seen that the store holds nothing foreign. */
  #nothingForeign: { readonly epoch: number; readonly atMs: number } | undefined

  constructor(components: MoverComponents, { self, isReturning }: MoverInit) {
    this.#components = { ...components, epoch: () => components.domains()?.topology.epoch ?? 0 }
    this.#self = self
    this.#neighbours = new Neighbours(components, { isReturning })
    this.#repairer = new Repairer(this.#components, { self })
    this.#transfers = new Transfers(components, self)
  }

  start(): void {
    this.#running ??= this.#run()
  }

  async stop(): Promise<void> {
    this.#stop.abort()
    this.#work.abort()
    await this.#running
  }

  topologyChanged(): void {
    this.#lookDueMs = 0
    this.#work.abort()
  }

  /** This member may have missed writes, as it was out of the others' reach. */
  refresh(): void {
    this.#neighbours.allDue()
    this.#wake?.()
  }

  /** A member answers again: it may have missed something, or have what was missed here. */
  reachable(member: MemberId): void {
    if (this.#neighbours.due(member)) this.#wake?.()
  }

  /** A member asked, and was found to hold just what this one does. */
  foundEqual(member: MemberId): void {
    this.#neighbours.equal(member)
  }

  transfers(): TransferStatus[] {
    return this.#transfers.status()
  }

  /** See ReconciledState; undefined where that cannot be said. */
  reconciled(): ReconciledState | undefined {
    const epoch = this.#components.epoch()
    const seen = this.#nothingForeign
    const sinceMs = this.#neighbours.reconciledSince(epoch)
    if (seen?.epoch !== epoch || sinceMs === undefined) return undefined
    if (this.#components.store.fingerprints.damaged(0, slotCount).length > 0) return undefined
    return { epoch, sinceMs: Math.min(sinceMs, seen.atMs) }
  }

  /** One pass of hand-over, now; for a member that is about to stop for good. False: something is kept. */
  async handOverNow(signal: CancelSignal): Promise<boolean> {
    const domains = this.#components.domains()
    return domains === undefined || (await this.#handOver(domains, signal)) === 0
  }

  async #run(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      this.#work = new AbortController()
      const { signal } = this.#work
      await this.#attempt(() => this.#workAt(this.#components.domains(), signal), signal)
    }
  }

  /** All that one topology asks; ends when it changes, by the signal, or throws where a part in it failed. */
  async #workAt(domains: Domains | undefined, signal: CancelSignal): Promise<void> {
    if (domains === undefined) {
      await pause(this.#components.clock, lookEveryMs, signal)
      return
    }
    this.#neighbours.follow(domains)
    const reporting = await this.#takePart(domains, signal)
    try {
      while (!signal.aborted) await this.#attempt(() => this.#step(domains, signal), signal)
    } finally {
      await reporting.done
    }
  }

  /** Takes what this member is to replicate; from then on it reports that, beside all else. */
  async #takePart(domains: Domains, signal: CancelSignal): Promise<{ readonly done: Promise<void> }> {
    const { transition, takers } = domains.topology
    if (transition === undefined || !takers.some(taker => sameMember(taker, this.#self)))
      return { done: Promise.resolve() }
    if (this.#takenAt !== transition.latest) {
      const init = { self: this.#self, domains, signal }
      await this.#transfers.during('take', progress => take(this.#components, { ...init, progress }))
      this.#takenAt = transition.latest
      this.#components.logger.info('has taken its part of the transition', { epoch: transition.latest })
    }
    return { done: this.#keepReporting(transition.latest, signal) }
  }

  async #keepReporting(epoch: number, signal: CancelSignal): Promise<void> {
    while (!signal.aborted) await this.#attempt(() => this.#components.report(epoch, signal), signal)
  }

  /** Whatever is due now, and then a rest until something is. */
  async #step(domains: Domains, signal: CancelSignal): Promise<void> {
    const { clock, isAlive, store } = this.#components
    const isDue = (dueMs: number): boolean => dueMs <= clock.monotonic()
    if (!store.fingerprints.isComplete) return this.#stepUncounted(domains, signal)
    const neighbour = this.#neighbours.next(isAlive)
    if (neighbour !== undefined && isDue(neighbour.dueMs))
      await this.#reconcileWith(neighbour, domains.topology.epoch, signal)
    if (isDue(this.#lookDueMs)) await this.#lookForForeign(domains, signal)
    const repairDueMs = this.#repairer.look()
    if (isDue(repairDueMs)) await this.#repairer.repairDue(domains.topology, signal)
    const nextMs = this.#neighbours.next(isAlive)?.dueMs ?? Infinity
    await this.#restUntil(Math.min(nextMs, this.#lookDueMs, this.#repairer.look()), signal)
  }

  /** Nobody can say yet what is held here. Only what was found damaged can be repaired meanwhile. */
  async #stepUncounted({ topology }: Domains, signal: CancelSignal): Promise<void> {
    const { clock, store } = this.#components
    this.#wakeWhenCounted()
    if (this.#repairer.look() <= clock.monotonic()) await this.#repairer.repairDue(topology, signal)
    // It may have been counted during a repair, when nobody rested.
    if (store.fingerprints.isComplete) return
    await this.#restUntil(Math.min(clock.monotonic() + lookEveryMs, this.#repairer.look()), signal)
  }

  /** Once for each count, however long that takes: a promise keeps all who ever waited for it. */
  #wakeWhenCounted(): void {
    const { completed } = this.#components.store.fingerprints
    if (completed === this.#counting) return
    this.#counting = completed
    void completed.then(() => this.#wake?.())
  }

  /** R1. */
  async #reconcileWith(neighbour: Neighbour, epoch: number, signal: CancelSignal): Promise<void> {
    const { clock, logger } = this.#components
    const { member, domain } = neighbour
    const beganMs = clock.monotonic()
    this.#neighbours.begin(neighbour)
    try {
      const init = { member, kind: 'shared', domain, epoch, signal } as const
      const { damagedHere, damagedThere } = await this.#transfers.during('reconcile', progress =>
        reconcile(this.#components, { ...init, progress })
      )
      if (damagedHere.size + damagedThere.size === 0) neighbour.reconciled = { epoch, beganMs }
    } catch (error) {
      signal.throwIfAborted()
      logger.debug('could not reconcile', { with: member.peerId, error: String(error) })
      this.#neighbours.failed(neighbour)
    }
  }

  /** R2. What is foreign in a transition waits for its close: nobody needs it, and takers get it from others. */
  async #lookForForeign(domains: Domains, signal: CancelSignal): Promise<void> {
    const { transition } = domains.topology
    this.#lookDueMs = this.#jittered(retryMs)
    if (transition === undefined && !(await this.#seesNothingForeign(domains, signal))) {
      const kept = await this.#handOver(domains, signal)
      if (kept > 0 || !(await this.#seesNothingForeign(domains, signal))) return
    }
    signal.throwIfAborted()
    this.#lookDueMs = this.#jittered(lookEveryMs)
  }

  async #seesNothingForeign({ topology, foreign }: Domains, signal: CancelSignal): Promise<boolean> {
    const { clock, store, sums } = this.#components
    const atMs = clock.monotonic()
    await orAbort(store.fingerprints.completed, signal, () => signal.reason)
    if (!(await hasNothingForeign(sums, foreign))) return false
    this.#nothingForeign = { epoch: topology.epoch, atMs }
    return true
  }

  /** How many records are kept. */
  async #handOver(domains: Domains, signal: CancelSignal): Promise<number> {
    const { kept } = await this.#transfers.during('hand-over', progress =>
      handOver(this.#components, { domains, signal, progress })
    )
    return kept
  }

  async #restUntil(monotonicMs: number, signal: CancelSignal): Promise<void> {
    const { clock } = this.#components
    const restMs = monotonicMs - clock.monotonic()
    if (restMs <= 0) return
    const woken = linked(signal)
    this.#wake = woken.abort
    await pause(clock, restMs, woken.signal)
    woken.release()
  }

  /** Ends with the work, at the signal, or a while after it failed: then it is to be tried again. */
  async #attempt(work: () => Promise<void>, signal: CancelSignal): Promise<void> {
    const { clock, logger } = this.#components
    try {
      await work()
    } catch (error) {
      if (signal.aborted) return
      logger.warn('moving records failed and will be tried again', { error: String(error) })
      await pause(clock, this.#jittered(retryMs) - clock.monotonic(), signal)
    }
  }

  /** So many ms from now, jittered by half; monotonic time. */
  #jittered(ms: number): number {
    const { clock, random } = this.#components
    return clock.monotonic() + ms * (0.75 + random.float() / 2)
  }
}
