/**
 * The rumours that wait to be told, the newest of each member. Suspicions of one incarnation by different accusers
 * stand side by side: each of them shortens the suspicion elsewhere.
 */
import { Rumour } from '../../wire/generated/messages.ts'
import { maxMembers } from '../limits.ts'
import { memberKey, sameMember, type MemberId } from '../member.ts'
import { compareClaims, toRumour, type Claim } from './claim.ts'
import { maxRumourBytes } from './defaults.ts'
import { PiggybackQueue } from './piggyback.ts'

interface Queued {
  readonly key: string
  readonly claim: Claim
  readonly from: MemberId | undefined
  readonly rumour: Rumour
}

/** Bytes that a repeated field adds to a message: its tag and its length. */
const fieldBytes = 3

export class RumourQueue {
  readonly #queue = new PiggybackQueue<Queued>({ limit: maxMembers })

  get size(): number {
    return this.#queue.size
  }

  /** Queues a rumour in place of all that it makes obsolete. */
  add(member: MemberId, claim: Claim, from?: MemberId): void {
    const key = memberKey(member)
    this.#queue.drop(old => old.key === key && isObsolete(old, claim, from))
    const rumour = toRumour(member, claim, from)
    this.#queue.add({ key, claim, from, rumour }, Rumour.encode(rumour).byteLength + fieldBytes)
  }

  /** Forgets what was to be told of a member. */
  forget(member: MemberId): void {
    const key = memberKey(member)
    this.#queue.drop(old => old.key === key)
  }

  /** Rumours for one message; each is taken `times` times in all. */
  take(times: number): Rumour[] {
    return this.#queue.take(maxRumourBytes, times).map(({ rumour }) => rumour)
  }

  /** Rumours for a message that may not arrive: it does not count. */
  peek(): Rumour[] {
    return this.#queue.peek(maxRumourBytes).map(({ rumour }) => rumour)
  }
}

function isObsolete(old: Queued, claim: Claim, from: MemberId | undefined): boolean {
  if (compareClaims(claim, old.claim) !== 0) return compareClaims(claim, old.claim) > 0
  if (old.from === undefined || from === undefined) return true
  return claim.liveness !== 'suspect' || sameMember(old.from, from)
}
