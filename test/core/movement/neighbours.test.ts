import { describe, expect, it } from 'vitest'

import type { Domain } from '../../../src/core/movement/domain.ts'
import { Domains } from '../../../src/core/movement/domains.ts'
import { Neighbours } from '../../../src/core/movement/neighbours.ts'
import { topologyFromWire, topologyToWire } from '../../../src/core/topology/codec.ts'
import type { Topology } from '../../../src/core/topology/topology.ts'
import { VirtualClock, VirtualTime } from '../../simulation/clock.ts'
import { SeededRandom } from '../../simulation/random.ts'
import { id, nameOf, run } from '../topology/script.ts'

const three = run('found a; open +b +c; close')

async function followed(topology = three) {
  const time = new VirtualTime()
  const init = { isReturning: false }
  const neighbours = new Neighbours({ clock: new VirtualClock(time), random: new SeededRandom(1) }, init)
  neighbours.follow(new Domains(topology, id('a')))
  // The sessions after the change are over, and the next are due within half a minute.
  await time.run(2_000)
  for (let next = neighbours.next(() => true); next!.dueMs <= time.nowMs; next = neighbours.next(() => true))
    neighbours.begin(next!)
  const dueMs = (): number => neighbours.next(() => true)!.dueMs
  return { time, neighbours, dueMs }
}

describe('the neighbours of a member', () => {
  it('are due when they were where an equal ring comes, be it the same object or another', async () => {
    const { neighbours, dueMs } = await followed()
    const before = dueMs()
    const again = topologyFromWire(topologyToWire(three))
    expect(again.before).not.toBe(three.before)
    neighbours.follow(new Domains(again, id('a')))
    expect(dueMs()).toBe(before)
  })

  it('are due within a second where the ring changed', async () => {
    const { time, neighbours, dueMs } = await followed()
    neighbours.follow(new Domains(run('open +d; close', { from: three }), id('a')))
    expect(dueMs()).toBeLessThanOrEqual(time.nowMs + 1_000)
  })

  it('are due when they were where the ring changed only elsewhere', async () => {
    const eight = run('found a; open +b +c +d +e +f +g +h; close')
    const { neighbours } = await followed(eight)
    const shared = (topology: Topology): Map<string, Domain> =>
      new Map(new Domains(topology, id('a')).shared.map(({ member, domain }) => [nameOf(member), domain]))
    const nine = run('open +i; close', { from: eight })
    const before = shared(eight)
    const elsewhere = [...shared(nine)].filter(([name, domain]) => before.get(name)?.isSame(domain) === true)
    const dueMs = (name: string): number => neighbours.next(member => nameOf(member) === name)!.dueMs
    const dueBefore = new Map([...before.keys()].map(name => [name, dueMs(name)]))
    neighbours.follow(new Domains(nine, id('a')))
    expect(elsewhere.length).toBeGreaterThan(0)
    for (const name of before.keys()) {
      const isElsewhere = elsewhere.some(([other]) => other === name)
      if (isElsewhere) expect(dueMs(name)).toBe(dueBefore.get(name))
      else expect(dueMs(name)).toBeLessThan(dueBefore.get(name)!)
    }
  })

  it('are asked ten seconds after they answer again, however often they come and go meanwhile', async () => {
    const { time, neighbours, dueMs } = await followed()
    const others = [id('b'), id('c')]
    for (const other of others) neighbours.due(other)
    const firstMs = dueMs()
    expect(firstMs).toBeLessThanOrEqual(time.nowMs + 10_000)
    while (time.nowMs + 1_000 < firstMs) {
      await time.run(1_000)
      for (const other of others) neighbours.due(other)
    }
    expect(dueMs()).toBeLessThanOrEqual(firstMs)
  })

  it('are all due within a minute again, however many there are', () => {
    const members = Array.from({ length: 400 }, (_, i) => ({ peerId: `peer ${i}`, life: '' }))
    // No more of the domains is looked at.
    const domains = { shared: members.map(member => ({ member })), topology: three } as unknown as Domains
    const clock = new VirtualClock(new VirtualTime())
    const neighbours = new Neighbours({ clock, random: new SeededRandom(1) }, { isReturning: false })
    neighbours.follow(domains)
    const dueMs = members.map(({ peerId }) => {
      const neighbour = neighbours.next(member => member.peerId === peerId)!
      neighbours.begin(neighbour)
      return neighbour.dueMs
    })
    expect(new Set(dueMs).size).toBe(400)
    expect(Math.max(...dueMs)).toBeLessThan(55_000)
  })

  it('are given time to ask by themselves when they answer again after they were due for long', async () => {
    const { time, neighbours, dueMs } = await followed()
    await time.run(60_000)
    for (const other of [id('b'), id('c')]) neighbours.due(other)
    expect(dueMs()).toBeGreaterThan(time.nowMs + 4_000)
  })
})
