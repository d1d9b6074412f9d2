import { describe, expect, it } from 'vitest'
import type { Calls } from '../../../src/core/rpc-types.ts'
import { entryToWire } from '../../../src/core/topology/codec.ts'
import { TopologyLog } from '../../../src/core/topology/log.ts'
import { Petitioner } from '../../../src/core/topology/petitioner.ts'
import { Response } from '../../../src/wire/generated/messages.ts'
import { VirtualClock } from '../../simulation/clock.ts'
import { FakeMetaStore, silent } from './fakes.ts'
import { entryOf, standings } from './script.ts'
import { World, type Host } from './world.ts'

/** Tells when a promise has settled, for stories in which it must not yet. */
function watch(promise: Promise<unknown>): { settled: boolean; error: unknown } {
  const watched = { settled: false, error: undefined as unknown }
  promise.then(
    () => (watched.settled = true),
    (error: unknown) => {
      watched.settled = true
      watched.error = error
    }
  )
  return watched
}

function expectAgreed(hosts: readonly Host[], expected: string): void {
  for (const host of hosts) expect(standings(host.log.current!)).toBe(expected)
}

describe('the members of a cluster change by petition', () => {
  it('three that join at once come in by one or two transitions', async () => {
    const world = new World({ seed: 1 })
    const a = await world.founder('a')
    const joiners = [await world.host('b', a), await world.host('c', a), await world.host('d', a)]
    await world.time.settle(Promise.all(joiners.map(joiner => joiner.join())))
    await world.time.run(1_000)
    expectAgreed([a, ...joiners], 'a:up b:up c:up d:up')
    expect(a.log.epoch).toBeLessThanOrEqual(1 + 2 * 2)
  })

  it('a leaver and a joiner at once both get their way', async () => {
    const world = new World({ seed: 2 })
    const [a, b, c] = await world.cluster('a', 'b', 'c')
    const d = await world.host('d', a)
    await world.time.settle(Promise.all([d.join(), c!.leave()]))
    await world.time.run(1_000)
    expectAgreed([a!, b!, d], 'a:up b:up c:left d:up')
    // Who left learns so.
    expect(c!.log.current!.member(c!.self)?.standing).toBe('left')
  })

  it('a joiner that dies is dropped after 30 s, and what waited behind it goes on', async () => {
    const world = new World({ seed: 3 })
    const [a, b] = await world.cluster('a', 'b')
    const c = await world.host('c', a)
    void c.join()
    await world.time.until(() => a!.log.current!.transition !== undefined, 5_000)
    c.crash()
    const d = await world.host('d', a)
    const joining = watch(d.join())
    await world.time.run(20_000)
    expect(joining.settled).toBe(false)
    await world.time.until(() => joining.settled, 40_000)
    await world.time.run(1_000)
    expectAgreed([a!, b!, d], 'a:up b:up c:removed d:up')
  })

  it('a peer that comes back with an empty disk replaces its older life', async () => {
    const world = new World({ seed: 4 })
    const [a, b, c] = await world.cluster('a', 'b', 'c')
    await b!.renew("b'", a!)
    await world.time.settle(b!.join())
    await world.time.run(1_000)
    expectAgreed([a!, b!, c!], "a:up b':up b:removed c:up")
  })

  it('a joiner that starts over while it joins is dropped at once and joins anew', async () => {
    const world = new World({ seed: 5, takersReport: false })
    const a = await world.founder('a')
    const b = await world.host('b', a)
    void b.join()
    await world.time.until(() => a.log.current!.transition !== undefined, 5_000)
    await b.renew("b'", a)
    void b.join()
    await world.time.until(() => standings(a.log.current!) === "a:up b':joining b:removed", 10_000)
  })

  it('a dead member is removed once it has been down for long, and not before', async () => {
    const world = new World({ seed: 6, removeAfterMs: 60_000 })
    const [a, b, c] = await world.cluster('a', 'b', 'c')
    c!.crash()
    await world.time.run(50_000)
    expectAgreed([a!, b!], 'a:up b:up c:up')
    await world.time.run(20_000)
    expectAgreed([a!, b!], 'a:up b:up c:removed')
  })

  it('nobody is removed by those who see but a minority', async () => {
    const world = new World({ seed: 7, removeAfterMs: 60_000 })
    const [a, b, c, d] = await world.cluster('a', 'b', 'c', 'd')
    c!.crash()
    d!.crash()
    await world.time.run(300_000)
    expectAgreed([a!, b!], 'a:up b:up c:up d:up')
    expect(a!.steward.waiting.join()).toMatch(/most members must be alive/)
  })

  it('a majority of the acceptors gone, the joiner is told what it waits for, and gets in later', async () => {
    const world = new World({ seed: 8 })
    const [a, b, c] = await world.cluster('a', 'b', 'c')
    b!.crash()
    c!.crash()
    const d = await world.host('d', a)
    const heard: string[] = []
    const { peerId, life, vnodes } = d.self
    const joining = d.petitioner.petition(
      { join: { id: { peerId, life }, vnodes } },
      { onWaiting: why => heard.push(why) }
    )
    await world.time.run(60_000)
    expect(a!.log.current!.transition).toBeUndefined()
    expect(heard.join('\n')).toMatch(/majority of the members that decide/)
    await b!.start()
    await world.time.settle(joining, 30_000)
    expect(standings(d.log.current!)).toBe('a:up b:up c:up d:up')
  })

  it('the next acceptor proposes where the oldest is down', async () => {
    const world = new World({ seed: 9 })
    const [a, b] = await world.cluster('a', 'b', 'c')
    a!.crash()
    const d = await world.host('d', b)
    await world.time.settle(d.join(), 30_000)
    expect(standings(d.log.current!)).toBe('a:up b:up c:up d:up')
  })

  it('acceptors that all propose at once come to an end', async () => {
    const world = new World({ seed: 10 })
    const hosts = await world.cluster('a', 'b', 'c', 'd', 'e')
    await world.time.run(2_000)
    const base = hosts[0]!.log.epoch
    const outcomes = hosts.map((host, i) =>
      host.proposer.propose({
        kind: 'open',
        epoch: base + 1,
        joins: [{ peerId: host.self.peerId, life: `${i}`.repeat(16), vnodes: 4 }],
        leaves: [],
        removals: [],
        lost: []
      })
    )
    for (const host of hosts) host.steward.stop()
    const came = await world.time.settle(Promise.all(outcomes), 60_000)
    expect(came.filter(outcome => outcome === 'decided').length).toBe(1)
    expect(came.filter(outcome => outcome === 'lost').length).toBe(4)
  })

  it('an amendment voids the reports that came before it', async () => {
    const world = new World({ seed: 11, takersReport: false })
    const a = await world.founder('a')
    const [b, c] = [await world.host('b', a), await world.host('c', a)]
    void b.join()
    void c.join()
    await world.time.until(() => b.log.current?.transition !== undefined, 5_000)
    expect(a.log.current!.takers.length).toBe(2)
    b.report()
    await world.time.run(2_000)
    c.crash()
    const { opened } = a.log.current!.transition!
    await world.time.until(() => a.log.current!.transition!.latest > opened, 60_000)
    await world.time.run(20_000)
    expect(standings(a.log.current!)).toBe('a:up b:joining c:removed')
    b.report()
    await world.time.until(() => a.log.current!.transition === undefined, 10_000)
  })

  it('an amendment voids the reports that came before it, also where it came before the steward was started', async () => {
    const world = new World({ seed: 12, takersReport: false })
    const a = await world.founder('a')
    const [b, c] = [await world.host('b', a), await world.host('c', a)]
    void b.join()
    void c.join()
    await world.time.until(() => b.log.current?.takers.length === 2, 5_000)
    // A life that comes back answers while it greets the others, and only then begins to decide.
    a.steward.stop()
    b.report()
    c.report()
    await world.time.run(2_000)
    c.crash()
    const amendment = entryToWire(entryOf(a.log.current, 'amend drop c'))
    await world.time.settle(a.log.learn({ entries: [amendment] }))
    a.steward.start()
    await world.time.run(20_000)
    expect(standings(a.log.current!)).toBe('a:up b:joining c:removed')
    b.report()
    await world.time.until(() => a.log.current!.transition === undefined, 10_000)
  })
})

describe('a petition is refused', () => {
  it('where a joiner brings other settings, naming both values', async () => {
    const world = new World({ seed: 20 })
    const a = await world.founder('a')
    const b = await world.host('b', a)
    const { peerId, life, vnodes } = b.self
    const joining = b.petitioner.petition({ join: { id: { peerId, life }, vnodes }, joinReplicas: 5 })
    await expect(world.time.settle(joining)).rejects.toMatchObject({
      code: 'ERR_CONFIG',
      message: expect.stringMatching(/3 copies.*5/) as unknown
    })
    expect(standings(a.log.current!)).toBe('a:up')
  })

  it('where the last member would leave, or a stranger is to go', async () => {
    const world = new World({ seed: 21 })
    const a = await world.founder('a')
    await expect(world.time.settle(a.leave())).rejects.toMatchObject({ code: 'ERR_REFUSED' })
    const stranger = { peerId: a.self.peerId, life: 'f'.repeat(16) }
    await expect(world.time.settle(a.petitioner.petition({ remove: stranger }))).rejects.toMatchObject({
      code: 'ERR_REFUSED'
    })
  })

  it('where a removal would lose data, unless the loss is accepted', async () => {
    const world = new World({ seed: 22, replicas: 1 })
    const [a, b, c] = await world.cluster('a', 'b', 'c')
    c!.crash()
    await world.time.run(5_000)
    const { peerId, life } = c!.self
    const removing = a!.petitioner.petition({ remove: { peerId, life } })
    await expect(world.time.settle(removing)).rejects.toMatchObject({
      code: 'ERR_REFUSED',
      message: expect.stringContaining(peerId) as unknown
    })
    await world.time.settle(a!.petitioner.petition({ remove: { peerId, life }, acceptLoss: true }))
    await world.time.run(1_000)
    expectAgreed([a!, b!], 'a:up b:up c:removed')
  })

  it('where a peer asks for another to join', async () => {
    const world = new World({ seed: 23 })
    const [a, b] = await world.cluster('a', 'b')
    const from = { ...b!.self, role: 'peer' as const }
    const join = { id: { peerId: a!.self.peerId, life: 'e'.repeat(16) }, vnodes: 4 }
    const message = { join, joinReplicas: 0, acceptLoss: false, relayed: false }
    await expect(a!.steward.handlePetition(from, message)).rejects.toThrow(/may not ask/)
    const answer = await a!.steward.handlePetition(from, { ...message, relayed: true })
    expect(answer.petition?.refusal).toBe('')
  })

  it('where one in two is dead, its removal by hand is granted: the other holds all', async () => {
    const world = new World({ seed: 24 })
    const [a, b] = await world.cluster('a', 'b')
    b!.crash()
    await world.time.run(5_000)
    const { peerId, life } = b!.self
    await world.time.settle(a!.petitioner.petition({ remove: { peerId, life } }))
    expect(standings(a!.log.current!)).toBe('a:up b:removed')
  })
})

describe('a leave', () => {
  it('waits while those who stay are down, and its petitioner hears so', async () => {
    const world = new World({ seed: 25 })
    const [a, b] = await world.cluster('a', 'b')
    b!.crash()
    await world.time.run(5_000)
    const waits: string[] = []
    const { peerId, life } = a!.self
    const onWaiting = (reason: string): void => void waits.push(reason)
    const leaving = watch(a!.petitioner.petition({ leave: { peerId, life } }, { onWaiting }))
    await world.time.run(5_000)
    expect(waits).toEqual([
      `most of those who stay to be alive before ${peerId} can leave (down: ${b!.self.peerId})`
    ])
    expect(standings(a!.log.current!)).toBe('a:up b:up')
    // The way out: the dead one goes, and who is left is the last member.
    await world.time.settle(a!.petitioner.petition({ remove: b!.self }))
    await world.time.until(() => leaving.settled, 5_000)
    expect(leaving.error).toMatchObject({ code: 'ERR_REFUSED' })
    expect(standings(a!.log.current!)).toBe('a:up b:removed')
  })

  it('goes on with one of several that stay being down', async () => {
    const world = new World({ seed: 26 })
    const [a, , , d, e] = await world.cluster('a', 'b', 'c', 'd', 'e')
    e!.crash()
    await world.time.run(5_000)
    void d!.leave()
    await world.time.until(() => a!.log.current!.transition !== undefined, 5_000)
    expectAgreed([a!], 'a:up b:up c:up d:leaving e:up')
  })
})

describe('a join', () => {
  it('of who has been removed meanwhile ends so, though the acceptor that tells it refuses', async () => {
    const world = new World({ seed: 32 })
    const [a] = await world.cluster('a', 'b')
    const before = a!.log.sliceAfter(0)!
    const d = await world.host('d', a)
    await world.time.settle(d.join())
    d.crash()
    await world.time.run(5_000)
    await world.time.settle(a!.petitioner.petition({ remove: d.self }))

    const log = new TopologyLog({ store: new FakeMetaStore(), logger: silent })
    await log.learn(before)
    const from = { ...d.self, role: 'peer' as const }
    // As requests to other members do: what an answer brings of the log is learnt before the answer is given.
    const call: Calls['call'] = async (_, { petition }) => {
      const answer = await a!.steward.handlePetition(from, petition!)
      await log.learn(a!.log.sliceAfter(log.epoch)!)
      return Response.decode(Response.encode({ ...answer, epoch: log.epoch }))
    }
    const parts = { clock: new VirtualClock(world.time), random: world.random, logger: silent }
    const { peerId, life, vnodes } = d.self
    const petitioner = new Petitioner({ ...parts, calls: { call }, log })
    await world.time.settle(petitioner.petition({ join: { id: { peerId, life }, vnodes } }), 5_000)
    expect(log.current!.member(d.self)?.standing).toBe('removed')
  })
})

describe('a petition that is given up', () => {
  it('ends with an open outcome when the life of the peer that asks is over', async () => {
    const world = new World({ seed: 31 })
    const [a, b] = await world.cluster('a', 'b')
    a!.crash()
    const { peerId, life } = a!.self
    const removing = watch(b!.petitioner.petition({ remove: { peerId, life } }))
    await world.time.run(3_000)
    expect(removing.error).toBeUndefined()
    await world.time.settle(b!.log.end())
    await world.time.run(5_000)
    expect(removing.error).toMatchObject({ code: 'ERR_OUTCOME_UNKNOWN', indefinite: true })
  })

  it('ends at once, and leaves nothing behind', async () => {
    const world = new World({ seed: 30 })
    const [a, b] = await world.cluster('a', 'b')
    a!.crash()
    const controller = new AbortController()
    const { peerId, life } = b!.self
    const leaving = watch(b!.petitioner.petition({ leave: { peerId, life } }, { signal: controller.signal }))
    await world.time.run(3_000)
    controller.abort()
    await world.time.run(0)
    expect(leaving.error).toMatchObject({ code: 'ERR_ABORTED', indefinite: true })
    b!.crash()
    await world.time.run(5_000)
    expect(world.time.pending).toBe(0)
  })
})
