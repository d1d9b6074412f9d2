import { describe, expect, it } from 'vitest'
import { checkEntry, openEntry, type Entry } from '../../../src/core/topology/entry.ts'
import { isGone, type Topology } from '../../../src/core/topology/topology.ts'
import { AcceptorState } from '../../../src/wire/generated/messages.ts'
import { entryOf, nameOf, standings } from './script.ts'
import { World, type Host } from './world.ts'

/** A peer that never runs: it is only ever named as a joiner, and dropped again. */
const ghost = 'z'

/** Some entry that may come next, of those that leave enough running peers to decide. */
function someEntry(world: World, topology: Topology, salt: number): Entry | undefined {
  const { random } = world
  const joining = topology.members.filter(({ standing }) => standing === 'joining').map(nameOf)
  const ghosts = joining.filter(name => name.startsWith(ghost))
  const up = topology.members.filter(({ standing }) => standing === 'up').map(nameOf)
  const gone = [...world.hosts.values()].filter(({ self }) => topology.member(self) === undefined)
  const statements =
    topology.transition === undefined
      ? [
          `open +${ghost}${"'".repeat(salt)}`,
          up.length > 4 ? `open -${random.pick(up)} +${ghost}${"'".repeat(salt)}` : `open +${ghost}`,
          ...gone.map(({ self }) => `open +${nameOf(self)}`)
        ]
      : ghosts.length > 0
        ? [`amend ${ghosts.join(' ')}`]
        : ['close', 'close', ...(up.length > 4 ? [`amend !${random.pick(up)}`] : [])]
  const entry = entryOf(topology, random.pick(statements))
  return checkEntry(topology, entry) === undefined ? entry : undefined
}

/** Proposes something now and then, for as long as the peer runs. */
function keepProposing(world: World, host: Host, salt: number, untilMs: number): void {
  const { time, random } = world
  const boot = host.boot
  const again = (): void => {
    if (time.nowMs > untilMs || !host.isUp || host.boot !== boot) return
    const topology = host.log.current
    const entry = topology === undefined ? undefined : someEntry(world, topology, salt)
    const proposed = entry === undefined ? Promise.resolve() : host.proposer.propose(entry)
    void proposed
      .catch((error: unknown) => world.failed(error))
      .then(() => time.after(random.float() * 300, again))
  }
  again()
}

/** Peers crash and come back; those that the log no longer counts come back as another life. */
async function chaos(world: World, untilMs: number): Promise<void> {
  const { time, random } = world
  let salt = 1
  for (const host of world.hosts.values()) keepProposing(world, host, salt++, untilMs)
  while (time.nowMs < untilMs) {
    await time.run(200 + random.float() * 800)
    const host = random.pick([...world.hosts.values()])
    if (host.isUp) host.crash()
    else await host.start()
    const standing = host.log.current?.member(host.self)
    if (host.isUp && standing !== undefined && isGone(standing)) {
      const like = [...world.hosts.values()].find(other => other !== host && other.isUp)
      if (like !== undefined) await host.renew(`${nameOf(host.self)}'`, like)
    }
    if (host.isUp) keepProposing(world, host, salt++ % 20, untilMs)
  }
}

describe('agreement on the next entry', () => {
  for (let seed = 1; seed <= 12; seed++) {
    it(`never decides two for one epoch, and goes on once the peers answer again (seed ${seed})`, async () => {
      const world = new World({
        seed,
        latencyMs: random => (random.chance(0.05) ? 3_000 * random.float() : 40 * random.float())
      })
      const [first] = await world.cluster('a', 'b', 'c', 'd', 'e', 'f')
      for (const host of world.hosts.values()) host.steward.stop()
      const before = first!.log.epoch
      world.loss = 0.1
      world.repeats = 0.2
      await chaos(world, world.time.nowMs + 40_000)
      expect(world.decided.size).toBeGreaterThan(before + 2)

      world.loss = 0
      world.repeats = 0
      for (const host of world.hosts.values()) {
        if (!host.isUp) await host.start()
        host.steward.stop()
      }
      await world.time.run(10_000)
      await agreeOnOneMore(world)
      expect(world.violations).toEqual([])
    })
  }

  it('never decides two where several propose for one epoch and acceptors restart in between', async () => {
    for (let seed = 1; seed <= 40; seed++) await contend(seed)
  })

  it('does not need all, but most', async () => {
    const world = new World({ seed: 1 })
    const [a, b, c] = await world.cluster('a', 'b', 'c')
    c!.crash()
    const entry = entryOf(a!.log.current, 'open -c')
    expect(await world.time.settle(a!.proposer.propose(entry))).toBe('decided')
    b!.crash()
    const next = entryOf(a!.log.current, 'close')
    expect(await world.time.settle(a!.proposer.propose(next))).toBe('no-majority')
    await b!.start()
    expect(await world.time.settle(a!.proposer.propose(next))).toBe('decided')
    await world.time.run(1_000)
    expect(standings(b!.log.current!)).toBe('a:up b:up c:left')
  })

  it('takes up what may have been decided already rather than its own wish', async () => {
    const world = new World({ seed: 2 })
    const [a, b, c] = await world.cluster('a', 'b', 'c')
    for (const host of [a!, b!, c!]) host.steward.stop()
    const wish = entryOf(a!.log.current, 'open -c')
    const lost = a!.proposer.propose(wish)
    // Both others have accepted; the one that proposed is gone before it or they know that it is decided.
    await world.time.until(() => [b!, c!].every(host => hasAccepted(host)), 1_000)
    a!.crash()
    void lost.catch(() => undefined)
    const other = entryOf(b!.log.current, 'open -b')
    expect(await world.time.settle(b!.proposer.propose(other))).toBe('lost')
    expect(standings(b!.log.current!)).toBe('a:up b:up c:leaving')
  })
})

/** All acceptors propose something else for the same few epochs, over and over, while they crash and come back. */
async function contend(seed: number): Promise<void> {
  const world = new World({ seed, latencyMs: random => (random.chance(0.2) ? 400 : 10) * random.float() })
  const first = await world.founder('a')
  const hosts = [first, await world.host('b', first), await world.host('c', first)]
  const joins = hosts.slice(1).map(({ self }) => self)
  for (const host of hosts) host.steward.stop()
  await world.time.settle(first.proposer.propose(openEntry(2, { joins })))
  await world.time.settle(first.proposer.propose({ kind: 'close', epoch: 3 }))
  await world.time.run(3_000)
  const untilMs = world.time.nowMs + 4_000
  const propose = (host: Host, salt: number): void => {
    const boot = host.boot
    const again = (): void => {
      if (!host.isUp || host.boot !== boot || world.time.nowMs > untilMs) return
      const topology = host.log.current!
      const statement = topology.transition === undefined ? 'open +' : 'amend '
      const named = topology.members.find(({ standing }) => standing === 'joining')
      const name = named === undefined ? `${ghost}${"'".repeat(salt)}` : nameOf(named)
      void host.proposer
        .propose(
          named === undefined && topology.transition !== undefined
            ? { kind: 'close', epoch: topology.epoch + 1 }
            : entryOf(topology, statement + name)
        )
        .catch((error: unknown) => world.failed(error))
        .then(() => world.time.after(world.random.float() * 20, again))
    }
    again()
  }
  let salt = 0
  for (const host of hosts) propose(host, salt++)
  while (world.time.nowMs < untilMs) {
    await world.time.run(world.random.float() * 60)
    const host = world.random.pick(hosts)
    host.crash()
    await world.time.run(world.random.float() * 20)
    await host.start()
    host.steward.stop()
    propose(host, salt++)
  }
  await world.time.run(5_000)
  expect(world.violations, `seed ${seed}`).toEqual([])
}

/** Whether an acceptor has something on disk beyond a promise. */
function hasAccepted(host: Host): boolean {
  const state = host.store.entries.get('paxos/state')
  return (
    state !== undefined &&
    AcceptorState.decode(state).acceptedEntry !== undefined &&
    AcceptorState.decode(state).epoch === host.log.epoch + 1
  )
}

/** The peers that still count decide one more entry. */
async function agreeOnOneMore(world: World): Promise<void> {
  const host = [...world.hosts.values()].sort((x, y) => y.log.epoch - x.log.epoch)[0]!
  for (let tries = 0; tries < 10; tries++) {
    const topology = host.log.current!
    const statement = topology.transition === undefined ? `open +y${"'".repeat(tries)}` : 'close'
    const outcome = await world.time.settle(host.proposer.propose(entryOf(topology, statement)))
    if (outcome === 'decided') return
    await world.time.run(3_000)
  }
  expect.fail('nothing was decided though all peers answered')
}
