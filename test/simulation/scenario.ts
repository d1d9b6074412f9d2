/** What scenarios of whole clusters have in common: records put in, waiting for a standing, and how all must end. */
import { expect } from 'vitest'
import type { SimulatedCluster, SimulatedPeer } from './cluster.ts'
import { checkCopies, disagreement, readDisks } from './run/guarantees/cluster.ts'

/** Keys and what they hold. */
export type Records = ReadonlyMap<string, string>

const limitMs = 180_000

export function valueOf(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}

/** Puts records through all peers that run, in turn; each is on all its replicas then. */
export async function fill(cluster: SimulatedCluster, count: number, prefix = 'key'): Promise<Records> {
  const { running } = cluster
  const records = new Map<string, string>()
  for (let i = 0; i < count; i++) {
    const [key, value] = [`${prefix} ${i}`, `value of ${prefix} ${i}`]
    await cluster.time.settle(running[i % running.length]!.core.put(key, valueOf(value)))
    records.set(key, value)
  }
  // The last ones' replicas beyond the quorum.
  await cluster.time.run(1_000)
  return records
}

/** What a peer reads, or the code of the error that it answers with. */
export async function read(cluster: SimulatedCluster, peer: SimulatedPeer, key: string, deadline = 2_000) {
  const got = peer.core.get(key, { deadline }).then(
    found => (found === undefined ? undefined : new TextDecoder().decode(found.value)),
    (error: unknown) => (error as { code?: string }).code
  )
  return cluster.time.settle(got)
}

/**
 * Waits until all that run agree on who is there, all up and alive, and each record lies on exactly its replicas and
 * nowhere else; then all peers read what was put.
 */
export async function expectSettled(cluster: SimulatedCluster, records: Records): Promise<void> {
  let amiss: unknown
  for (const endMs = cluster.time.nowMs + limitMs; ;) {
    amiss = disagreement(cluster) ?? checkCopies(await readDisks(cluster))[0]
    if (amiss === undefined || cluster.time.nowMs > endMs) break
    await cluster.time.run(1_000)
  }
  expect(amiss).toBeUndefined()
  for (const [i, [key, value]] of [...records].entries()) {
    const reader = cluster.running[i % cluster.running.length]!
    expect(await read(cluster, reader, key), `${key} through peer ${reader.index}`).toBe(value)
  }
}

export function standingOf(seenBy: SimulatedPeer, of: SimulatedPeer): string | undefined {
  return seenBy.core.topologyNow?.currentLifeOf(of.peerId)?.standing
}

/** Waits until a peer holds these to be down. */
export async function untilDown(
  cluster: SimulatedCluster,
  by: SimulatedPeer,
  dead: readonly SimulatedPeer[]
): Promise<void> {
  const ids = dead.map(({ peerId }) => peerId)
  const areDown = (): boolean =>
    by.core.membersNow().every(({ peerId, liveness }) => !ids.includes(peerId) || liveness === 'down')
  await cluster.time.until(areDown, 60_000, 'they are down')
}
