import { describe, expect, it } from 'vitest'

import { maxBatchBytes, maxValueBytes, minTransferBytesPerSecond } from '../../../src/core/limits.ts'
import { Admission } from '../../../src/core/movement/admission.ts'
import { Domain } from '../../../src/core/movement/domain.ts'
import { NodeSums } from '../../../src/core/movement/node-sums.ts'
import { packFingerprints, packSums } from '../../../src/core/movement/packing.ts'
import { ReconcileResponder, type SessionAsked } from '../../../src/core/movement/reconcile-responder.ts'
import { childrenOf, leafOf, nodeCount, rootNode } from '../../../src/core/movement/slot-tree.ts'
import { Throttle } from '../../../src/core/movement/throttle.ts'
import { noRecords } from '../../../src/core/record/fingerprint.ts'
import { decodeRecord } from '../../../src/core/record/codec.ts'
import { slotOf } from '../../../src/core/record/fingerprints.ts'
import { comparePositions, formatPosition } from '../../../src/core/ring/position.ts'
import { wholeRing } from '../../../src/core/ring/range.ts'
import { SessionDomain } from '../../../src/wire/generated/messages.ts'
import { VirtualClock, VirtualTime } from '../../simulation/clock.ts'
import { id } from '../topology/script.ts'
import { DamageableStore, recordOf, recordsOf } from './world.ts'

const domain = SessionDomain.DOMAIN_SHARED
const badRequest = { name: 'ServeError', code: 'bad-request' }
const overloaded = { name: 'ServeError', code: 'overloaded' }
const nothing = new Uint8Array(0)

function make({ bytesPerSecond = 1e9, isHandedOver = false } = {}) {
  const time = new VirtualTime()
  const store = new DamageableStore()
  const whole = new Domain([wholeRing])
  const throttle = new Throttle({ clock: new VirtualClock(time) }, { bytesPerSecond })
  const responder = new ReconcileResponder({
    store,
    sums: new NodeSums({ store }),
    admission: new Admission({ throttle }),
    domains: () => ({
      sharedWith: () => whole,
      takenBy: () => undefined,
      handedOverBy: () => (isHandedOver ? whole : undefined)
    })
  })
  const asked: SessionAsked = { from: id('a'), signal: new AbortController().signal }
  return { time, store, responder, throttle, asked }
}

describe('a member that is asked to reconcile', () => {
  it('refuses domains, nodes, sums and positions that make no sense', async () => {
    const { responder, asked } = make()
    const sums = packSums(childrenOf(rootNode).map(() => noRecords))
    const compare = { domain, parents: [rootNode], sums }
    expect(await responder.compareNodes(compare, asked)).toMatchObject({
      nodesCompared: { damagedSlots: [] }
    })
    for (const wrong of [
      { domain: SessionDomain.DOMAIN_UNKNOWN },
      { domain: SessionDomain.DOMAIN_HANDED_OVER },
      { parents: [nodeCount] },
      { parents: [0xffffffff] },
      { parents: [2, 1] },
      { parents: [1, 1] },
      { parents: [rootNode, 1] },
      { parents: Array.from({ length: 257 }, (_, i) => 273 + i) },
      { sums: sums.subarray(1) },
      { sums: new Uint8Array(1_000) }
    ]) {
      await expect(responder.compareNodes({ ...compare, ...wrong }, asked)).rejects.toMatchObject(badRequest)
    }
    const list = { domain, nodes: [1], fingerprints: nothing }
    for (const wrong of [
      { nodes: [nodeCount] },
      { nodes: Array.from({ length: 1_025 }, (_, i) => leafOf(i)) },
      { fingerprints: new Uint8Array(7) },
      { fingerprints: new Uint8Array(8 * 16_385) }
    ]) {
      await expect(responder.listNodes({ ...list, ...wrong }, asked)).rejects.toMatchObject(badRequest)
    }
    const stream = { domain, nodes: [1], after: new Uint8Array(31) }
    await expect(responder.streamNodes(stream, asked)).rejects.toMatchObject(badRequest)
  })

  it('lists nothing of its own for one that hands over, and takes nothing back', async () => {
    const { responder, asked, store } = make({ isHandedOver: true })
    await store.mergeAll(recordsOf(10))
    const list = { nodes: [rootNode], fingerprints: packFingerprints([noRecords]) }
    for (const [kind, isShared] of [
      [SessionDomain.DOMAIN_SHARED, true],
      [SessionDomain.DOMAIN_HANDED_OVER, false]
    ] as const) {
      const { nodesListed } = await responder.listNodes({ ...list, domain: kind }, asked)
      expect(nodesListed!.unknown).toEqual([0])
      expect(nodesListed!.heads.length > 0).toBe(isShared)
    }
  })

  it('turns away what is too much to serve at once', async () => {
    const { responder, asked, store } = make()
    await store.mergeAll(recordsOf(10))
    const list = { domain, nodes: [rootNode], fingerprints: packFingerprints([]) }
    const answers = await Promise.allSettled(
      Array.from({ length: 20 }, () => responder.listNodes(list, asked))
    )
    const refused = answers.filter(({ status }) => status === 'rejected')
    expect(refused.length).toBe(12)
    expect(refused[0]).toMatchObject({ reason: overloaded })
    await responder.listNodes(list, asked)
  })

  it('turns requests for records away while its bandwidth is spent for long', async () => {
    const { time, responder, asked, throttle } = make({ bytesPerSecond: maxBatchBytes })
    void throttle.pass(4 * maxBatchBytes, asked.signal)
    const stream = { domain, nodes: [rootNode], after: nothing }
    await expect(responder.streamNodes(stream, asked)).rejects.toMatchObject(overloaded)
    await time.run(1_500)
    const answer = await time.settle(responder.streamNodes(stream, asked))
    expect(answer).toMatchObject({ recordStream: { finished: 1 } })
  })

  it('answers in time under a low limit too, and turns away what comes before that is paid', async () => {
    const { time, responder, asked, store } = make({ bytesPerSecond: minTransferBytesPerSecond })
    await store.merge(recordOf('huge', 1, { value: new Uint8Array(maxValueBytes) }))
    const stream = { domain, nodes: [rootNode], after: nothing }
    await time.settle(responder.streamNodes(stream, asked))
    expect(time.nowMs).toBeLessThan(10_000)
    await expect(responder.streamNodes(stream, asked)).rejects.toMatchObject(overloaded)
  })

  it('sends whoever asks to others where what it holds cannot be counted', async () => {
    const { responder, asked, store } = make()
    store.fingerprints.begin()
    store.fingerprints.fail('a bad disk')
    const list = { domain, nodes: [], fingerprints: nothing }
    await expect(responder.listNodes(list, asked)).rejects.toMatchObject({
      code: 'not-ready',
      message: expect.stringContaining('a bad disk') as unknown
    })
    store.fingerprints.complete()
    await responder.listNodes(list, asked)
  })

  it('waits with its answer until all that it holds is counted', async () => {
    const { responder, asked, store } = make()
    store.fingerprints.begin()
    let isAnswered = false
    const answer = responder.listNodes({ domain, nodes: [], fingerprints: nothing }, asked).then(() => {
      isAnswered = true
    })
    await new Promise(resolve => setImmediate(resolve))
    expect(isAnswered).toBe(false)
    store.fingerprints.complete()
    await answer
    store.fingerprints.begin()
    const stop = new AbortController()
    const late = responder.listNodes(
      { domain, nodes: [], fingerprints: nothing },
      { ...asked, signal: stop.signal }
    )
    stop.abort(new Error('enough'))
    await expect(late).rejects.toThrow('enough')
  })

  it('streams nodes in ring order, page by page, each record once, around what is damaged', async () => {
    const { time, responder, asked, store } = make()
    const records = Array.from({ length: 60 }, (_, i) =>
      recordOf(`${i}`, 1, { value: new Uint8Array(40_000) })
    )
    records.sort((x, y) => comparePositions(x.position, y.position))
    await store.mergeAll(records)
    const [row, value] = [records[20]!, records[41]!]
    await store.damage(row.position)
    store.damagedValues.add(formatPosition(value.position))
    let nodes = [...childrenOf(rootNode)]
    let after: Uint8Array = nothing
    const got: string[] = []
    const damaged = new Set<number>()
    let pages = 0
    for (; nodes.length > 0; pages++) {
      const answer = await time.settle(responder.streamNodes({ domain, nodes, after }, asked))
      const page = answer.recordStream
      for (const encoded of page!.records) got.push(formatPosition(decodeRecord(encoded).position))
      for (const slot of page!.damagedSlots) damaged.add(slot)
      expect(page!.records.reduce((sum, { length }) => sum + length, 0)).toBeLessThanOrEqual(maxBatchBytes)
      nodes = nodes.slice(page!.finished)
      after = page!.after
    }
    const sound = records.filter(record => record !== row && record !== value)
    expect(got).toEqual(sound.map(({ position }) => formatPosition(position)))
    expect([...damaged].sort()).toEqual([row, value].map(({ position }) => slotOf(position)).sort())
    expect(pages).toBe(5)
  })
})

describe('the sums of a domain that ends amid slots', () => {
  it('are read from the heads once, and again only where something in the slot has changed', async () => {
    const store = new DamageableStore()
    const records = recordsOf(500).sort((x, y) => comparePositions(x.position, y.position))
    await store.mergeAll(records)
    let reads = 0
    const heads = store.heads.bind(store)
    store.heads = (...args) => {
      reads++
      return heads(...args)
    }
    const sums = new NodeSums({ store })
    const cuts = [records[50]!.position, records[300]!.position]
    const part = new Domain([{ start: cuts[0]!, end: cuts[1]! }])
    const all = { first: 0, end: 65_536 }
    const sum = await sums.sum(part, all)
    expect(sum.count).toBe(250)
    expect(reads).toBe(2)
    expect(await sums.sum(part, all)).toEqual(sum)
    await store.drop(records[100]!.position, records[100]!.version)
    expect((await sums.sum(part, all)).count).toBe(249)
    expect(reads).toBe(2)
    await store.drop(records[300]!.position, records[300]!.version)
    expect((await sums.sum(part, all)).count).toBe(248)
    await store.merge(records[300]!)
    expect((await sums.sum(part, all)).count).toBe(249)
    expect(reads).toBeLessThanOrEqual(4)
    const before = await sums.sum(part, all)
    await store.merge(recordOf(new TextDecoder().decode(records[300]!.key), 2))
    const after = await sums.sum(part, all)
    expect(after).toMatchObject({ count: 249 })
    expect(after.low).not.toBe(before.low)
  })
})
