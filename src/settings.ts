/** Checks of what users pass to `createPeer`, `annulus` and `createClient`. Throws ERR_INVALID. */
import { multiaddr } from '@multiformats/multiaddr'
import type { ClientInit, PeerInit } from './api.ts'
import type { PeerCoreInit } from './core/peer.ts'
import { AnnulusError } from './core/errors.ts'
import { maxReplicas, maxVnodes } from './core/limits.ts'
import { maxNetworkLength } from './core/topology/shapes.ts'
import { programVersion } from './version.ts'

export function checkPeerInit(init: PeerInit): void {
  checkNetwork(init.network)
  checkWhole('replicas', init.replicas, 1, maxReplicas)
  checkWhole('vnodes', init.vnodes, 1, maxVnodes)
  checkWhole('removeAfter', init.removeAfter, 0, Number.MAX_SAFE_INTEGER)
  for (const name of ['listen', 'announce', 'join'] as const) checkAddresses(name, init[name] ?? [])
}

/** What the core is told of the settings: those that were given. */
export function peerCoreInit(init: PeerInit): PeerCoreInit {
  const { network, replicas, vnodes, join, removeAfter } = init
  return {
    version: programVersion(),
    ...(network === undefined ? {} : { network }),
    ...(replicas === undefined ? {} : { replicas }),
    ...(vnodes === undefined ? {} : { vnodes }),
    ...(join === undefined ? {} : { join }),
    ...(removeAfter === undefined ? {} : { removeAfterMs: removeAfter })
  }
}

export function checkClientInit(init: ClientInit): void {
  checkNetwork(init.network)
  if (init.peers.length === 0)
    throw invalid('"peers" is empty; a client needs at least one address of a peer')
  checkAddresses('peers', init.peers)
}

function checkNetwork(network: string | undefined): void {
  if (network === undefined) return
  if (network.length === 0 || network.length > maxNetworkLength) {
    throw invalid(`"network" has ${network.length} characters; it takes 1 to ${maxNetworkLength}`)
  }
}

function checkWhole(name: string, value: number | undefined, least: number, most: number): void {
  if (value === undefined) return
  if (!Number.isSafeInteger(value) || value < least || value > most) {
    throw invalid(`"${name}" is ${value}; it takes a whole number from ${least} to ${most}`)
  }
}

function checkAddresses(name: string, addresses: readonly string[]): void {
  for (const address of addresses) {
    try {
      multiaddr(address)
    } catch (error) {
      throw invalid(
        `"${name}" has "${address}", which is no multiaddr such as /ip4/127.0.0.1/tcp/4001`,
        error
      )
    }
  }
}

function invalid(message: string, cause?: unknown): AnnulusError {
  return new AnnulusError('ERR_INVALID', message, { cause })
}
