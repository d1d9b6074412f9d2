import { describe, expect, it } from 'vitest'
import { KnownPeers } from '../../src/core/known-peers.ts'
import type { AddressBook } from '../../src/core/ports.ts'
import { MemoryStore } from '../../src/storage/memory.ts'
import { VirtualClock, VirtualTime } from '../simulation/clock.ts'
import { silent } from './topology/fakes.ts'

class FakeBook implements AddressBook {
  readonly records = new Map<string, Uint8Array>()
  readonly learnt: string[] = []

  own(): Promise<Uint8Array> {
    return Promise.resolve(new Uint8Array())
  }

  learn(signed: Uint8Array): Promise<boolean> {
    this.learnt.push(new TextDecoder().decode(signed))
    return Promise.resolve(true)
  }

  of(peerId: string): Uint8Array | undefined {
    return this.records.get(peerId)
  }

  multiaddrs(): string[] {
    return []
  }

  set(peerId: string, text: string): void {
    this.records.set(peerId, new TextEncoder().encode(text))
  }
}

function make(store = new MemoryStore()) {
  const time = new VirtualTime()
  const book = new FakeBook()
  const state: { members: string[] | undefined } = { members: [] }
  const known = new KnownPeers({
    addresses: book,
    store,
    clock: new VirtualClock(time),
    logger: silent,
    members: () => state.members,
    isMember: peerId => state.members?.includes(peerId) ?? false
  })
  return { time, book, state, known, store }
}

const kept = async (store: MemoryStore): Promise<string[]> =>
  (await store.listMeta('address/')).map(([name, value]) => `${name} ${new TextDecoder().decode(value)}`)

describe('the known peers', () => {
  it('are on disk soon after a change, and in the address book after a restart', async () => {
    const { time, book, state, known, store } = make()
    state.members = ['a', 'b']
    book.set('a', 'at a')
    known.changed()
    known.changed()
    expect(time.pending).toBe(1)
    await time.run(2_000)
    expect(await kept(store)).toEqual(['address/a at a'])
    const again = make(store)
    await again.known.load()
    expect(again.book.learnt).toEqual(['at a'])
  })

  it('follow their addresses, and are forgotten when they are no members any more', async () => {
    const { book, state, known, store } = make()
    state.members = ['a', 'b']
    book.set('a', 'at a')
    book.set('b', 'at b')
    book.set('stranger', 'somewhere')
    await known.save()
    book.set('a', 'elsewhere')
    state.members = ['a']
    await known.save()
    expect(await kept(store)).toEqual(['address/a elsewhere'])
  })

  it('are on disk soon after a channel to one of them opened, and all of them once a minute', async () => {
    const { time, book, state, known, store } = make()
    state.members = ['a', 'b']
    await known.save()
    for (const peerId of ['a', 'b', 'stranger']) book.set(peerId, `at ${peerId}`)
    known.changed('a')
    known.changed('stranger')
    await time.run(2_000)
    expect(await kept(store)).toEqual(['address/a at a'])
    await time.run(60_000)
    known.changed('a')
    await time.run(2_000)
    expect(await kept(store)).toEqual(['address/a at a', 'address/b at b'])
  })

  it('stay while no topology says who is a member', async () => {
    const { book, state, known, store } = make()
    state.members = ['a']
    book.set('a', 'at a')
    await known.save()
    state.members = undefined
    await known.save()
    expect(await kept(store)).toEqual(['address/a at a'])
  })

  it('leave no timer behind', () => {
    const { time, known } = make()
    known.changed()
    known.stop()
    expect(time.pending).toBe(0)
  })

  it('wait for nothing once they have stopped, whatever changes then', () => {
    const { time, known } = make()
    known.changed()
    known.stop()
    expect(time.pending).toBe(0)
    known.changed()
    expect(time.pending).toBe(0)
  })
})
