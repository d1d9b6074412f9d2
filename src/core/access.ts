/**
 * Who may connect, and as what. The peer id that the handshake proved decides, never what a greeting claims. The
 * lists may change while a peer runs, so it is asked anew at each connection, greeting and request. Used by the peer, the
 * dispatcher and the libp2p node.
 *
 *     lists given        on the members' list    on the clients' list    on neither
 *     none               member                  member                  member (whoever connects)
 *     one of them, both  member                  client or read-only     shut out
 *
 * Who is on both lists is a member; a member may come as a client too.
 */
import type { AllowLists } from '../api.ts'
import type { Greeting, Refusal } from './ports.ts'

/** The most that one may be. */
export type AccessRole = 'member' | 'client' | 'read-only'

/** What each peer id may be; undefined where there are no lists. */
export type AccessRoles = ReadonlyMap<string, AccessRole>

export interface AccessComponents {
  /** Checks lists and makes roles of them. Throws ERR_INVALID. */
  readonly read: (lists: AllowLists) => AccessRoles | undefined
  /** Told of each one that was kept out, and why. */
  readonly onTurnedAway?: (peerId: string, why: string) => void
}

/** Why one that is on no list is shut out, with what lets it in. */
export const unlistedReason =
  'it is on no allow list of this peer: --allow names the members, --allow-clients the clients'

const clientOnlyReason =
  'it may connect as a client alone: it is on the list of clients, not on that of members'

export class Access {
  readonly #components: AccessComponents
  readonly #listeners = new Set<() => void>()
  #roles: AccessRoles | undefined

  /** Throws ERR_INVALID where the lists are wrong. */
  constructor(components: AccessComponents, lists: AllowLists) {
    this.#components = components
    this.#roles = components.read(lists)
  }

  /** Puts these lists in the place of those in force. Throws ERR_INVALID, and then changes nothing. */
  set(lists: AllowLists): void {
    this.#roles = this.#components.read(lists)
    for (const listener of [...this.#listeners]) listener()
  }

  /** Calls `listener` whenever the lists have changed; the function returned ends that. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  /** Undefined for one that gets nothing at all. */
  roleOf(peerId: string): AccessRole | undefined {
    return this.#roles === undefined ? 'member' : this.#roles.get(peerId)
  }

  isMember(peerId: string): boolean {
    return this.roleOf(peerId) === 'member'
  }

  /** Why this remote may not be what it says that it is; undefined where it may. */
  refusalOf({ peerId, role }: { readonly peerId: string } & Pick<Greeting, 'role'>): Refusal | undefined {
    const most = this.roleOf(peerId)
    if (most === undefined) return { code: 'role', reason: unlistedReason }
    if (role === 'peer' && most !== 'member') return { code: 'role', reason: clientOnlyReason }
    return undefined
  }

  /** Whether it may change what is stored, or who is a member. */
  mayChange(peerId: string): boolean {
    const role = this.roleOf(peerId)
    return role === 'member' || role === 'client'
  }

  /** Tells of one that is kept out. */
  turnAway(peerId: string, why: string): void {
    this.#components.onTurnedAway?.(peerId, why)
  }
}

/** Lets in whoever comes, as what it says. */
export function openAccess(): Access {
  return new Access({ read: () => undefined }, {})
}
