/**
 * Annulus as a library: `createPeer` runs a peer with a libp2p node of its own, `annulus` is the peer as a
 * service of a libp2p node one already has, `createClient` talks to a cluster without being part of it.
 */
export type * from './api.ts'
export { AnnulusError, errorTable, type AnnulusErrorInit, type ErrorCode } from './core/errors.ts'
export {
  maxKeyBytes,
  maxMembers,
  maxReplicas,
  maxValueBytes,
  maxVnodes,
  minTransferBytesPerSecond
} from './core/limits.ts'
export { createClient } from './create-client.ts'
export { createPeer } from './create-peer.ts'
export { annulus, type AnnulusService, type ServiceInit } from './service.ts'
