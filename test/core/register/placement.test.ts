import { describe, expect, it } from 'vitest'
import { LatencyBook } from '../../../src/core/register/latency.ts'
import { placementOf, type LivenessOf } from '../../../src/core/register/placement.ts'
import { positionOf } from '../../../src/core/ring/position.ts'
import { VirtualClock, VirtualTime } from '../../simulation/clock.ts'
import { Host, key, topologyOf } from './world.ts'

const [a, b, c, d] = ['a', 'b', 'c', 'd'].map(name => new Host(name)) as [Host, Host, Host, Host]
const position = positionOf(key)

function order(
  rings: Host[][],
  init: { self?: Host; liveness?: Record<string, 'suspect' | 'down'>; ms?: Record<string, number> }
): string {
  const latency = new LatencyBook({ clock: new VirtualClock(new VirtualTime()) })
  for (const [name, ms] of Object.entries(init.ms ?? {})) latency.note(new Host(name).key, ms)
  const livenessOf: LivenessOf = ({ peerId }) => init.liveness?.[peerId] ?? 'alive'
  const placement = placementOf(topologyOf(1, ...rings), position, {
    self: init.self?.member,
    livenessOf,
    latency
  })
  return placement.candidates.map(({ member }) => member.peerId).join('')
}

describe('the order in which replicas are asked', () => {
  it('is that of the ring where nothing tells them apart', () => {
    expect(order([[c, a, b]], {})).toBe('cab')
  })

  it('puts the coordinator itself first, then the fastest', () => {
    expect(order([[a, b, c]], { self: c, ms: { a: 5, b: 2 } })).toBe('cba')
  })

  it('puts suspect members behind alive ones and down ones last, however fast', () => {
    expect(order([[a, b, c]], { liveness: { a: 'down', b: 'suspect' }, ms: { c: 90 } })).toBe('cba')
  })

  it('puts members of both rings before those of one', () => {
    expect(
      order(
        [
          [a, b, c],
          [b, c, d]
        ],
        {}
      )
    ).toBe('bcad')
    expect(
      order(
        [
          [a, b, c],
          [b, c, d]
        ],
        { liveness: { b: 'suspect' } }
      )
    ).toBe('cadb')
  })
})

describe('a placement', () => {
  it('names the replicas of each ring, at one epoch', () => {
    const latency = new LatencyBook({ clock: new VirtualClock(new VirtualTime()) })
    const topology = topologyOf(7, [a, b, c, d], [d])
    const placement = placementOf(topology, position, { self: undefined, livenessOf: () => 'alive', latency })
    expect(placement.epoch).toBe(7)
    expect(placement.rings).toEqual([[a.key, b.key, c.key], [d.key]])
  })
})
