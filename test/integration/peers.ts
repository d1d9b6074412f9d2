/** Whole peers over real libp2p on loopback, for the tests of the library. What a test starts ends with it. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { createClient, createPeer, AnnulusError } from '../../src/index.ts'
import type { Client, ClientInit, ErrorCode, Events, Peer, PeerInit } from '../../src/index.ts'
import type { PeerInternals } from '../../src/create-peer.ts'

/** Few virtual nodes keep the making of rings quick. */
export const vnodes = 16

/** Starts a peer that stops when the test ends; it need not be ready. */
export async function startPeer(init: PeerInit = {}, internals: PeerInternals = {}): Promise<Peer> {
  const peer = await createPeer({ vnodes, ...init }, internals)
  onTestFinished(() => peer.stop())
  return peer
}

export async function startClient(init: ClientInit): Promise<Client> {
  const client = await createClient(init)
  onTestFinished(() => client.close())
  return client
}

export interface Cluster {
  readonly peers: readonly Peer[]
  /** Multiaddrs of all of them. */
  readonly addresses: readonly string[]
  stop(): Promise<void>
}

/** Peers that found a cluster and join it, all of them ready. `init` may differ from peer to peer. */
export async function makeCluster(
  count: number,
  init: (index: number) => PeerInit & PeerInternals = () => ({})
): Promise<Cluster> {
  const peers: Peer[] = []
  for (let index = 0; index < count; index++) {
    const { clockSkewMs = 0, ...given } = init(index)
    const join = index === 0 ? {} : { join: [addressOf(peers[0]!)] }
    peers.push(await createPeer({ vnodes, ...join, ...given }, { clockSkewMs }))
    if (index === 0) await peers[0]!.ready()
  }
  await Promise.all(peers.map(peer => peer.ready()))
  return {
    peers,
    addresses: peers.map(addressOf),
    stop: async () => {
      await Promise.all(peers.map(peer => peer.stop()))
    }
  }
}

/** A cluster that stops when the test ends. */
export async function startCluster(...args: Parameters<typeof makeCluster>): Promise<Cluster> {
  const cluster = await makeCluster(...args)
  onTestFinished(() => cluster.stop())
  return cluster
}

export function addressOf(peer: Peer): string {
  return peer.multiaddrs[0]!
}

/** An empty folder that goes with the test. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'annulus-library-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  return folder
}

/** The error that a call fails with, which must be of the library's kind and have this code. */
export async function errorOf(code: ErrorCode, call: () => Promise<unknown>): Promise<AnnulusError> {
  try {
    await call()
  } catch (error) {
    if (error instanceof AnnulusError && error.code === code) return error
    throw new Error(`failed with another error than ${code}: ${String(error)}`, { cause: error })
  }
  throw new Error(`did not fail with ${code}`)
}

/** Resolves at the first such event from now on. */
export function next<K extends keyof Events>(peer: Peer, event: K): Promise<Events[K]> {
  return new Promise(resolve => {
    const stopListening = peer.on(event, detail => {
      stopListening()
      resolve(detail)
    })
  })
}

/** Resolves when `condition` holds; fails after `timeoutMs`. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  what: string,
  timeoutMs = 15_000
): Promise<void> {
  const dueAt = performance.now() + timeoutMs
  while (!(await condition())) {
    if (performance.now() > dueAt) throw new Error(`still waiting until ${what}`)
    await new Promise(resolve => setTimeout(resolve, 20))
  }
}

export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
export const text = (value: Uint8Array | undefined): string | undefined =>
  value === undefined ? undefined : new TextDecoder().decode(value)
