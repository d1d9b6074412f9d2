/**
 * Sessions that are ended again and again before they are done, as whenever the topology changes: each goes on where
 * the last one was ended, whatever the bandwidth limit, so that in the end all has moved, and hardly more than that.
 */
import { describe, expect, it } from 'vitest'
import { minTransferBytesPerSecond } from '../../../src/core/limits.ts'
import { Pair } from './session-world.ts'
import { DamageableStore, recordOf, sizeOf } from './world.ts'

/** 3 MB: half a minute beyond what may pass at once. */
const records = Array.from({ length: 48 }, (_, i) =>
  recordOf(`key ${i}`, 1, { value: new Uint8Array(64_000) })
)

/** Some requests are answered in that time, and a message of bulk transfer passes in no such time. */
const abortEveryMs = 2_000

/** Ends a session every so often and begins another one. Gives how long it took until one went through, in ms. */
async function runWithAborts(pair: Pair): Promise<number> {
  const beganMs = pair.time.nowMs
  for (let i = 0; i < 100; i++) {
    const stop = new AbortController()
    const timer = pair.time.after(abortEveryMs, () => stop.abort(new Error('the topology changed')))
    const session = pair.begin({ signal: stop.signal })
    const isWhole = await pair.time.settle(
      session.then(
        () => true,
        () => false
      )
    )
    timer.cancel()
    if (isWhole) return pair.time.nowMs - beganMs
  }
  throw new Error('no session ever went through')
}

describe('a session that is ended again and again', () => {
  const slow = minTransferBytesPerSecond
  it.each([
    ['fetches', 'here', 'b', { bytesPerSecond: slow }],
    ['fetches', 'there', 'b', { theirBytesPerSecond: slow }],
    ['sends', 'here', 'a', { bytesPerSecond: slow }],
    ['sends', 'there', 'a', { theirBytesPerSecond: slow }]
  ] as const)('%s all in the end where the bandwidth is limited %s', async (_, _where, holder, limits) => {
    const stores = { a: new DamageableStore(), b: new DamageableStore() }
    await stores[holder].mergeAll(records)
    const pair = new Pair({ ...stores, ...limits })
    const ms = await runWithAborts(pair)
    expect(stores.a.usage()).toEqual(stores.b.usage())
    // Neither faster than may be, nor much slower.
    const leastMs = ((sizeOf(records) - 3 * 512 * 1024) / slow) * 1000
    expect(ms).toBeGreaterThan(leastMs)
    expect(ms).toBeLessThan(3 * leastMs)
    expect(pair.bytes).toBeLessThan(1.1 * sizeOf(records))
  })
})
