/** Whether a peer that is about to start can be used by anyone who reaches it. Used by `start` for a warning. */
import type { PeerInit } from '../api.ts'

/** Addresses that only this machine reaches. */
const loopback = /^\/(ip4\/127\.|ip6\/::1\/|dns[46]?\/localhost\/)/

/** What to say of a peer that listens beyond this machine and keeps nobody out; nothing where that is not so. */
export function exposureWarning({
  listen = [],
  networkKey,
  allow
}: Pick<PeerInit, 'listen' | 'networkKey' | 'allow'>): string | undefined {
  if (networkKey !== undefined || allow !== undefined) return undefined
  const open = listen.filter(address => !loopback.test(address))
  if (open.length === 0) return undefined
  return (
    `warn: whoever reaches ${open.join(', ')} may join, read and write: there is neither --network-key nor --allow; ` +
    'make a key with annulus key new'
  )
}
