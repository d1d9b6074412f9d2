/** How soon a failure is known: SWIM's analysis, and what this project asks for. */
import { describe, expect, test } from 'vitest'
import { Cluster } from './harness.ts'

const settleMs = 12_000

describe('first detection (SWIM, section 3.1)', () => {
  // With n - 1 peers probing one of n - 1 others at random, some peer probes the failed one in a period with
  // probability 1 - (1 - 1 / (n - 1))^(n - 1), which falls to 1 - 1/e: 1 / p periods on average.
  test.each([
    { peers: 5, random: 1.46, roundRobin: 1.4 },
    { peers: 10, random: 1.53, roundRobin: 1.45 }
  ])(
    'takes $random probe periods at random among $peers peers, less in rounds',
    async ({ peers, random, roundRobin }) => {
      const periods = await periodsToFirstProbe(peers)
      expect(periods).toBeLessThan(random + 0.05)
      expect(Math.abs(periods - roundRobin)).toBeLessThan(0.1)
    }
  )
})

describe('detection', () => {
  test.each([
    { peers: 3, seeds: 20 },
    { peers: 5, seeds: 40 },
    { peers: 10, seeds: 12 }
  ])('a frozen peer is down at all others within 10 s, of $peers', async ({ peers, seeds }) => {
    for (let seed = 0; seed < seeds; seed++) {
      const cluster = await settled(seed, peers)
      cluster.peers[0]!.freeze()
      await cluster.time.until(() => cluster.agree('down', [0], cluster.others(0)), 10_000, `seed ${seed}`)
      expect(cluster.changes.filter(({ member }) => member !== cluster.members[0]!.peerId)).toEqual([])
    }
  })

  test.each([
    { peers: 3, seeds: 20 },
    { peers: 5, seeds: 40 },
    { peers: 10, seeds: 12 }
  ])('a killed peer is down at all others within 8 s, of $peers', async ({ peers, seeds }) => {
    for (let seed = 0; seed < seeds; seed++) {
      const cluster = await settled(seed, peers)
      cluster.crash(0)
      await cluster.time.until(() => cluster.agree('down', [0], cluster.others(0)), 8_000, `seed ${seed}`)
    }
  })

  test('two of five that freeze at once are down at the others within 12 s', async () => {
    for (let seed = 0; seed < 15; seed++) {
      const cluster = await settled(seed, 5)
      cluster.peers[0]!.freeze()
      cluster.peers[1]!.freeze()
      await cluster.time.until(() => cluster.agree('down', [0, 1], [2, 3, 4]), 12_000, `seed ${seed}`)
    }
  })

  test('the last other peer is down after the shortest suspicion: there is nobody to confirm it', async () => {
    const cluster = await settled(1, 2)
    cluster.peers[0]!.freeze()
    await cluster.time.until(() => cluster.agree('down', [0], [1]), 7_500)
  })

  test('says for how long a member has been down', async () => {
    const cluster = await settled(1, 3)
    const [gone, observer] = [cluster.members[0]!, cluster.peers[1]!.liveness]
    cluster.crash(0)
    await cluster.time.until(() => observer.livenessOf(gone) === 'suspect', 10_000)
    expect(observer.downForMs(gone)).toBe(0)
    await cluster.time.until(() => observer.livenessOf(gone) === 'down', 10_000)
    await cluster.time.run(60_000)
    expect(observer.downForMs(gone)).toBeCloseTo(60_000, -1)
    expect(observer.isAlive(gone)).toBe(false)
  })
})

async function settled(seed: number, peers: number): Promise<Cluster> {
  const cluster = new Cluster({ seed, peers })
  await cluster.time.run(settleMs)
  expect(cluster.changes).toEqual([])
  return cluster
}

/**
 * For failures at many moments: how many members whoever probes the failed one first has probed since, that one
 * included, on average. Until that probe a failure shows nowhere, so a log of the pings of healthy peers will do.
 */
async function periodsToFirstProbe(peers: number): Promise<number> {
  const cluster = await settled(1, peers)
  const beginMs = cluster.time.nowMs
  await cluster.time.run(600_000)
  const samples = 2_000
  let periods = 0
  for (let sample = 0; sample < samples; sample++) {
    const failedMs = beginMs + cluster.random.float() * 500_000
    const { peerId } = cluster.random.pick(cluster.members)
    const begin = cluster.pings.findIndex(({ atMs, from }) => atMs > failedMs && from !== peerId)
    const first = cluster.pings.findIndex(({ to }, i) => i >= begin && to === peerId)
    const { from } = cluster.pings[first]!
    periods += cluster.pings.slice(begin, first + 1).filter(ping => ping.from === from).length
  }
  return periods / samples
}
