/** Naming a member, and waiting until one is gone; what `leave` and `remove` share. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { CallOptions, MemberInfo } from '../api.ts'
import { AnnulusError } from '../core/errors.ts'
import { maxDeadlineMs } from '../core/limits.ts'
import type { TimeoutFlag } from './client.ts'
import { usageError } from './errors.ts'

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
  ask: (options: CallOptions) => Promise<void>,
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

function isWorthAskingAgain(error: unknown): boolean {
  return error instanceof AnnulusError && ['ERR_OUTCOME_UNKNOWN', 'ERR_OVERLOADED'].includes(error.code)
}
