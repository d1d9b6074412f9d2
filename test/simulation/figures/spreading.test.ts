/** How rumours and the log spread (SWIM, section 4.1): what it costs, and how soon all know. */
import { describe, expect, test } from 'vitest'
import { bytesAtRest, bytesUnderChurn, deaths } from './gossip.ts'
import { spread } from './log-spread.ts'

describe('gossip', () => {
  test('costs a peer as many bytes at rest among 100 as among 10', async () => {
    const [few, many] = [
      await bytesAtRest({ seed: 1, peers: 10 }),
      await bytesAtRest({ seed: 1, peers: 100 })
    ]
    // One ping and its ack a second from each, 245 bytes; 20 s cut one of twenty in two.
    expect(Math.abs(many / few - 1)).toBeLessThan(0.06)
    expect(few).toBeLessThan(300)
  })

  test('costs a peer of ten less than 1 KB/s with a death and a return in 10 s', async () => {
    // 690 B/s measured; twice that would be rumours that are told too often.
    expect(await bytesUnderChurn({ seed: 1, peers: 10, deaths: 6 })).toBeLessThan(1_000)
  })
})

describe('a death', () => {
  // The shortest suspicion is 4 s and 8 s at these sizes; half a second more spreads the rest.
  test.each([
    { peers: 10, samples: 5, withinMs: 5_000 },
    { peers: 100, samples: 1, withinMs: 9_000 }
  ])('by kill is known to all of $peers in $withinMs ms', async ({ peers, samples, withinMs }) => {
    const { firstDownMs, allDownMs } = await deaths({ seed: 1, peers, samples, how: 'killed' })
    expect(allDownMs.max).toBeLessThan(withinMs)
    expect(allDownMs.mean - firstDownMs.mean).toBeLessThan(1_000)
  })
})

describe('an entry of the log', () => {
  // Seven and one rounds of sixteen at once, of 3 ms at the most.
  test.each([{ peers: 10 }, { peers: 100 }])(
    'is told to all of $peers members within 30 ms',
    async ({ peers }) => {
      const known = await spread({ seed: 1, peers, samples: 2, by: 'told' })
      expect(known.max).toBeLessThan(30)
    }
  )

  test.each([
    { peers: 10, withinMs: 6_000 },
    { peers: 100, withinMs: 10_000 }
  ])('comes to all of $peers by pings alone within $withinMs ms', async ({ peers, withinMs }) => {
    const known = await spread({ seed: 1, peers, samples: 2, by: 'pings' })
    expect(known.max).toBeLessThan(withinMs)
    // Else something other than pings carried it.
    expect(known.mean).toBeGreaterThan(500)
  })
})
