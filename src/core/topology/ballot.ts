/**
 * Ballots order the attempts to decide one epoch. A ballot names its proposer in one run of one life, so no
 * two proposers ever use the same one. Used by acceptors and proposers.
 */
import type { Ballot as WireBallot } from '../../wire/generated/messages.ts'
import type { MemberId } from '../member.ts'
import { ensure, ensureMemberId, ensureWhole } from './shapes.ts'

export interface Ballot extends MemberId {
  /** From 1; grows with each attempt. */
  readonly round: number
  /** The proposer's boot counter: a restart never meets ballots of its own from before. */
  readonly boot: number
}

/** Rounds stay far below the integers that a number holds exactly; nobody can run them up to the end. */
export const maxRound = 2 ** 40

/** Who proposes: a member or one to be, in one run. */
export interface ProposerId extends MemberId {
  readonly boot: number
}

/** Negative where `a` is the lower ballot. Absent is lower than any. */
export function compareBallots(a: Ballot | undefined, b: Ballot | undefined): number {
  if (a === undefined || b === undefined) return (a === undefined ? 0 : 1) - (b === undefined ? 0 : 1)
  if (a.round !== b.round) return a.round - b.round
  if (a.peerId !== b.peerId) return a.peerId < b.peerId ? -1 : 1
  if (a.life !== b.life) return a.life < b.life ? -1 : 1
  return a.boot - b.boot
}

/** The lowest ballot of this proposer above a round. */
export function nextBallot(round: number, proposer: ProposerId): Ballot {
  return { round: round + 1, peerId: proposer.peerId, life: proposer.life, boot: proposer.boot }
}

/** Throws MalformedError. */
export function ballotFromWire(wire: WireBallot | undefined): Ballot {
  ensure(wire !== undefined, 'a ballot is missing')
  return {
    ...ensureMemberId(wire),
    round: ensureWhole(wire.round, 1, maxRound, 'the round of a ballot'),
    boot: ensureWhole(wire.boot, 0, Number.MAX_SAFE_INTEGER, 'the boot of a ballot')
  }
}
