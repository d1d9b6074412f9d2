import { describe, expect, it } from 'vitest'
import { readRoles } from '../../src/access-lists.ts'
import type { AllowLists } from '../../src/api.ts'
import { Access } from '../../src/core/access.ts'
import { Entrance, refusalOf } from '../../src/core/entrance.ts'
import type { Greeting, Remote } from '../../src/core/ports.ts'
import { peerIdOf } from '../support/peer-ids.ts'
import { silent } from './topology/fakes.ts'

const greeting: Greeting = {
  network: 'test',
  clusterId: 'aa',
  generation: 0,
  role: 'peer',
  life: '01',
  boot: 1,
  epoch: 1
}

const remoteOf = (index: number, init: Partial<Remote> = {}): Remote => ({
  ...greeting,
  peerId: peerIdOf(index),
  ...init
})

/** The entrance of a peer with these lists, and all that it did. */
function make(lists: AllowLists, remotes: readonly Remote[] = []) {
  const done: string[] = []
  const named = (peerId: string): string =>
    [0, 1, 2].map(peerIdOf).indexOf(peerId).toString().replace('-1', 'nobody')
  const access = new Access(
    { read: readRoles, onTurnedAway: peerId => done.push(`turned away ${named(peerId)}`) },
    lists
  )
  const entrance = new Entrance({
    access,
    transport: {
      remotes: () => [...remotes],
      disconnect: peerId => done.push(`closed to ${named(peerId)}`)
    },
    refusals: { note: (peerId, kind) => done.push(`noted ${kind} of ${named(peerId)}`) },
    logger: silent,
    greeting: () => greeting
  })
  return { access, entrance, done }
}

describe('who is let in', () => {
  it('is whoever is of this network and cluster, or of none yet', () => {
    const { entrance, done } = make({})
    expect(entrance.admit(remoteOf(0))).toBeUndefined()
    expect(entrance.admit(remoteOf(0, { clusterId: '' }))).toBeUndefined()
    expect(refusalOf({ ...greeting, clusterId: '' }, greeting)).toBeUndefined()
    expect(done).toEqual([])
  })

  it('is nobody of another network or cluster: the refusal names both, and it is counted', () => {
    const { entrance, done } = make({})
    expect(entrance.admit(remoteOf(0, { network: 'other' }))).toEqual({
      code: 'network',
      reason: 'it is in the network "test", not in "other"'
    })
    expect(entrance.admit(remoteOf(1, { clusterId: 'bb' }))).toEqual({
      code: 'cluster',
      reason: 'it is in the cluster aa, not in bb'
    })
    expect(done).toEqual(['noted foreign of 0', 'noted foreign of 1'])
  })

  it('is nobody whom the lists leave out, whatever network it is of: that is told', () => {
    const { entrance, done } = make({ allow: [peerIdOf(0)] })
    expect(entrance.admit(remoteOf(0))).toBeUndefined()
    expect(entrance.admit(remoteOf(1, { network: 'other' }))?.code).toBe('role')
    expect(done).toEqual(['turned away 1'])
  })
})

describe('who has been let in', () => {
  it('may ask no more, and its channels are closed, once the lists leave it out', () => {
    const { access, entrance, done } = make({}, [remoteOf(0), remoteOf(1)])
    expect(() => entrance.ensureMayAsk(remoteOf(1))).not.toThrow()
    access.set({ allow: [peerIdOf(0)] })
    expect(done).toEqual(['closed to 1'])
    expect(() => entrance.ensureMayAsk(remoteOf(0))).not.toThrow()
    expect(() => entrance.ensureMayAsk(remoteOf(1))).toThrow(
      expect.objectContaining({ code: 'forbidden', blame: 'role' })
    )
  })

  it('keeps its channels where the lists change after the stop', () => {
    const { access, entrance, done } = make({}, [remoteOf(1)])
    entrance.stop()
    access.set({ allow: [] })
    expect(done).toEqual([])
  })
})
