/** A change of the ring sends what changes hands, and that once: docs/movement.md has the figures at all sizes. */
import { describe, expect, it } from 'vitest'
import { moved, type Moved } from './figures/moved.ts'

/** Of the least that has to move, what may be sent. */
const bound = 1.05

/** More than may pass at once, at a pace at which a change takes some seconds. */
const cluster = { seed: 7, peers: 5, records: 1_500, bytesPerSecond: 256 * 1024 }

function expectLittleMore({ leastCopies, leastBytes, sentBytes, strayBytes, repeatedBytes }: Moved): void {
  expect(leastCopies).toBeGreaterThan(cluster.records / 4)
  expect(sentBytes).toBeGreaterThanOrEqual(leastBytes)
  expect(sentBytes / leastBytes).toBeLessThanOrEqual(bound)
  expect(strayBytes).toBe(0)
  expect(repeatedBytes).toBe(0)
}

describe('a change of the ring from 5 to 6 peers and back', () => {
  it('sends each record once to each peer that takes it, and to no other, where nobody writes', async () => {
    const { join, leave } = await moved(cluster)
    for (const change of [join, leave]) {
      expectLittleMore(change)
      expect(change.sentCopies).toBe(change.leastCopies)
      expect(change.writtenBytes).toBe(0)
    }
    // Who has left says nothing any more.
    expect(join.toldBytes).toBe(join.sentBytes)
  })

  it('sends hardly more while records are put', async () => {
    const { join, leave } = await moved({ ...cluster, putEveryMs: 100 })
    for (const change of [join, leave]) {
      expect(change.puts).toBeGreaterThan(0)
      expectLittleMore(change)
    }
  })
})
