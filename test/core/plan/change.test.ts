import { describe, expect, it } from 'vitest'
import { maxMembers } from '../../../src/core/limits.ts'
import { expectedShare, prospectOf } from '../../../src/core/plan/change.ts'
import { Topology } from '../../../src/core/topology/topology.ts'
import { memberOf, membersOf } from '../ring/reference.ts'
import { clusterId } from '../topology/script.ts'

/** The topology of so many members. */
function topologyOf(members: number, { vnodes = 4, replicas = 1 } = {}): Topology {
  return new Topology({
    epoch: 3,
    generation: 1,
    clusterId,
    network: 'test',
    replicas,
    members: membersOf(members, vnodes).map(member => ({
      ...member,
      standing: 'up' as const,
      since: 1,
      standingAt: 1,
      lost: false
    })),
    transition: undefined,
    purgedBefore: 0,
    fence: 0
  })
}

describe('a joiner whose peer id is not known', () => {
  it('is one that gets a middling share, also where its vnodes are few', () => {
    // With one vnode shares are spread like an exponential: of single ones nearly half would be off by so much.
    const off = Array.from({ length: 12 }, (_, i) => topologyOf(i + 2)).filter(topology => {
      const prospect = prospectOf(topology, { kind: 'join', vnodes: 1 })
      const ratio = prospect.after.share(prospect.member, 1) / expectedShare(prospect, 1)
      return ratio < 0.3 || ratio > 1.6
    })
    expect(off.length).toBeLessThanOrEqual(3)
  })
})

describe('what is to be expected of a change', () => {
  it('is the part of all vnodes that joins or leaves, 1/(n + 1) for a joiner like the n others', () => {
    const nine = topologyOf(9, { vnodes: 8, replicas: 3 })
    expect(expectedShare(prospectOf(nine, { kind: 'join', vnodes: 8 }), 3)).toBeCloseTo(1 / 10, 12)
    expect(expectedShare(prospectOf(nine, { kind: 'join', vnodes: 16 }), 3)).toBeCloseTo(16 / 88, 12)
    const leave = prospectOf(nine, { kind: 'leave', peerId: memberOf(4).peerId })
    expect(expectedShare(leave, 3)).toBeCloseTo(1 / 9, 12)
    expect(leave.after.members).toHaveLength(8)
  })
})

describe('a cluster with as many members as there may be', () => {
  it('takes no joiner, and lets members leave', () => {
    const full = topologyOf(maxMembers, { vnodes: 1 })
    const joining = (): unknown => prospectOf(full, { kind: 'join' })
    expect(joining).toThrow(expect.objectContaining({ code: 'ERR_REFUSED' }))
    expect(prospectOf(full, { kind: 'leave', peerId: memberOf(4).peerId }).after.members).toHaveLength(
      maxMembers - 1
    )
  })
})
