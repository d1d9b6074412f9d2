/**
 * What is claimed of a member's liveness, and which of two claims counts. An incarnation is (boot, refutations in
 * this boot): only the member itself raises it, so a claim at a higher one is surely newer, and a restart beats
 * all that was said of the boots before (SWIM, section 4.2).
 */
import type { MemberLiveness } from '../../api.ts'
import { Liveness as WireLiveness, type Rumour } from '../../wire/generated/messages.ts'
import type { MemberId } from '../member.ts'

export interface Claim {
  readonly liveness: MemberLiveness
  /** The incarnation's high part: the member's boot counter; 0 while it was not heard of. */
  readonly boot: number
  /** The incarnation's low part: how often the member refuted in this boot. */
  readonly incarnation: number
}

/** What is thought of a member that nobody spoke of yet. */
export const unheard: Claim = { liveness: 'alive', boot: 0, incarnation: 0 }

/** Highest incarnation of a rumour that is believed: below the wire's limit, so that it can be refuted. */
export const maxIncarnation = 2 ** 32 - 2

const weights = { alive: 0, suspect: 1, down: 2 } as const

/** Positive where `a` beats `b`: by boot, then incarnation; at equal ones down beats suspect beats alive. */
export function compareClaims(a: Claim, b: Claim): number {
  return a.boot - b.boot || a.incarnation - b.incarnation || weights[a.liveness] - weights[b.liveness]
}

export function toRumour(member: MemberId, claim: Claim, from?: MemberId): Rumour {
  const { peerId, life } = member
  return {
    member: { peerId, life },
    liveness: wireLiveness[claim.liveness],
    boot: claim.boot,
    incarnation: claim.incarnation,
    ...(from === undefined ? {} : { from: { peerId: from.peerId, life: from.life } })
  }
}

/** The claim that a rumour makes; undefined where it makes none that could be true. */
export function claimOf(rumour: Rumour): Claim | undefined {
  const { boot, incarnation } = rumour
  const liveness = coreLiveness(rumour.liveness)
  if (liveness === undefined || !Number.isSafeInteger(boot) || boot < 0) return undefined
  if (!Number.isSafeInteger(incarnation) || incarnation < 0 || incarnation > maxIncarnation) return undefined
  return { liveness, boot, incarnation }
}

const wireLiveness: Record<MemberLiveness, WireLiveness> = {
  alive: WireLiveness.LIVENESS_ALIVE,
  suspect: WireLiveness.LIVENESS_SUSPECT,
  down: WireLiveness.LIVENESS_DOWN
}

function coreLiveness(liveness: WireLiveness): MemberLiveness | undefined {
  switch (liveness) {
    case WireLiveness.LIVENESS_ALIVE:
      return 'alive'
    case WireLiveness.LIVENESS_SUSPECT:
      return 'suspect'
    case WireLiveness.LIVENESS_DOWN:
      return 'down'
    default:
      return undefined
  }
}
