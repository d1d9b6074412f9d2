/**
 * Doing one thing to many files at once, as `import`, `verify` and `export` do: a bounded number under way,
 * each tried again while that can help, and what fails named while the rest goes on.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { CallOptions } from '../api.ts'
import { AnnulusError, type ErrorCode } from '../core/errors.ts'
import { maxDeadlineMs } from '../core/limits.ts'
import type { TimeoutFlag } from './client.ts'

/** Files under way at once: enough to fill the channel to a peer, and at most 128 MiB of values in memory. */
export const filesAtOnce = 32

/** How long one file may take, with all its tries. */
export const fileTimeout: TimeoutFlag = {
  about: 'how long one file may take, with all its tries',
  defaultMs: 60_000,
  mostMs: 60 * 60_000
}

/** Errors after which the next files would fare no better: the run ends. */
const fatal: readonly ErrorCode[] = ['ERR_ABORTED', 'ERR_UNREACHABLE', 'ERR_STOPPED', 'ERR_CONFIG']

/** Errors that pass: a member that restarts, a burst of load. */
const passing: readonly ErrorCode[] = ['ERR_OVERLOADED', 'ERR_QUORUM', 'ERR_OUTCOME_UNKNOWN']

/** First and longest pause between two tries of a file, in ms; each pause is twice the one before. */
const firstPauseMs = 100
const longestPauseMs = 2_000

/** Whether an error ends the whole run and not only one file. */
export function isFatal(error: unknown): boolean {
  if (error instanceof AnnulusError) return fatal.includes(error.code)
  // Ctrl-C between two tries.
  return error instanceof Error && error.name === 'AbortError'
}

export interface TryOptions {
  readonly timeoutMs: number
  readonly signal: AbortSignal
  readonly firstPauseMs?: number
}

/** Tries until it works, fails for good, or the time is up; then throws the last error. */
export async function tryAgain<T>(
  attempt: (call: CallOptions) => Promise<T>,
  options: TryOptions
): Promise<T> {
  const end = performance.now() + options.timeoutMs
  let pauseMs = options.firstPauseMs ?? firstPauseMs
  for (;;) {
    try {
      const left = Math.max(1, Math.round(end - performance.now()))
      return await attempt({ deadline: Math.min(left, maxDeadlineMs), signal: options.signal })
    } catch (error) {
      const passes = error instanceof AnnulusError && passing.includes(error.code)
      if (!passes || performance.now() + pauseMs >= end) throw error
    }
    // Spread, so that 32 tries that failed together do not come back together.
    await sleep(pauseMs * (0.5 + Math.random()), undefined, { signal: options.signal })
    pauseMs = Math.min(pauseMs * 2, longestPauseMs)
  }
}

/**
 * Calls `work` for each item, at most `width` at a time, in order of their start. An error that `work` throws
 * lets those under way finish, and is thrown on; no further item is begun.
 */
export async function forEachOf<T>(
  items: Iterable<T> | AsyncIterable<T>,
  width: number,
  work: (item: T) => Promise<void>
): Promise<void> {
  const source = Symbol.asyncIterator in items ? items[Symbol.asyncIterator]() : items[Symbol.iterator]()
  let ended = false
  const worker = async (): Promise<void> => {
    try {
      while (!ended) {
        const next = await source.next()
        if (next.done === true) return
        await work(next.value)
      }
    } catch (error) {
      ended = true
      throw error
    }
  }
  const outcomes = await Promise.allSettled(Array.from({ length: width }, worker))
  const failed = outcomes.find(outcome => outcome.status === 'rejected')
  if (failed === undefined) return
  await source.return?.()
  throw failed.reason
}
