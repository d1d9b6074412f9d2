import { describe, expect, it } from 'vitest'
import type { MemberLiveness } from '../../../src/api.ts'
import { EpochMovedError } from '../../../src/core/movement/ask.ts'
import { fromMeasureRanges, fromRangesMeasured, toRangesMeasured } from '../../../src/core/plan/measure.ts'
import { headsPerAnswer, measureAll, measureStore } from '../../../src/core/plan/measure.ts'
import { Measurer } from '../../../src/core/plan/measurer.ts'
import { ServeError, TransportError } from '../../../src/core/ports.ts'
import { encodeRecord } from '../../../src/core/record/codec.ts'
import { partition } from '../../../src/core/ring/difference.ts'
import { contains, wholeRing, type Range } from '../../../src/core/ring/range.ts'
import type { Calls, ResponseBody } from '../../../src/core/rpc-types.ts'
import { MemoryStore } from '../../../src/storage/memory.ts'
import { silentLogger } from '../../../src/silent-logger.ts'
import { positionAt } from '../ring/reference.ts'
import { failureOf, remoteOf } from '../requests/fakes.ts'
import { id, nameOf, run } from '../topology/script.ts'

const { signal } = new AbortController()

/** A store with so many records, and the positions and sizes of these. */
async function storeWith(count: number) {
  const store = new MemoryStore()
  const version = { time: 1, writer: new Uint8Array(16), rmw: 0 }
  const records = Array.from({ length: count }, (_, i) => {
    const key = new TextEncoder().encode(`key ${i}`)
    return encodeRecord({ key, version, kind: 'value', expiresAt: 0, value: new Uint8Array(i % 7) })
  })
  await store.mergeAll(records)
  return { store, records }
}

const quarters: Range[] = [
  { start: positionAt(0x00), end: positionAt(0x40) },
  { start: positionAt(0x40), end: positionAt(0x80) },
  { start: positionAt(0x80), end: positionAt(0xc0) },
  { start: positionAt(0xc0), end: positionAt(0x00) }
]

describe('what a store holds', () => {
  it('is counted range by range, over as many answers as that takes', async () => {
    const { store, records } = await storeWith(2 * headsPerAnswer + 100)
    const told: number[] = []
    const amounts = await measureAll(question => measureStore(store, question), quarters, {
      perQuestion: 3,
      onProgress: done => told.push(done)
    })
    for (const [i, range] of quarters.entries()) {
      const inside = records.filter(({ position }) => contains(range, position))
      expect(inside.length).toBeGreaterThan(0)
      const bytes = inside.reduce((sum, { size }) => sum + size, 0)
      expect(amounts[i]).toEqual({ records: inside.length, bytes })
    }
    expect(told.at(-1)).toBe(4)
    expect(told.length).toBeGreaterThanOrEqual(3)
  })

  it('is counted right where an answer ends just with a range, or with the store', async () => {
    const { store } = await storeWith(headsPerAnswer)
    const first = await measureStore(store, { ranges: [wholeRing, quarters[0]!], after: undefined })
    expect(first.amounts).toHaveLength(1)
    expect(first.after).toBeDefined()
    const rest = await measureStore(store, { ranges: [wholeRing], after: first.after })
    expect(rest).toEqual({ amounts: [{ records: 0, bytes: 0 }], after: undefined })
  })
})

describe('a question and its answer', () => {
  it('are refused where they are malformed', () => {
    const good = { ranges: [wholeRing], after: new Uint8Array(), cluster: false }
    expect(fromMeasureRanges(good)).toEqual({ ranges: [wholeRing], after: undefined })
    const bad = [
      { ...good, ranges: [] },
      { ...good, ranges: Array.from({ length: 513 }, () => wholeRing) },
      { ...good, after: new Uint8Array(31) }
    ]
    for (const message of bad) expect(() => fromMeasureRanges(message)).toThrow(ServeError)

    const question = { ranges: [wholeRing], after: undefined }
    const answer = toRangesMeasured({ amounts: [{ records: 1, bytes: 2 }], after: undefined })
    expect(fromRangesMeasured(answer, question)?.amounts).toEqual([{ records: 1, bytes: 2 }])
    expect(fromRangesMeasured(undefined, question)).toBeUndefined()
    expect(fromRangesMeasured({ ...answer, amounts: [] }, question)).toBeUndefined()
    const tooMany = [...answer.amounts, ...answer.amounts]
    expect(fromRangesMeasured({ ...answer, amounts: tooMany }, question)).toBeUndefined()
    expect(fromRangesMeasured({ ...answer, after: new Uint8Array(1) }, question)).toBeUndefined()
  })
})

describe('what lies in the cluster', () => {
  const topology = run('found a; open +b +c +d +e; close')
  const ranges = partition(topology.before, topology.before, 3).map(({ range }) => range)

  /** A measurer of a, and whom it asked for how many ranges; members answer as told, else with zeros. */
  function measurerWith(
    answers: Partial<Record<string, Error | (ResponseBody & { epoch?: number })>>,
    liveness: Partial<Record<string, MemberLiveness>> = {},
    now = topology
  ) {
    const asked: { name: string; ranges: Range[] }[] = []
    const calls: Calls = {
      call: (to, { measureRanges }) => {
        const name = nameOf(to)
        asked.push({ name, ranges: measureRanges!.ranges }) // the wire's type has the same two fields
        const answer = answers[name]
        if (answer instanceof Error) return Promise.reject(answer)
        const amounts = measureRanges!.ranges.map(() => ({ records: 0, bytes: 0 }))
        const zeros = { rangesMeasured: { amounts, after: new Uint8Array() } }
        return Promise.resolve({ epoch: now.epoch, ...(answer ?? zeros) })
      }
    }
    const measurer = new Measurer(
      {
        calls,
        store: new MemoryStore(),
        topology: () => now,
        livenessOf: member => liveness[nameOf(member)] ?? 'alive',
        logger: silentLogger
      },
      { self: id('a') }
    )
    return { measurer, asked }
  }

  const replicasOf = (range: Range): string[] => topology.before.replicas(range.end, 3).map(nameOf)
  const away = new TransportError('unreachable', 'x', { delivered: false })
  const ask = (measurer: Measurer, of = ranges): Promise<unknown> =>
    measurer.inCluster({ ranges: of, after: undefined }, { epoch: topology.epoch, signal })

  it('is asked of one that replicates all that it is asked for, and most of what comes next', async () => {
    const { measurer, asked } = measurerWith({})
    await ask(measurer)
    const [{ name, ranges: first }] = asked as [(typeof asked)[0]]
    for (const range of first) expect(replicasOf(range)).toContain(name)
    for (const other of replicasOf(ranges[0]!)) {
      const run = ranges.findIndex(range => !replicasOf(range).includes(other))
      expect(first.length).toBeGreaterThanOrEqual(run)
    }
  })

  it('is asked of another replica where one fails, answers nonsense or cannot catch up', async () => {
    const [x, y, z] = replicasOf(ranges[0]!) as [string, string, string]
    const amount = { records: 9, bytes: 9 }
    const stale = {
      epoch: topology.epoch - 1,
      rangesMeasured: { amounts: [amount], after: new Uint8Array() }
    }
    const nonsense = { rangesMeasured: { amounts: [], after: new Uint8Array() } }
    const { measurer, asked } = measurerWith({ [x]: away, [y]: nonsense })
    await ask(measurer, [ranges[0]!])
    expect(asked.at(-1)!.name).toBe(z)
    const all = measurerWith({ [x]: away, [y]: stale, [z]: away })
    expect(await failureOf(ask(all.measurer, [ranges[0]!]))).toMatchObject({
      code: 'ERR_QUORUM',
      indefinite: false
    })
    expect(all.asked.map(({ name }) => name).sort()).toEqual([x, y, z].sort())
  })

  it('is not asked of who is down, and of suspects last', async () => {
    // A range without a: nobody is suspect in their own eyes.
    const range = ranges.find(candidate => !replicasOf(candidate).includes('a'))!
    const [down, suspect, alive] = replicasOf(range) as [string, string, string]
    const { measurer, asked } = measurerWith({ [alive]: away }, { [down]: 'down', [suspect]: 'suspect' })
    await ask(measurer, [range])
    expect(asked.map(({ name }) => name)).toEqual([alive, suspect])
  })

  it('is asked, while members come and go, of those who replicate it already', async () => {
    const changing = run('found a; open +b +c +d +e; close; open +f -b')
    const { measurer, asked } = measurerWith({}, {}, changing)
    const pieces = partition(changing.before, changing.before, 3).map(({ range }) => range)
    for (const range of pieces) {
      await measurer.inCluster({ ranges: [range], after: undefined }, { epoch: changing.epoch, signal })
      const holders = changing.before.replicas(range.end, 3).map(nameOf)
      expect(holders).toContain(asked.at(-1)!.name)
    }
    expect(new Set(asked.map(({ name }) => name))).not.toContain('f')
  })

  it('is void where a member is at a later epoch, or this one is', async () => {
    const newer = { epoch: topology.epoch + 1 }
    const { measurer } = measurerWith({ a: newer, b: newer, c: newer, d: newer, e: newer })
    expect(await failureOf(ask(measurer))).toBeInstanceOf(EpochMovedError)
    const later = { epoch: topology.epoch + 1, signal }
    expect(await failureOf(measurer.inCluster({ ranges, after: undefined }, later))).toBeInstanceOf(
      EpochMovedError
    )
  })

  it('is answered to a client by who is asked in its place, and by nothing where the epoch moved', async () => {
    const message = { ranges: ranges.slice(0, 1), after: new Uint8Array(), cluster: true }
    const asking = { from: remoteOf('b'), signal, timeoutMs: 1_000 }
    const served = await measurerWith({}).measurer.serve(message, asking)
    expect(served.rangesMeasured?.amounts).toEqual([{ records: 0, bytes: 0 }])
    const newer = { epoch: topology.epoch + 1 }
    const moved = measurerWith({ a: newer, b: newer, c: newer, d: newer, e: newer })
    expect(await moved.measurer.serve(message, asking)).toEqual({})
    const none = measurerWith({ a: away, b: away, c: away, d: away, e: away })
    expect(await failureOf(none.measurer.serve(message, asking))).toMatchObject({ code: 'not-ready' })
  })
})
