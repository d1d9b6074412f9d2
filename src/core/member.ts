/**
 * A member of the ring: a peer in one of its lives. Whoever replicates, takes or accepts is always a member,
 * never only a peer id, so that a peer that lost its disk cannot vote as the peer it was.
 */
export interface MemberId {
  /** The libp2p peer id, in base58btc as libp2p prints it. */
  readonly peerId: string
  /** 16 hex digits, drawn at random when the peer joined. */
  readonly life: string
}

/** What a ring needs to know of a member to place it. */
export interface RingMember extends MemberId {
  /** How many tokens it has on the ring; fixed for a life. */
  readonly vnodes: number
}

/** A text that is equal for equal members, for maps and sets. */
export function memberKey(member: MemberId): string {
  return `${member.peerId}/${member.life}`
}

const lastingKeys = new WeakMap<MemberId, string>()

/**
 * The same for a member that lasts, as those of a topology do: made once and kept with it, which saves the tables
 * of a thousand peers in one process a million texts.
 */
export function lastingKey(member: MemberId): string {
  const known = lastingKeys.get(member)
  if (known !== undefined) return known
  const key = memberKey(member)
  lastingKeys.set(member, key)
  return key
}

export function sameMember(a: MemberId, b: MemberId): boolean {
  return a.peerId === b.peerId && a.life === b.life
}
