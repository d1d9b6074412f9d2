/**
 * The petitions that an acceptor has heard of late. They are only in memory: who wants something repeats it
 * until the topology shows it. Used by the steward.
 */
import { maxMembers } from '../limits.ts'
import { memberKey } from '../member.ts'
import type { Clock } from '../ports.ts'
import type { Wish } from './refusals.ts'

/** A petition that is not repeated for so many ms is no longer wished for: ten repetitions got lost. */
const petitionLifetimeMs = 10_000

/** A joiner counts as there to join while its petition is no older, in ms: three repetitions got lost. */
const joinerPresenceMs = 3_000

/** Petitions held at most: each member wants one thing of itself, and an operator one of each. */
const maxPetitions = 2 * maxMembers

export class PetitionBook {
  readonly #clock: Clock
  readonly #heard = new Map<string, { readonly wish: Wish; readonly heardAtMs: number }>()

  constructor({ clock }: { clock: Clock }) {
    this.#clock = clock
  }

  /** False where there is no room for another one. */
  note(wish: Wish): boolean {
    const key = keyOf(wish)
    this.#expire()
    if (!this.#heard.has(key) && this.#heard.size >= maxPetitions) return false
    this.#heard.delete(key)
    this.#heard.set(key, { wish, heardAtMs: this.#clock.monotonic() })
    return true
  }

  /** Drops what a test says is done with. */
  forget(isDone: (wish: Wish) => boolean): void {
    for (const [key, { wish }] of this.#heard) if (isDone(wish)) this.#heard.delete(key)
  }

  clear(): void {
    this.#heard.clear()
  }

  /** What is wished for now, in an order that is the same for the same wishes. */
  wishes(): Wish[] {
    this.#expire()
    const present = this.#clock.monotonic() - joinerPresenceMs
    return [...this.#heard]
      .filter(([, { wish, heardAtMs }]) => wish.kind !== 'join' || heardAtMs >= present)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([, { wish }]) => wish)
  }

  #expire(): void {
    const oldest = this.#clock.monotonic() - petitionLifetimeMs
    for (const [key, { heardAtMs }] of this.#heard) if (heardAtMs < oldest) this.#heard.delete(key)
  }
}

/** A peer joins with one life: the one it asked for last. */
function keyOf(wish: Wish): string {
  return wish.kind === 'join' ? `join/${wish.member.peerId}` : `${wish.kind}/${memberKey(wish.member)}`
}
