/** Tells the acceptors that this member has done its part of a transition, until the log moves on. Used by movement. */
import type { Report } from '../../wire/generated/messages.ts'
import type { CancelSignal } from '../canceller.ts'
import type { MemberId } from '../member.ts'
import type { Clock, Logger, Random } from '../ports.ts'
import type { Calls } from '../rpc-types.ts'
import type { TopologyLog } from './log.ts'
import { linked, pause } from './pause.ts'

/** How often a report is repeated, in ms, and as much again at random. */
const repeatEveryMs = 500

/** How long an acceptor has to answer a report, in ms. */
const callTimeoutMs = 2_000

export interface ReporterComponents {
  readonly clock: Clock
  readonly random: Random
  readonly calls: Calls
  readonly log: TopologyLog
  readonly logger: Logger
}

export interface ReporterInit {
  readonly self: MemberId
}

export class Reporter {
  readonly #components: ReporterComponents
  readonly #self: MemberId

  constructor(components: ReporterComponents, { self }: ReporterInit) {
    this.#components = components
    this.#self = self
  }

  /** Reports at this epoch, that of the transition's latest entry. Resolves when the log moves on, or at the signal. */
  async report(epoch: number, signal?: CancelSignal): Promise<void> {
    const { clock, random, log } = this.#components
    const ended = linked(signal)
    const stopListening = log.onChange(() => {
      if (log.epoch > epoch) ended.abort()
    })
    try {
      while (log.epoch <= epoch && !ended.signal.aborted) {
        await this.#tellAcceptors(epoch, ended.signal)
        await pause(clock, repeatEveryMs * (1 + random.float()), ended.signal)
      }
    } finally {
      stopListening()
      ended.release()
    }
  }

  async #tellAcceptors(epoch: number, signal: CancelSignal): Promise<void> {
    const { peerId, life } = this.#self
    await tellAcceptors(this.#components, { epoch, member: { peerId, life } }, signal)
  }
}

/** Sends a report to all acceptors at once; resolves when each has heard it, or has not. */
export async function tellAcceptors(
  { calls, log, logger }: Pick<ReporterComponents, 'calls' | 'log' | 'logger'>,
  report: Report,
  signal: CancelSignal
): Promise<void> {
  const telling = (log.current?.acceptors ?? []).map(async acceptor => {
    try {
      await calls.call(acceptor, { report }, { timeoutMs: callTimeoutMs, signal })
    } catch (error) {
      logger.debug('a report was not heard', { by: acceptor.peerId, error: String(error) })
    }
  })
  await Promise.all(telling)
}
