/**
 * Moves this member's records as the topology asks: takes what it is to replicate, reports that to the
 * acceptors, refreshes what it missed while it was away, and hands over what it no longer replicates. One
 * thing at a time: a hand-over has ended before a take begins, so nothing is dropped that a take counts on.
 */
import type { TransferStatus } from '../../api.ts'
import { memberKey, sameMember, type MemberId } from '../member.ts'
import type { Clock, Logger, Random, Store } from '../ports.ts'
import type { Calls } from '../rpc-types.ts'
import { sleep } from '../time.ts'
import type { Topology } from '../topology/topology.ts'
import { dutiesOf } from '../topology/transition.ts'
import { handOver } from './hand-over.ts'
import type { Progress } from './progress.ts'
import { refresh } from './refresh.ts'
import { take } from './taker.ts'

/** Pause before records that some replica did not take are offered again, in ms; jittered by half. */
const handOverRetryMs = 2_000

/** Between two looks for foreign records while nothing changes, in ms: a late write may have left one. */
const handOverIntervalMs = 30_000

export interface MoverComponents {
  readonly calls: Calls
  readonly store: Store
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly topology: () => Topology | undefined
  readonly isAlive: (member: MemberId) => boolean
  /** Tells the acceptors, until the epoch moves or the signal aborts, that this taker is done. */
  readonly report: (epoch: number, signal: AbortSignal) => Promise<void>
}

export interface MoverInit {
  readonly self: MemberId
  /** True where this member was away and may have missed writes. */
  readonly isReturning: boolean
}

type TransferKind = TransferStatus['kind']

export class Mover {
  readonly #components: MoverComponents
  readonly #self: MemberId
  readonly #transfers = new Map<TransferKind, Progress>()
  /** Whom to ask for what this member may have missed: all it shares ranges with, or those left of them. */
  #toAsk: 'all' | ReadonlySet<string>
  #work = new AbortController()
  #stop = new AbortController()
  #running: Promise<void> | undefined
  #isTakingPart = false
  /** The epoch at which this taker has done its part. */
  #takenAt = 0

  constructor(components: MoverComponents, init: MoverInit) {
    this.#components = components
    this.#self = init.self
    this.#toAsk = init.isReturning ? 'all' : new Set()
  }

  start(): void {
    this.#running ??= this.#run()
  }

  async stop(): Promise<void> {
    this.#stop.abort()
    this.#work.abort()
    await this.#running
  }

  /** The topology changed: whatever is under way was for another one. */
  topologyChanged(): void {
    this.#work.abort()
  }

  /** Fetches what this member may have missed while it was out of the others' reach. */
  refresh(): void {
    this.#toAsk = 'all'
    this.#interrupt()
  }

  /** A member answers again: if it is still to be asked for what was missed, this is the time. */
  reachable(member: MemberId): void {
    if (this.#toAsk !== 'all' && this.#toAsk.has(memberKey(member))) this.#interrupt()
  }

  transfers(): TransferStatus[] {
    return [...this.#transfers].map(([kind, { records, bytes, waitsFor }]) => ({
      peerId: this.#self.peerId,
      kind,
      records,
      bytes,
      waitsFor: waitsFor ?? null
    }))
  }

  /** One pass of hand-over, now; for a member that is about to stop for good. False: something is kept. */
  async handOverNow(signal: AbortSignal): Promise<boolean> {
    const { kept } = await this.#handOver(signal)
    return kept === 0
  }

  /** What is missed waits for a part in a transition: where others flap, that would begin anew for ever. */
  #interrupt(): void {
    if (!this.#isTakingPart) this.#work.abort()
  }

  async #run(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      this.#work = new AbortController()
      try {
        await this.#workOnce(this.#work.signal)
      } catch (error) {
        if (!this.#work.signal.aborted) {
          this.#components.logger.warn('moving records failed and will be tried again', {
            error: String(error)
          })
          await this.#pause(handOverRetryMs)
        }
      }
    }
  }

  /** All that the present topology asks; returns or throws when there is something else to do. */
  async #workOnce(signal: AbortSignal): Promise<void> {
    const topology = this.#components.topology()
    if (topology?.transition !== undefined) {
      this.#isTakingPart = true
      await this.#takePart(topology, topology.transition.latest, signal).finally(() => {
        this.#isTakingPart = false
      })
    }
    if (topology !== undefined && (this.#toAsk === 'all' || this.#toAsk.size > 0)) {
      const toAsk = this.#toAsk
      const left = await this.#track('take', progress =>
        refresh(this.#components, { self: this.#self, topology, toAsk, signal, progress })
      )
      // Another refresh may have been wanted since this one ended.
      signal.throwIfAborted()
      this.#toAsk = left
    }
    const { kept } = await this.#handOver(signal)
    await this.#pause(kept > 0 ? handOverRetryMs : handOverIntervalMs)
  }

  async #takePart(topology: Topology, epoch: number, signal: AbortSignal): Promise<void> {
    const { report, logger } = this.#components
    if (!topology.takers.some(taker => sameMember(taker, this.#self))) return
    if (this.#takenAt !== epoch) {
      await this.#track('take', progress =>
        take(this.#components, {
          self: this.#self,
          duties: dutiesOf(topology, this.#self),
          epoch,
          signal,
          progress
        })
      )
      this.#takenAt = epoch
      logger.info('has taken its part of the transition', { epoch })
    }
    await report(epoch, signal)
  }

  async #handOver(signal: AbortSignal): ReturnType<typeof handOver> {
    return this.#track('hand-over', progress =>
      handOver(this.#components, { self: this.#self, signal, progress })
    )
  }

  /** Shows a transfer in `transfers()` while it is under way. */
  async #track<T>(kind: TransferKind, work: (progress: Progress) => Promise<T>): Promise<T> {
    const progress: Progress = { records: 0, bytes: 0, waitsFor: undefined }
    this.#transfers.set(kind, progress)
    try {
      return await work(progress)
    } finally {
      this.#transfers.delete(kind)
    }
  }

  /** Waits, jittered by half; shorter when there is something else to do. */
  async #pause(ms: number): Promise<void> {
    const { clock, random } = this.#components
    try {
      await sleep(clock, ms * (0.75 + random.float() / 2), this.#work.signal)
    } catch {
      // Something else to do: the loop looks.
    }
  }
}
