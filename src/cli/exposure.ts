/** Whether a peer that is about to start can be used by anyone who reaches it, or by no other member. Used by `start`. */
import type { PeerInit } from '../api.ts'

/** Addresses that only this machine reaches. */
const loopback = /^\/(ip4\/127\.|ip6\/::1\/|dns[46]?\/localhost\/)/

/** What to say of a peer that listens beyond this machine and keeps nobody out, or keeps out all members; else nothing. */
export function exposureWarning({
  listen = [],
  networkKey,
  allow,
  allowClients
}: Pick<PeerInit, 'listen' | 'networkKey' | 'allow' | 'allowClients'>): string | undefined {
  if (allowClients !== undefined && allow === undefined) {
    return 'warn: no other member can connect: there is --allow-clients without --allow, which names the members'
  }
  if (networkKey !== undefined || allow !== undefined) return undefined
  const open = listen.filter(address => !loopback.test(address))
  if (open.length === 0) return undefined
  return (
    `warn: whoever reaches ${open.join(', ')} may join, read and write: there is neither --network-key nor --allow; ` +
    'make a key with annulus key new'
  )
}
