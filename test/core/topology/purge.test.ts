import { describe, expect, it } from 'vitest'
import { maxTime } from '../../../src/core/limits.ts'
import { sameMember, type MemberId } from '../../../src/core/member.ts'
import type { RecordHead } from '../../../src/core/record/record.ts'
import {
  entryFromWire,
  entryToWire,
  topologyFromWire,
  topologyToWire
} from '../../../src/core/topology/codec.ts'
import { checkEntry, restoreEntry, applyEntry } from '../../../src/core/topology/entry.ts'
import { counts, purgeDue, type PurgeReport } from '../../../src/core/topology/purge.ts'
import type { Topology } from '../../../src/core/topology/topology.ts'
import { Entry, Topology as WireTopology } from '../../../src/wire/generated/messages.ts'
import { entryOf, id, run } from './script.ts'
import { World, type Host } from './world.ts'

const three = 'found a; open +b +c; close'
const hour = 3_600_000_000
const graceMs = 86_400_000

describe('a purge entry', () => {
  it('sets what is purged and the fence, and no other entry changes them', () => {
    const purged = run(`${three}; purge 0 500; purge 300 900`)
    expect(purged).toMatchObject({ epoch: 5, purgedBefore: 300, fence: 900, transition: undefined })
    const later = run("open +d -a; amend drop d; close; open +b'; close", { from: purged })
    expect(later).toMatchObject({ purgedBefore: 300, fence: 900 })
    const restored = applyEntry(later, restoreEntry(later, [id('c')]))
    expect(restored).toMatchObject({ purgedBefore: 300, fence: 900 })
  })

  const refused: ReadonlyArray<[after: string, statement: string, reason: RegExp]> = [
    ['found a; open +b', 'purge 0 5', /a transition is open/],
    ['found a', 'purge 1 5', /writes may be under way/],
    ['found a; purge 0 5', 'purge 6 9', /writes may be under way/],
    ['found a; purge 0 5; purge 4 5', 'purge 3 9', /never goes back/],
    ['found a; purge 0 5', 'purge 0 4', /never goes back/],
    ['found a; purge 0 5', 'purge 0 5', /changes nothing/],
    ['found a', 'purge 0 0', /changes nothing/],
    ['found a', `purge 0 ${maxTime + 1}`, /out of bounds/],
    ['found a', 'purge -1 5', /out of bounds/],
    ['found a', 'purge 0 1.5', /out of bounds/]
  ]
  for (const [after, statement, reason] of refused) {
    it(`may not be ${statement} after ${after}`, () => {
      const topology = run(after)
      expect(checkEntry(topology, entryOf(topology, statement))).toMatch(reason)
    })
  }

  it('goes over the wire and comes back, and so does the topology that it makes', () => {
    const topology = run(`${three}; purge 0 500`)
    const entry = entryOf(topology, 'purge 300 900')
    expect(entryFromWire(Entry.decode(Entry.encode(entryToWire(entry))))).toEqual(entry)
    const next = applyEntry(topology, entry)
    const read = topologyFromWire(WireTopology.decode(WireTopology.encode(topologyToWire(next))))
    expect(read).toMatchObject({ purgedBefore: 300, fence: 900 })
  })

  it('was not known to topologies of before, which decode as ones where nothing was purged', () => {
    const older: Partial<WireTopology> = topologyToWire(run(three))
    delete older.purgedBefore
    delete older.fence
    const bytes = WireTopology.encode(older)
    expect(bytes).toEqual(WireTopology.encode(topologyToWire(run(three))))
    expect(topologyFromWire(WireTopology.decode(bytes))).toMatchObject({ purgedBefore: 0, fence: 0 })
  })
})

describe('a purge is due', () => {
  const day = 24 * hour
  const all = (report: PurgeReport) => () => report
  const due = (topology: Topology, reportOf: (member: MemberId) => PurgeReport | undefined) => {
    const entry = purgeDue(topology, { reportOf, tombstoneGraceMs: graceMs })
    expect(entry === undefined ? undefined : checkEntry(topology, entry)).toBeUndefined()
    return entry && [entry.before, entry.fence]
  }

  it('at first for the fence alone, as nobody knows what is under way, and then up to the grace', () => {
    const report = { since: 3 * day, oldest: day }
    expect(due(run(three), all(report))).toEqual([0, 3 * day])
    const fenced = run(`${three}; purge 0 ${3 * day}`)
    expect(due(fenced, all({ ...report, since: 3 * day + 60_000_000 }))).toEqual([
      2 * day + 60_000_000,
      3 * day + 60_000_000
    ])
  })

  it('by who was reconciled longest ago, and by the oldest there is', () => {
    const fenced = run(`${three}; purge 0 ${3 * day}`)
    const reportOf = (member: MemberId): PurgeReport =>
      sameMember(member, id('b')) ? { since: 3 * day, oldest: 0 } : { since: 4 * day, oldest: day }
    expect(due(fenced, reportOf)).toEqual([2 * day, 3 * day])
  })

  it('no further than the fence, behind which writes may be under way', () => {
    const fenced = run(`${three}; purge 0 ${day}`)
    expect(due(fenced, all({ since: 9 * day, oldest: hour }))).toEqual([day, 9 * day])
  })

  it('not while a member has not reported, a transition is open, or nothing is old enough', () => {
    const fenced = run(`${three}; purge 0 ${3 * day}`)
    const ready = all({ since: 3 * day, oldest: day })
    expect(due(fenced, ready)).toBeDefined()
    expect(due(fenced, member => (sameMember(member, id('c')) ? undefined : ready()))).toBeUndefined()
    expect(due(run('open +d', { from: fenced }), ready)).toBeUndefined()
    expect(due(fenced, all({ since: 3 * day, oldest: 2 * day }))).toBeUndefined()
    expect(due(fenced, all({ since: 3 * day, oldest: 0 }))).toBeUndefined()
  })

  it('no more often than an hour after the last one', () => {
    const purged = run(`${three}; purge 0 ${9 * day}; purge ${3 * day} ${9 * day}`)
    const oldest = 3 * day
    expect(due(purged, all({ since: 4 * day + hour - 1, oldest }))).toBeUndefined()
    expect(due(purged, all({ since: 4 * day + hour, oldest }))).toEqual([3 * day + hour, 9 * day])
  })
})

describe('what a member holds counts', () => {
  const topology = run(`${three}; purge 0 500; purge 300 500; open -c; close`)
  const head = (time: number, init: Partial<RecordHead> = {}): RecordHead => ({
    position: new Uint8Array(32),
    version: { time, writer: new Uint8Array(16), rmw: 0 },
    kind: 'value',
    expiresAt: 0,
    size: 1,
    ...init
  })

  it('unless it is purged', () => {
    expect(counts(topology, id('a'), head(1))).toBe(true)
    expect(counts(topology, id('a'), head(299, { kind: 'tombstone' }))).toBe(false)
    expect(counts(topology, id('a'), head(300, { kind: 'tombstone' }))).toBe(true)
  })

  it('or it is of before the fence, and the member has gone or is none', () => {
    expect(topology.member(id('c'))?.standing).toBe('left')
    for (const holder of ['c', 'd']) {
      expect(counts(topology, id(holder), head(499))).toBe(false)
      expect(counts(topology, id(holder), head(500))).toBe(true)
      expect(counts(run(three), id(holder), head(1))).toBe(true)
    }
  })
})

describe('the acceptors', () => {
  const day = 24 * hour

  async function reports(hosts: readonly Host[], by: readonly Host[], report: PurgeReport): Promise<void> {
    for (const host of hosts) {
      for (const { self } of by) {
        const epoch = host.log.epoch
        await host.steward.handleReport(self, { epoch, member: id2(self), reconciled: report })
      }
    }
  }
  const id2 = ({ peerId, life }: MemberId): MemberId => ({ peerId, life })

  it('agree on a purge when all members have reported at the epoch in force, and not before', async () => {
    const world = new World({ seed: 11 })
    const hosts = await world.cluster('a', 'b', 'c')
    await world.time.run(1_000)
    const { epoch } = hosts[0]!.log
    const report = { since: 9 * day, oldest: day }
    await reports(hosts, hosts.slice(0, 2), report)
    await world.time.run(10_000)
    expect(hosts.map(({ log }) => log.epoch)).toEqual([epoch, epoch, epoch])
    await reports(hosts, hosts.slice(2), report)
    await world.time.until(() => hosts.every(({ log }) => log.current?.fence === 9 * day), 10_000)
    // The epoch has moved: what was reported counts no more.
    await world.time.run(10_000)
    expect(hosts[0]!.log.epoch).toBe(epoch + 1)
    await reports(hosts, hosts, report)
    await world.time.until(() => hosts.every(({ log }) => log.current?.purgedBefore === 8 * day), 10_000)
    expect(world.violations).toEqual([])
  })

  it('pass over a report of another epoch, and refuse one that makes no sense', async () => {
    const world = new World({ seed: 12 })
    const [a] = await world.cluster('a')
    const { steward, self, log } = a!
    const reconciled = { since: 9 * day, oldest: day }
    await steward.handleReport(self, { epoch: log.epoch + 1, member: id2(self), reconciled })
    await world.time.run(5_000)
    expect(log.epoch).toBe(1)
    const asked = { epoch: log.epoch, member: id2(self), reconciled: { since: 0.5, oldest: 0 } }
    await expect(steward.handleReport(self, asked)).rejects.toMatchObject({ code: 'bad-request' })
    await steward.handleReport(self, { epoch: log.epoch, member: id2(self), reconciled })
    await world.time.until(() => log.epoch === 2, 5_000)
  })
})
