/** Naming a member, and waiting until one is gone; what `leave` and `remove` share. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { ChangeOptions, KeyValueStore, MemberInfo } from '../api.ts'
import { AnnulusError } from '../core/errors.ts'
import { maxDeadlineMs } from '../core/limits.ts'
import type { TimeoutFlag } from './client.ts'
import { CommandError, usageError } from './errors.ts'
import { MovementTally, startMovementProgress } from './movement-progress.ts'
import { formatDuration } from './units.ts'

/** How much of a peer id is enough to name a member: shorter would hit another one by a slip. */
const leastCharacters = 6

/** How long a leave or a removal may take: all that the member held is copied meanwhile. */
export const departureTimeout: TimeoutFlag = {
  about: 'how long to wait; what was asked for goes on afterwards',
  defaultMs: 10 * 60_000,
  mostMs: 24 * 60 * 60_000
}

/** Pause before asking again, in ms. */
const pauseMs = 500

/** Between two looks at how it goes, in ms, and how long one may take. */
const lookEveryMs = 1_000
const lookTimeoutMs = 5_000

/**
 * The member that is meant by a whole peer id, or by its beginning or end. Peer ids of one kind all begin alike,
 * so the end is the handy part. Throws usage errors where none or several match.
 */
export function findMember(named: string, members: readonly MemberInfo[]): string {
  const ids = [...new Set(members.map(({ peerId }) => peerId))]
  if (ids.includes(named)) return named
  if (named.length < leastCharacters) {
    throw usageError(
      `${JSON.stringify(named)} is too short to name a member`,
      `give at least ${leastCharacters} characters of its peer id`
    )
  }
  const matches = ids.filter(id => id.startsWith(named) || id.endsWith(named))
  if (matches.length === 1) return matches[0]!
  if (matches.length === 0) throw usageError(`no member is called ${named}`, 'annulus status lists them')
  throw usageError(`${named} may be ${matches.join(' or ')}`, 'give more of the peer id')
}

/**
 * Asks for a departure until it is done. One call may take no longer than `maxDeadlineMs` while a departure may
 * take minutes; asking anew for one that is under way only waits for it, so it is safe to do.
 */
export async function untilGone(
  ask: (options: ChangeOptions) => Promise<void>,
  options: { readonly timeoutMs: number; readonly signal: AbortSignal; readonly pauseMs?: number }
): Promise<void> {
  const end = performance.now() + options.timeoutMs
  for (;;) {
    const left = Math.max(1, Math.round(end - performance.now()))
    try {
      await ask({ deadline: Math.min(left, maxDeadlineMs), signal: options.signal })
      return
    } catch (error) {
      if (!isWorthAskingAgain(error) || performance.now() >= end) throw error
    }
    await sleep(Math.min(options.pauseMs ?? pauseMs, left), undefined, { signal: options.signal })
  }
}

/** Has a departure done, and shows how the records move meanwhile. */
export async function showDeparture(
  store: Pick<KeyValueStore, 'status'>,
  ask: (options: ChangeOptions) => Promise<void>,
  options: { readonly timeoutMs: number; readonly signal: AbortSignal }
): Promise<void> {
  const done = new AbortController()
  let waitsFor = ''
  const watching = watchMovement(store, () => waitsFor, done.signal)
  try {
    const onWaiting = (reason: string): void => void (waitsFor = reason)
    await untilGone(call => ask({ ...call, onWaiting }), options)
  } catch (error) {
    throw isStillOpen(error) ? notYet(error, waitsFor, options.timeoutMs) : error
  } finally {
    done.abort()
    await watching
  }
}

function isStillOpen(error: unknown): error is AnnulusError {
  return error instanceof AnnulusError && error.code === 'ERR_OUTCOME_UNKNOWN'
}

function notYet(cause: AnnulusError, waitsFor: string, timeoutMs: number): CommandError {
  const why = waitsFor === '' ? '' : `, and waits for ${waitsFor}`
  const message = `not done within ${formatDuration(timeoutMs)}; it goes on${why}`
  const advice = 'see annulus status; a member that will not come back can be removed: annulus remove PEER'
  return new CommandError(cause.exitCode, message, advice, { cause })
}

/** Until the signal aborts. That nothing can be seen is no reason to say so: whoever waits is told how it ends. */
async function watchMovement(
  store: Pick<KeyValueStore, 'status'>,
  waitsFor: () => string,
  signal: AbortSignal
): Promise<void> {
  const progress = await startMovementProgress('handing over')
  const tally = new MovementTally()
  try {
    while (!signal.aborted) {
      await sleep(lookEveryMs, undefined, { signal })
      const { transfers } = await store.status({ deadline: lookTimeoutMs, signal }).catch(() => unseen)
      const takes = transfers.filter(({ kind }) => kind === 'take')
      const other = waitsFor()
        .split('; ')
        .filter(reason => !takes.some(({ peerId }) => reason.includes(peerId)))
      progress.show(
        tally.add(
          takes,
          other.filter(reason => reason !== '')
        )
      )
    }
  } catch (error) {
    if (!signal.aborted) throw error
  } finally {
    progress.end()
  }
}

const unseen = { transfers: [] }

function isWorthAskingAgain(error: unknown): boolean {
  return error instanceof AnnulusError && ['ERR_OUTCOME_UNKNOWN', 'ERR_OVERLOADED'].includes(error.code)
}
