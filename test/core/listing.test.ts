import { describe, expect, it } from 'vitest'
import { AnnulusError } from '../../src/core/errors.ts'
import { keysPerPage, listClusterKeys, listOwnKeys } from '../../src/core/listing.ts'
import type { MemberId } from '../../src/core/member.ts'
import { TransportError } from '../../src/core/ports.ts'
import { encodeRecord } from '../../src/core/record/codec.ts'
import { comparePositions, positionOf } from '../../src/core/ring/position.ts'
import type { Calls } from '../../src/core/rpc-types.ts'
import { MemoryStore } from '../../src/storage/memory.ts'
import { VirtualClock, VirtualTime } from '../simulation/clock.ts'
import { failureOf } from './requests/fakes.ts'
import { id } from './topology/script.ts'

const clock = new VirtualClock(new VirtualTime())
const names = (count: number, prefix = 'k'): string[] =>
  Array.from({ length: count }, (_, i) => `${prefix}${i}`)

async function storeWith(keys: readonly string[], change: { kind?: 'tombstone'; expiresAt?: number } = {}) {
  const store = new MemoryStore()
  await add(store, keys, change)
  return store
}

async function add(
  store: MemoryStore,
  keys: readonly string[],
  { kind, expiresAt = 0 }: { kind?: 'tombstone'; expiresAt?: number } = {}
): Promise<void> {
  const version = { time: 1, writer: new Uint8Array(16), rmw: 0 }
  const records = keys.map(key =>
    encodeRecord({
      key: new TextEncoder().encode(key),
      version,
      kind: kind ?? 'value',
      expiresAt,
      value: new Uint8Array()
    })
  )
  await store.mergeAll(records)
}

/** Members by name, each with a store; undefined: does not answer. */
function callsTo(stores: Record<string, MemoryStore | undefined>): Calls {
  const byPeer = new Map(Object.entries(stores).map(([name, store]) => [id(name).peerId, store]))
  return {
    call: async ({ peerId }, request) => {
      const store = byPeer.get(peerId)
      if (store === undefined) throw new TransportError('unreachable', 'x', { delivered: false })
      const page = await listOwnKeys(store, clock, request.listKeys!.after)
      return { epoch: 1, keyPage: page }
    }
  }
}

async function listAll(
  calls: Calls,
  members: readonly MemberId[],
  options: { down?: string; replicas?: number } = {}
): Promise<string[]> {
  const listed: Uint8Array[] = []
  let after: Uint8Array = new Uint8Array()
  for (let finished = false; !finished;) {
    const page = await listClusterKeys(calls, {
      members,
      isDown: ({ peerId }) => options.down !== undefined && peerId === id(options.down).peerId,
      replicas: options.replicas ?? 3,
      after,
      signal: new AbortController().signal
    })
    listed.push(...page.keys)
    after = page.after
    finished = page.finished
  }
  const sorted = [...listed].sort((a, b) => comparePositions(positionOf(a), positionOf(b)))
  expect(listed).toEqual(sorted)
  return listed.map(key => new TextDecoder().decode(key))
}

const abc = ['a', 'b', 'c'].map(id)

describe('the keys of a store', () => {
  it('are listed page by page, those that are live', async () => {
    const keys = names(keysPerPage + 10)
    const store = await storeWith(keys)
    await add(store, names(5, 'deleted'), { kind: 'tombstone' })
    await add(store, names(5, 'expired'), { expiresAt: clock.now() })
    await add(store, names(5, 'expiring'), { expiresAt: clock.now() + 1 })
    const first = await listOwnKeys(store, clock, new Uint8Array())
    expect(first.finished).toBe(false)
    const second = await listOwnKeys(store, clock, first.after)
    expect(second.finished).toBe(true)
    const listed = [...first.keys, ...second.keys].map(key => new TextDecoder().decode(key))
    expect(listed.sort()).toEqual([...keys, ...names(5, 'expiring')].sort())
  })
})

describe('the keys of a cluster', () => {
  it('are listed once each, in ring order, however they lie on the members', async () => {
    const keys = names(2_500)
    const part = (skip: number): Promise<MemoryStore> => storeWith(keys.filter((_, i) => i % 3 !== skip))
    const calls = callsTo({ a: await part(0), b: await part(1), c: await part(2) })
    const listed = await listAll(calls, abc)
    expect(listed).toHaveLength(keys.length)
    expect(listed.sort()).toEqual([...keys].sort())
  })

  it('are complete while fewer members than a quorum are away', async () => {
    const store = await storeWith(names(10))
    expect(await listAll(callsTo({ a: store, b: await storeWith([]), c: undefined }), abc)).toHaveLength(10)
  })

  it('are not listed with gaps', async () => {
    const store = await storeWith(names(10))
    const error = await failureOf(listAll(callsTo({ a: store, b: undefined, c: undefined }), abc))
    expect(error).toBeInstanceOf(AnnulusError)
    expect(error).toMatchObject({ code: 'ERR_QUORUM', indefinite: false })
    const single = await failureOf(
      listAll(callsTo({ a: store, b: store, c: undefined }), abc, { replicas: 1 })
    )
    expect(single).toMatchObject({ code: 'ERR_QUORUM' })
  })

  it('are not asked of a member that is known to be down', async () => {
    const asked: string[] = []
    const inner = callsTo({ a: await storeWith(names(3)), b: await storeWith([]) })
    const calls: Calls = {
      call: (to, request, options) => {
        asked.push(to.peerId)
        return inner.call(to, request, options)
      }
    }
    expect(await listAll(calls, abc, { down: 'c' })).toHaveLength(3)
    expect(asked.sort()).toEqual([id('a').peerId, id('b').peerId].sort())
  })
})
