import { describe, expect, it } from 'vitest'
import type { MetaChange } from '../../../src/core/ports.ts'
import type { Calls, RequestBody } from '../../../src/core/rpc-types.ts'
import { entryToWire } from '../../../src/core/topology/codec.ts'
import { TopologyLog } from '../../../src/core/topology/log.ts'
import { PurgeReporter, type ReconciledState } from '../../../src/core/topology/purge-reporter.ts'
import { VirtualClock, VirtualTime, worldStartMs } from '../../simulation/clock.ts'
import { SeededRandom } from '../../simulation/random.ts'
import { FakeMetaStore, silent } from './fakes.ts'
import { clusterId, entryOf, id, member } from './script.ts'

const day = 86_400_000

/** The only member of a cluster, which is the acceptor it reports to. */
async function setUp() {
  const time = new VirtualTime()
  const clock = new VirtualClock(time)
  const log = new TopologyLog({ store: new FakeMetaStore(), logger: silent })
  await log.found({ clusterId, network: 'test', replicas: 3, founder: member('a') })
  const told: Array<NonNullable<RequestBody['report']>> = []
  const calls: Calls = {
    call: (_to, { report }) => {
      told.push(report!)
      return Promise.resolve({ epoch: log.epoch })
    }
  }
  const state: { reconciled: ReconciledState | undefined; oldest: number | undefined; syncMs: number } = {
    reconciled: undefined,
    oldest: 7,
    syncMs: 0
  }
  const store = {
    writeMeta: (_: readonly MetaChange[]) => new Promise<void>(resolve => time.after(state.syncMs, resolve))
  }
  const sources = { reconciled: () => state.reconciled, oldest: () => state.oldest }
  const reporter = new PurgeReporter(
    { clock, random: new SeededRandom(1), calls, log, store, logger: silent, ...sources },
    { self: id('a'), tombstoneGraceMs: day }
  )
  const move = (statement: string) => log.learn({ entries: [entryToWire(entryOf(log.current, statement))] })
  return { time, clock, log, told, state, reporter, move }
}

describe('a member reports that it is ready for a purge', () => {
  it('about once a minute, with the wall time since when it is reconciled and the oldest there is', async () => {
    const { time, clock, told, state, reporter } = await setUp()
    reporter.start()
    await time.run(1_000)
    state.reconciled = { epoch: 1, sinceMs: clock.monotonic() }
    await time.run(10 * 60_000)
    expect(told.length).toBeGreaterThanOrEqual(8)
    expect(told.length).toBeLessThanOrEqual(14)
    const since = (worldStartMs + 1_000) * 1000
    for (const report of told) {
      expect(report).toMatchObject({ epoch: 1, member: id('a'), reconciled: { oldest: 7 } })
      // In ms a wall time has no room for exact microseconds.
      expect(Math.abs(report.reconciled!.since - since)).toBeLessThan(1_000)
    }
    await time.settle(reporter.stop())
    expect(time.pending).toBe(0)
  })

  it('not while it is not reconciled, or still drops what was purged', async () => {
    const { time, clock, told, state, reporter } = await setUp()
    reporter.start()
    await time.run(3 * 60_000)
    state.reconciled = { epoch: 1, sinceMs: clock.monotonic() }
    state.oldest = undefined
    await time.run(3 * 60_000)
    expect(told).toEqual([])
    await time.settle(reporter.stop())
  })

  it('not by sessions of another epoch, nor while a transition is open', async () => {
    const { time, clock, told, state, reporter, move } = await setUp()
    reporter.start()
    await time.run(1_000)
    state.reconciled = { epoch: 1, sinceMs: clock.monotonic() }
    await move('purge 0 5')
    await time.run(3 * 60_000)
    await move('open +b')
    await time.run(1_000)
    state.reconciled = { epoch: 3, sinceMs: clock.monotonic() }
    await time.run(3 * 60_000)
    expect(told).toEqual([])
    await time.settle(reporter.stop())
  })

  it('not by sessions that began before what was accepted at older epochs was on disk', async () => {
    const { time, clock, told, state, reporter, move } = await setUp()
    reporter.start()
    await time.run(1_000)
    state.syncMs = 500
    await move('purge 0 5')
    await time.run(499)
    state.reconciled = { epoch: 2, sinceMs: clock.monotonic() }
    await time.run(3 * 60_000)
    expect(told).toEqual([])
    state.reconciled = { epoch: 2, sinceMs: clock.monotonic() }
    await time.run(3 * 60_000)
    expect(told).not.toEqual([])
    await time.settle(reporter.stop())
  })
})
