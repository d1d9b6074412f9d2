/** Brings this peer's log up to the epoch that another has, by asking that other for the entries. */
import type { CancelSignal } from '../canceller.ts'
import type { Logger, Remote } from '../ports.ts'
import type { Calls } from '../rpc-types.ts'
import type { TopologyLog } from '../topology/log.ts'

/** How long one fetch of entries may take, in ms. */
const fetchTimeoutMs = 2_000

/** Fetches in a row that one catch-up may take: entries come in slices, or as one snapshot. */
const maxFetches = 32

export interface CatchUpComponents {
  readonly calls: Calls
  readonly log: TopologyLog
  readonly logger: Logger
}

export class CatchUp {
  readonly #components: CatchUpComponents
  /** The catch-up under way with each peer: all that wait for it share it. */
  readonly #running = new Map<string, Promise<void>>()

  constructor(components: CatchUpComponents) {
    this.#components = components
  }

  /** Catches up with `from` as far as `epoch`; resolves also where that could not be done, see the log. */
  async to(
    from: Remote,
    epoch: number,
    options: { signal?: CancelSignal; timeoutMs: number }
  ): Promise<void> {
    for (;;) {
      if (this.#components.log.epoch >= epoch) return
      const running = this.#running.get(from.peerId)
      if (running === undefined) break
      await running
    }
    const next = this.#fetch(from, epoch, Math.min(fetchTimeoutMs, options.timeoutMs)).finally(() => {
      if (this.#running.get(from.peerId) === next) this.#running.delete(from.peerId)
    })
    this.#running.set(from.peerId, next)
    await next
  }

  /** Catches up in the background. */
  soon(from: Remote, epoch: number): void {
    if (!this.#running.has(from.peerId)) void this.to(from, epoch, { timeoutMs: fetchTimeoutMs })
  }

  async #fetch(from: Remote, epoch: number, timeoutMs: number): Promise<void> {
    const { calls, log, logger } = this.#components
    try {
      for (let fetches = 0; fetches < maxFetches && log.epoch < epoch; fetches++) {
        const before = log.epoch
        // What the answer brings has been learnt when the call returns.
        await calls.call(from, { fetchLog: { after: before } }, { timeoutMs })
        if (log.epoch === before) return
      }
    } catch (error) {
      logger.debug('could not catch up', { from: from.peerId, epoch, error: String(error) })
    }
  }
}
