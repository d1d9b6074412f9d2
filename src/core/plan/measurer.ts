/**
 * Says how much lies in ranges of the ring: in this member's store, or in the cluster, of which it asks one replica
 * of each range, and another where that fails. Part of a life; its peer plans by it, and clients through it.
 */
import type { MemberLiveness } from '../../api.ts'
import type { MeasureRanges } from '../../wire/generated/messages.ts'
import type { CancelSignal } from '../canceller.ts'
import { AnnulusError } from '../errors.ts'
import { lastingKey, sameMember, type MemberId } from '../member.ts'
import { EpochMovedError, noAnswer } from '../movement/ask.ts'
import { ServeError, type Logger, type Store } from '../ports.ts'
import type { Asked } from '../requests/dispatcher.ts'
import type { Range } from '../ring/range.ts'
import type { Calls, ResponseBody } from '../rpc-types.ts'
import type { Member, Topology } from '../topology/topology.ts'
import {
  fromMeasureRanges,
  fromRangesMeasured,
  measureStore,
  toMeasureRanges,
  toRangesMeasured,
  type Measured,
  type Question
} from './measure.ts'

/** How long one member may take for an answer, in ms: three can be tried while a client waits its 10 s. */
const answerTimeoutMs = 3_000

export interface MeasurerComponents {
  readonly calls: Calls
  /** Shows nothing of what was purged. */
  readonly store: Store
  readonly topology: () => Topology | undefined
  readonly livenessOf: (member: MemberId) => MemberLiveness
  readonly logger: Logger
}

/** A member to be asked for so many of the first ranges. */
interface Choice {
  readonly member: Member
  readonly ranges: number
  readonly isSuspect: boolean
}

export class Measurer {
  readonly #components: MeasurerComponents
  readonly #self: MemberId

  constructor(components: MeasurerComponents, init: { readonly self: MemberId }) {
    this.#components = components
    this.#self = init.self
  }

  /** Serves the request, at its epoch. Throws ServeError. */
  async serve(message: MeasureRanges, { signal }: Asked): Promise<ResponseBody> {
    const question = fromMeasureRanges(message)
    if (!message.cluster) {
      return { rangesMeasured: toRangesMeasured(await measureStore(this.#components.store, question)) }
    }
    try {
      const epoch = this.#components.topology()?.epoch ?? 0
      return { rangesMeasured: toRangesMeasured(await this.inCluster(question, { epoch, signal })) }
    } catch (error) {
      // The envelope says which epoch it is now.
      if (error instanceof EpochMovedError) return {}
      if (error instanceof AnnulusError) throw new ServeError('not-ready', error.message)
      throw error
    }
  }

  /**
   * What lies in ranges, each of which lies in one segment of the ring before: so much of it as one member tells at
   * once. Throws EpochMovedError, and ERR_QUORUM where no replica of the first range answers.
   */
  async inCluster(
    question: Question,
    { epoch, signal }: { readonly epoch: number; readonly signal: CancelSignal }
  ): Promise<Measured> {
    const topology = this.#components.topology()
    if (topology?.epoch !== epoch) throw new EpochMovedError(`epoch ${epoch} is over here`)
    const failed: Member[] = []
    for (;;) {
      const choice = this.#choose(topology, question.ranges, failed)
      if (choice === undefined) {
        const message = 'no replica of some range could be asked what lies there; the plan would have gaps'
        throw new AnnulusError('ERR_QUORUM', message, { missing: failed.map(({ peerId }) => peerId) })
      }
      const part = { ...question, ranges: question.ranges.slice(0, choice.ranges) }
      try {
        return await this.#ask(choice.member, part, { epoch, signal })
      } catch (error) {
        signal.throwIfAborted()
        if (error instanceof EpochMovedError) throw error
        const { logger } = this.#components
        logger.debug('could not measure ranges', { at: choice.member.peerId, error: String(error) })
        failed.push(choice.member)
      }
    }
  }

  async #ask(
    member: Member,
    question: Question,
    { epoch, signal }: { readonly epoch: number; readonly signal: CancelSignal }
  ): Promise<Measured> {
    const request = { measureRanges: toMeasureRanges(question, false) }
    const options = { timeoutMs: answerTimeoutMs, signal, bulk: true }
    const response = await this.#components.calls.call(member, request, options)
    if (response.epoch > epoch) {
      throw new EpochMovedError(`${member.peerId} answered at epoch ${response.epoch}, not ${epoch}`)
    }
    const measured = fromRangesMeasured(response.rangesMeasured, question)
    // One that could not catch up did not answer what was asked either; another replica may.
    if (measured === undefined || response.epoch < epoch) throw noAnswer(member)
    return measured
  }

  /** Of those that have the first range whoever has most of the next ones too, so that few questions do. */
  #choose(topology: Topology, ranges: readonly Range[], failed: readonly Member[]): Choice | undefined {
    const replicas = ranges.map(({ end }) => topology.before.replicas(end, topology.replicas))
    const choices = (replicas[0] ?? [])
      .filter(member => !failed.includes(member))
      .map(member => ({ member, liveness: this.#livenessOf(member) }))
      .filter(({ liveness }) => liveness !== 'down')
      .map(({ member, liveness }) => {
        const others = replicas.findIndex(list => !list.includes(member))
        return { member, ranges: others === -1 ? ranges.length : others, isSuspect: liveness === 'suspect' }
      })
    return choices.sort(
      (a, b) =>
        Number(a.isSuspect) - Number(b.isSuspect) ||
        b.ranges - a.ranges ||
        (lastingKey(a.member) < lastingKey(b.member) ? -1 : 1)
    )[0]
  }

  #livenessOf(member: MemberId): MemberLiveness {
    return sameMember(member, this.#self) ? 'alive' : this.#components.livenessOf(member)
  }
}
