/** Checks of what users pass to `createPeer`, `annulus` and `createClient`. Throws ERR_INVALID. */
import { multiaddr } from '@multiformats/multiaddr'
import { readRoles } from './access-lists.ts'
import type { ClientInit, PeerInit } from './api.ts'
import type { PeerCoreInit } from './core/peer.ts'
import { AnnulusError } from './core/errors.ts'
import { minDiskBytes } from './core/quota.ts'
import { maxReplicas, maxVnodes, minTransferBytesPerSecond } from './core/limits.ts'
import { maxNetworkLength } from './core/topology/shapes.ts'
import { programVersion } from './version.ts'

export function checkPeerInit(init: PeerInit): void {
  checkNetwork(init.network)
  checkWhole('replicas', init.replicas, 1, maxReplicas)
  checkWhole('vnodes', init.vnodes, 1, maxVnodes)
  checkWhole('removeAfter', init.removeAfter, 0, Number.MAX_SAFE_INTEGER)
  checkWhole('transferRate', init.transferRate, minTransferBytesPerSecond, Number.MAX_SAFE_INTEGER)
  checkWhole('scrubRate', init.scrubRate, 0, Number.MAX_SAFE_INTEGER)
  checkWhole('maxDiskBytes', init.maxDiskBytes, minDiskBytes, Number.MAX_SAFE_INTEGER)
  for (const name of ['listen', 'announce', 'join'] as const) checkAddresses(name, init[name] ?? [])
  readRoles(init)
}

/** What the core is told of the settings: those that were given. */
export function peerCoreInit(init: PeerInit): PeerCoreInit {
  const { network, replicas, vnodes, join, removeAfter, transferRate, scrubRate, maxDiskBytes } = init
  return {
    version: programVersion(),
    ...(network === undefined ? {} : { network }),
    ...(replicas === undefined ? {} : { replicas }),
    ...(vnodes === undefined ? {} : { vnodes }),
    ...(join === undefined ? {} : { join }),
    ...(removeAfter === undefined ? {} : { removeAfterMs: removeAfter }),
    ...(transferRate === undefined ? {} : { transferBytesPerSecond: transferRate }),
    ...(scrubRate === undefined ? {} : { scrubBytesPerSecond: scrubRate }),
    ...(maxDiskBytes === undefined ? {} : { maxDiskBytes })
  }
}

export function checkClientInit(init: ClientInit): void {
  checkNetwork(init.network)
  checkAddresses('peers', init.peers)
  if (init.peers.length === 0)
    throw invalid('"peers" is empty; a client needs at least one address of a peer')
  const mode: string = init.mode ?? 'direct'
  if (mode !== 'direct' && mode !== 'forward')
    throw invalid(`"mode" is "${mode}"; it takes direct or forward`)
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
  checkList(name, addresses)
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

/** For those who write JavaScript: a text is a list too, of its characters. */
function checkList(name: string, list: unknown): void {
  if (!Array.isArray(list)) throw invalid(`"${name}" is no list of texts`)
}

function invalid(message: string, cause?: unknown): AnnulusError {
  return new AnnulusError('ERR_INVALID', message, { cause })
}
