/** What a cluster costs in which nothing happens: docs/movement.md has the figures with more records. */
import { expect, it } from 'vitest'
import { atRest } from './figures/at-rest.ts'

/** What comparing may cost a peer, in bytes per second, what it sends and gets together. */
const bound = 1_000

it.each([
  { peers: 5, records: 1_000 },
  { peers: 10, records: 1_000 },
  { peers: 50, records: 300 }
])(
  'comparing what is equal costs each of $peers peers less than a kilobyte a second',
  async ({ peers, records }) => {
    const { reconciling, sessions } = await atRest({ seed: 3, peers, records })
    expect(reconciling.most).toBeLessThan(bound)
    // Each peer compares with each other one, of its own accord or asked, at least once in 30 s.
    expect(sessions).toBeGreaterThanOrEqual(2 * (peers - 1))
  }
)
