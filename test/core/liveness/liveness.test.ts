/** What the failure detector says and takes in, message by message, and what it costs. */
import { describe, expect, test } from 'vitest'
import { toRumour, type Claim } from '../../../src/core/liveness/claim.ts'
import type { MemberId } from '../../../src/core/member.ts'
import type { Ack, Rumour } from '../../../src/wire/generated/messages.ts'
import { Cluster, memberNamed } from './harness.ts'

const down: Claim = { liveness: 'down', boot: 1, incarnation: 0 }
const suspect: Claim = { liveness: 'suspect', boot: 1, incarnation: 0 }

describe('rumours', () => {
  test('members are alive until something else is heard', () => {
    const { peers, members } = new Cluster({ seed: 1, peers: 3 })
    expect(members.map(member => peers[0]!.liveness.livenessOf(member))).toEqual(['alive', 'alive', 'alive'])
  })

  test('an accusation of the one who hears it is refuted in the answer', async () => {
    const cluster = new Cluster({ seed: 1, peers: 3 })
    const ack = await tell(cluster, 0, [toRumour(cluster.members[0]!, { ...down, incarnation: 4 })])
    expect(ack.rumours).toContainEqual(
      toRumour(cluster.members[0]!, { liveness: 'alive', boot: 1, incarnation: 5 })
    )
  })

  test('an outdated accusation is corrected in the answer', async () => {
    const cluster = new Cluster({ seed: 1, peers: 3 })
    const [accused, teller] = [cluster.members[2]!, cluster.members[1]!]
    await tell(cluster, 0, [toRumour(accused, down)])
    const ack = await tell(cluster, 0, [toRumour(accused, suspect, teller)])
    expect(ack.rumours).toContainEqual(toRumour(accused, down))
  })

  test('those of strangers, by strangers, and of a boot of its own that never was change nothing', async () => {
    const cluster = new Cluster({ seed: 1, peers: 3 })
    const before = cluster.peers[0]!.liveness.view()
    await tell(cluster, 0, [
      toRumour(memberNamed(9), down),
      toRumour(memberNamed(1, 2), down),
      toRumour(cluster.members[2]!, suspect, memberNamed(9)),
      toRumour(cluster.members[2]!, suspect, cluster.members[2]),
      toRumour(cluster.members[2]!, suspect),
      toRumour(cluster.members[0]!, { ...down, boot: 7 })
    ])
    const known = before.map(rumour =>
      rumour.member?.peerId === cluster.members[1]!.peerId ? 1 : rumour.boot
    )
    expect(cluster.peers[0]!.liveness.view().map(({ boot }) => boot)).toEqual(known)
    expect(cluster.changes).toEqual([])
  })

  test('a stranger that pings is answered and gets no entry', async () => {
    const cluster = new Cluster({ seed: 1, peers: 2 })
    const ack = await tell(cluster, 0, [], memberNamed(7))
    expect(ack.reached).toBe(true)
    expect(cluster.peers[0]!.liveness.view()).toHaveLength(2)
  })

  test('a ping meant for another life is not acked', async () => {
    const { peers, members } = new Cluster({ seed: 1, peers: 2 })
    const ping = { target: memberNamed(0, 2), rumours: [], addresses: [] }
    const { ack } = await peers[0]!.liveness.handlePing({ ...members[1]!, boot: 1 }, ping)
    expect(ack?.reached).toBe(false)
  })

  test('a view that another gives is taken over at once', () => {
    const { peers, members } = new Cluster({ seed: 1, peers: 3 })
    peers[0]!.liveness.hear([toRumour(members[2]!, down)])
    expect(peers[0]!.liveness.livenessOf(members[2]!)).toBe('down')
    peers[1]!.liveness.hear(peers[0]!.liveness.view())
    expect(peers[1]!.liveness.livenessOf(members[2]!)).toBe('down')
  })
})

describe('members', () => {
  test('a new life takes the place of the old one, of which nothing is kept', () => {
    const { peers, members } = new Cluster({ seed: 1, peers: 3 })
    const { liveness } = peers[0]!
    liveness.hear([toRumour(members[2]!, down)])
    liveness.setMembers([members[0]!, members[1]!, memberNamed(2, 2)])
    expect(liveness.livenessOf(memberNamed(2, 2))).toBe('alive')
    liveness.setMembers(members)
    expect(liveness.livenessOf(members[2]!)).toBe('alive')
  })

  test('an older life of the peer itself is down: nobody else can answer for it', () => {
    const { peers } = new Cluster({ seed: 1, peers: 2 })
    expect(peers[0]!.liveness.livenessOf(memberNamed(0, 9))).toBe('down')
  })
})

describe('probes out of turn', () => {
  test('a member that somebody missed is probed with the next tick', async () => {
    for (let seed = 0; seed < 10; seed++) {
      const cluster = new Cluster({ seed, peers: 10 })
      await cluster.time.run(10_000)
      const [asker, asked] = [cluster.members[0]!, cluster.members[5]!]
      const before = cluster.pings.length
      cluster.peers[0]!.liveness.probeSoon(asked)
      await cluster.time.run(1_000)
      const isIt = ({ from, to }: { from: string; to: string }): boolean =>
        from === asker.peerId && to === asked.peerId
      expect(cluster.pings.slice(before).some(isIt)).toBe(true)
    }
  })

  test('a member thought down that answers something is asked with the next tick, and refutes', async () => {
    const cluster = new Cluster({ seed: 4, peers: 10, config: { redialMinMs: 60_000, redialMaxMs: 60_000 } })
    await cluster.time.run(10_000)
    const [observer, accused] = [cluster.peers[0]!, cluster.members[3]!]
    observer.liveness.hear([toRumour(accused, down)])
    observer.liveness.heardFrom(accused)
    expect(observer.liveness.livenessOf(accused)).toBe('down')
    const before = cluster.pings.length
    await cluster.time.run(1_000)
    const asked = cluster.pings.slice(before).filter(({ from }) => from === observer.member.peerId)
    expect(asked.map(({ to }) => to)).toContain(accused.peerId)
    // The refutation takes some rounds of gossip to reach all ten; without it they would wait a minute.
    await cluster.time.until(() => cluster.allAlive(), 10_000)
  })
})

describe('addresses', () => {
  test('each peer learns those of all others by itself', async () => {
    const cluster = new Cluster({ seed: 1, peers: 10 })
    await cluster.time.run(10_000)
    for (const { transport } of cluster.peers) {
      expect(cluster.members.map(({ peerId }) => transport.addresses.multiaddrs(peerId).length)).toEqual(
        cluster.members.map(() => 1)
      )
    }
  })
})

describe('costs', () => {
  test('an idle peer sends a steady few hundred bytes a second, however many there are', async () => {
    for (const peers of [3, 20]) {
      const cluster = new Cluster({ seed: 1, peers })
      await cluster.time.run(60_000)
      const before = cluster.network.bytes
      await cluster.time.run(60_000)
      expect((cluster.network.bytes - before) / 60 / peers).toBeLessThan(500)
    }
  })

  test('a peer sends less than 20 KB a second while a third of all keep restarting', async () => {
    const cluster = new Cluster({ seed: 1, peers: 15 })
    await cluster.time.run(20_000)
    const before = cluster.network.bytes
    for (let second = 0; second < 60; second++) {
      cluster.restart(second % 5)
      await cluster.time.run(1_000)
    }
    expect((cluster.network.bytes - before) / 60 / 15).toBeLessThan(20_000)
  })

  test('stop leaves no timer, whatever was under way', async () => {
    const cluster = new Cluster({ seed: 1, peers: 5 })
    await cluster.time.run(5_000)
    cluster.crash(0)
    await cluster.time.until(() => cluster.agree('suspect', [0], [1, 2]), 5_000)
    cluster.stop()
    // Cancellations that are still on their way to the other side are the network's.
    await cluster.time.run(10)
    expect(cluster.time.pending).toBe(0)
  })

  test('a stopped peer says so to who pings it', async () => {
    const cluster = new Cluster({ seed: 1, peers: 2 })
    cluster.stop()
    await expect(tell(cluster, 0, [])).rejects.toMatchObject({ code: 'not-ready' })
  })
})

/** Pings a peer with rumours, by default from the second one. */
async function tell(cluster: Cluster, to: number, rumours: Rumour[], from?: MemberId): Promise<Ack> {
  const sender = { ...(from ?? cluster.members[1]!), boot: 1 }
  const response = await cluster.peers[to]!.liveness.handlePing(sender, { rumours, addresses: [] })
  return response.ack!
}
