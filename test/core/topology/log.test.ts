import fc from 'fast-check'
import { beforeEach, describe, expect, it } from 'vitest'
import { entryToWire, topologyToWire } from '../../../src/core/topology/codec.ts'
import { applyEntry, restoreLeap, type Entry } from '../../../src/core/topology/entry.ts'
import { LogConflictError, LogDamagedError, TopologyLog } from '../../../src/core/topology/log.ts'
import { MalformedError } from '../../../src/core/topology/shapes.ts'
import type { Topology } from '../../../src/core/topology/topology.ts'
import { Standing, type Entry as WireEntry, type LogSlice } from '../../../src/wire/generated/messages.ts'
import { FakeMetaStore, silent } from './fakes.ts'
import { clusterId, entryOf, id, member, run, standings } from './script.ts'

/** The entries of a script, and the topology after each. */
function history(script: string): { entries: WireEntry[]; topologies: Topology[] } {
  const topologies: Topology[] = []
  const entries: WireEntry[] = []
  for (const statement of script.split(';')) {
    const entry: Entry = entryOf(topologies.at(-1), statement)
    entries.push(entryToWire(entry))
    topologies.push(applyEntry(topologies.at(-1), entry))
  }
  return { entries, topologies }
}

/** A script of 1 + 2 n entries. */
function churn(n: number): string {
  const steps = Array.from({ length: n }, (_, i) => `open +b${"'".repeat(i)}; close`)
  return ['found a', ...steps].join(';')
}

let store: FakeMetaStore
let log: TopologyLog

beforeEach(() => {
  store = new FakeMetaStore()
  log = new TopologyLog({ store, logger: silent })
})

async function reloaded(): Promise<TopologyLog> {
  const other = new TopologyLog({ store, logger: silent })
  await other.load()
  return other
}

async function founded(): Promise<void> {
  await log.found({ clusterId, network: 'test', replicas: 3, founder: member('a') })
}

describe('the log on a peer', () => {
  it('knows of nothing at first, and founds once', async () => {
    await log.load()
    expect(log.current).toBeUndefined()
    expect(log.epoch).toBe(0)
    await founded()
    expect(standings(log.current!)).toBe('a:up')
    await expect(founded()).rejects.toThrow(LogConflictError)
  })

  it('has an epoch on disk before it shows it or tells of it', async () => {
    const { entries } = history('found a; open +b; close')
    const seen: number[] = []
    log.onChange(({ epoch }) => {
      seen.push(epoch)
      expect(store.entries.size).toBeGreaterThan(0)
    })
    const learning = log.learn({ entries })
    expect(log.epoch).toBe(0)
    await learning
    expect(log.epoch).toBe(3)
    expect(seen).toEqual([3])
    expect(standings((await reloaded()).current!)).toBe('a:up b:up')
  })

  it('shows nothing of what the disk did not take', async () => {
    store.writeMeta = () => Promise.reject(new Error('the disk is full'))
    await expect(founded()).rejects.toThrow('the disk is full')
    expect(log.current).toBeUndefined()
  })

  it('comes to the same topology, however entries and snapshots come in', async () => {
    const { entries, topologies } = history(churn(8))
    const slice = fc.oneof(
      fc
        .subarray(entries)
        .chain(some => fc.shuffledSubarray(some, { minLength: some.length }))
        .map(some => ({ entries: some })),
      fc.constantFrom(...topologies).map(topology => ({ entries: [], snapshot: topologyToWire(topology) }))
    )
    await fc.assert(
      fc.asyncProperty(fc.array(slice, { maxLength: 6 }), async (slices: LogSlice[]) => {
        const other = new TopologyLog({ store: new FakeMetaStore(), logger: silent })
        let epoch = 0
        for (const each of slices) {
          await other.learn(each)
          expect(other.epoch).toBeGreaterThanOrEqual(epoch)
          epoch = other.epoch
          if (epoch > 0)
            expect(topologyToWire(other.current!)).toEqual(topologyToWire(topologies[epoch - 1]!))
        }
        await other.learn({ entries })
        expect(topologyToWire(other.current!)).toEqual(topologyToWire(topologies.at(-1)!))
      }),
      { numRuns: 50, seed: 11 }
    )
  })

  it('gives others the entries they lack, or the topology where those are many or gone', async () => {
    const { entries } = history(churn(200))
    for (let i = 0; i < entries.length; i += 100) await log.learn({ entries: entries.slice(i, i + 100) })
    expect(log.epoch).toBe(401)
    expect(log.sliceAfter(401)).toBeUndefined()
    expect(log.sliceAfter(398)?.entries.map(({ epoch }) => epoch)).toEqual([399, 400, 401])
    expect(log.sliceAfter(10)).toMatchObject({ entries: [], snapshot: { epoch: 401 } })
    expect(log.sliceAfter(0)?.snapshot?.epoch).toBe(401)
    expect(log.entryAt(402)).toBeUndefined()
    expect(log.entryAt(401)).toEqual({ kind: 'close', epoch: 401 })
    // A bounded number of them is kept, on disk as in memory.
    expect(store.entries.size).toBeLessThan(300)
    const other = await reloaded()
    expect(topologyToWire(other.current!)).toEqual(topologyToWire(log.current!))
    expect(other.sliceAfter(398)).toEqual(log.sliceAfter(398))
  })

  it('refuses what is of another cluster, naming both', async () => {
    await founded()
    const other = { ...topologyToWire(run('found a; open +b')), clusterId: 'f'.repeat(32) }
    const learning = log.learn({ entries: [], snapshot: other })
    await expect(learning).rejects.toThrow(new RegExp(`${clusterId}.*${'f'.repeat(32)}`))
    expect(log.epoch).toBe(1)
  })

  it('refuses another entry than the one it has for an epoch', async () => {
    await log.learn({ entries: history('found a; open +b').entries })
    await expect(log.learn({ entries: history('found a; open +c').entries })).rejects.toThrow(
      /another entry than ours/
    )
  })

  it('takes in nothing of a slice with something malformed in it', async () => {
    const { entries } = history('found a; open +b')
    const broken = [
      { ...entries[1]!, close: {} },
      { epoch: 2 },
      { ...entries[1]!, epoch: -1 },
      { ...entries[1]!, epoch: 2 ** 60 }
    ]
    for (const entry of broken) {
      await expect(log.learn({ entries: [entries[0]!, entry] })).rejects.toThrow(MalformedError)
    }
    expect(log.epoch).toBe(0)
    const snapshot = topologyToWire(run('found a; open +b'))
    const [first, second] = snapshot.members
    const malformed = [[], [second!, first!], [{ ...first!, vnodes: 0 }], [{ ...first!, since: 9 }]]
    for (const members of malformed) {
      await expect(log.learn({ entries: [], snapshot: { ...snapshot, members } })).rejects.toThrow(
        MalformedError
      )
    }
    const founder = snapshot.members.find(each => each.standing === Standing.STANDING_UP)!
    const members = [founder, { ...founder, id: id("a'") }]
    await expect(log.learn({ entries: [], snapshot: { ...snapshot, members } })).rejects.toThrow(/two lives/)
  })

  it('follows a restore from wherever it was, as its generation is higher', async () => {
    const behind = new TopologyLog({ store: new FakeMetaStore(), logger: silent })
    const astray = new TopologyLog({ store: new FakeMetaStore(), logger: silent })
    const { entries } = history('found a; open +b +c; close')
    await log.learn({ entries })
    await behind.learn({ entries: entries.slice(0, 1) })
    await astray.learn({ entries: history('found a; open +b +c; close; open -a; close').entries })
    await log.restore([id('a')])
    expect(log.epoch).toBe(3 + restoreLeap)
    for (const other of [behind, astray]) {
      const epoch = other.epoch
      await other.learn(log.sliceAfter(epoch)!)
      expect(other.current).toMatchObject({ generation: 2, epoch: log.epoch })
    }
    // What those left behind had agreed on no longer reaches anybody.
    await log.learn({ entries: history('found a; open +b +c; close; open -a').entries.slice(3) })
    expect(standings(log.current!)).toBe('a:up b:removing c:removing')
    expect(standings((await reloaded()).current!)).toBe('a:up b:removing c:removing')
  })

  it('follows the later of two restores that were declared apart, also from the other', async () => {
    const other = new TopologyLog({ store: new FakeMetaStore(), logger: silent })
    const { entries } = history('found a; open +b +c +d; close')
    await log.learn({ entries })
    await other.learn({ entries })
    await log.restore([id('a'), id('b')], 0.7)
    await other.restore([id('c')], 0.3)
    await log.learn(other.sliceAfter(3)!)
    await other.learn(log.sliceAfter(other.epoch)!)
    for (const each of [log, other]) expect(standings(each.current!)).toBe('a:up b:up c:removing d:removing')
  })

  it('writes nothing more when its life has ended, though answers to that life still come in', async () => {
    const { entries } = history('found a; open +b; close')
    await log.learn({ entries: entries.slice(0, 1) })
    const late = log.learn({ entries: entries.slice(0, 2) })
    const ended = log.end()
    const tooLate = log.learn({ entries })
    await late
    await ended
    const atTheEnd = new Map(store.entries)
    await tooLate
    expect(store.entries).toEqual(atTheEnd)
    expect(log.current).toBeUndefined()
    expect(log.epoch).toBe(0)
  })

  it('does not start from a damaged disk', async () => {
    await log.learn({ entries: history('found a; open +b; close').entries })
    const saved = new Map(store.entries)
    for (const [name, value] of saved) {
      store.entries.set(name, value.slice(0, -3))
      await expect(reloaded()).rejects.toThrow(LogDamagedError)
      store.entries.set(name, value)
    }
    store.entries.delete('log/topology')
    await expect(reloaded()).rejects.toThrow(LogDamagedError)
  })

  it('tells on when one listener fails, and nobody who stopped listening', async () => {
    const heard: string[] = []
    log.onChange(() => {
      throw new Error('a fault')
    })
    const stop = log.onChange(() => heard.push('stopped'))
    log.onChange((topology, previous) => heard.push(`${previous?.epoch}>${topology.epoch}`))
    stop()
    await founded()
    expect(heard).toEqual(['undefined>1'])
  })
})
