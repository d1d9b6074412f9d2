/** Keeps the connections of a node to those that its allow lists let in, also when these change. Used by the node. */
import type { Connection, ConnectionGater, PeerId } from '@libp2p/interface'
import { type Access, unlistedReason } from '../core/access.ts'

/** What decides whether a connection may be; without lists, who has the network's key may. */
export function gaterOf(access: Access | undefined): ConnectionGater {
  // libp2p's own gater refuses private addresses in some builds; these are where clusters live.
  const denyDialMultiaddr = (): boolean => false
  if (access === undefined) return { denyDialMultiaddr }
  // Only members listen; whoever else does may say that it is one.
  const isNoMember = (peerId: PeerId): boolean => !access.isMember(peerId.toString())
  return {
    denyDialMultiaddr,
    denyDialPeer: isNoMember,
    denyOutboundEncryptedConnection: isNoMember,
    // After the handshake of Noise, which proves the peer id, and before anything else is listened to.
    denyInboundEncryptedConnection: peerId => {
      const name = peerId.toString()
      if (access.roleOf(name) !== undefined) return false
      access.turnAway(name, unlistedReason)
      return true
    }
  }
}

/** Closes what connections there are to those who are on no list. */
export function closeUnlisted(connections: readonly Connection[], access: Access): void {
  for (const connection of connections) {
    if (access.roleOf(connection.remotePeer.toString()) !== undefined) continue
    connection.abort(new Error('the allow lists do not let it in any more'))
  }
}
