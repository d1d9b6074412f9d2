/**
 * What the register promises, under random interleavings: several coordinators, clocks 30 s apart, messages
 * late and lost, replicas down for a while, and the ring changing as a real transition changes it. Each
 * history is judged twice: by a search for an order, which knows nothing of versions, and by the versions.
 */
import { describe, expect, it } from 'vitest'
import { AnnulusError } from '../../../src/core/errors.ts'
import { compareVersions, type Version } from '../../../src/core/record/version.ts'
import type { Coordinator } from '../../../src/core/register/coordinator.ts'
import { positionOf } from '../../../src/core/ring/position.ts'
import type { SeededRandom } from '../../simulation/random.ts'
import { isLinearizable, type RegisterOperation } from '../../support/linearizability.ts'
import { bytes, key, text, World } from './world.ts'

const runs = 60
const operationsEach = 6

interface Seen extends RegisterOperation {
  /** Undefined where the outcome is not known. */
  readonly version: Version | undefined
}

class History {
  readonly seen: Seen[] = []
  failures = 0

  /** One coordinator's operations, one after the other. */
  async drive(world: World, node: Coordinator, name: string, random: SeededRandom): Promise<void> {
    for (let i = 0; i < operationsEach; i++) {
      await pause(world, random.float() * 60)
      const options = { consistency: 'quorum', deadlineMs: 300 + random.float() * 1_000 } as const
      const calledAt = world.time.nowMs
      const what = random.float()
      const value = what < 0.4 ? `${name}${i}` : undefined
      const kind = what < 0.5 ? 'write' : 'read'
      try {
        if (kind === 'read') {
          const { record, version } = await node.get(key, options)
          this.seen.push({ kind, value: text(record), version, calledAt, returnedAt: world.time.nowMs })
        } else {
          const { version } =
            value === undefined ? await node.delete(key, options) : await node.put(key, bytes(value), options)
          this.seen.push({ kind, value, version, calledAt, returnedAt: world.time.nowMs })
        }
      } catch (error) {
        if (!(error instanceof AnnulusError)) throw error
        this.failures++
        // A definite failure had no effect: it is left out, and a get that shows it convicts it.
        if (error.indefinite)
          this.seen.push({ kind, value, version: undefined, calledAt, returnedAt: Infinity })
      }
    }
  }

  /** The first pair of operations, one after the other, whose versions go back, or stand still over a write. */
  contradiction(): [Seen, Seen] | undefined {
    for (const earlier of this.seen) {
      for (const later of this.seen) {
        if (later.returnedAt === Infinity || earlier.returnedAt >= later.calledAt) continue
        const order = compareVersions(later.version, earlier.version)
        if (order < 0 || (order === 0 && later.kind === 'write')) return [earlier, later]
      }
    }
    return undefined
  }
}

function pause(world: World, ms: number): Promise<void> {
  return new Promise(resolve => void world.time.after(ms, resolve))
}

/** Takes hosts down and up again, at most two at once, until the work is done. */
async function trouble(world: World, random: SeededRandom, isDone: () => boolean): Promise<void> {
  while (!isDone()) {
    await pause(world, random.float() * 100)
    const host = random.pick(world.hosts)
    const failure = random.chance(0.5) ? 'unreachable' : 'lost'
    if (world.hosts.filter(({ failing }) => failing !== undefined).length < 2) {
      host.failing = { failure, delivered: failure === 'lost' }
    }
    await pause(world, random.float() * 150)
    for (const other of world.hosts) if (random.chance(0.6)) other.failing = undefined
  }
  for (const host of world.hosts) host.failing = undefined
}

/**
 * One change of members after the other: the ring before and the ring after in force together, then the taker
 * pulls what two of the ring before hold, both sides at the latest epoch, then the ring after alone.
 */
async function transitions(world: World, random: SeededRandom, isDone: () => boolean): Promise<void> {
  let ring = ['a', 'b', 'c']
  while (!isDone()) {
    const taker = random.pick(
      world.hosts.map(({ member }) => member.peerId).filter(name => !ring.includes(name))
    )
    const after = [...ring.slice(1), taker]
    const { epoch } = world.decide(ring, after)
    await spread(world, random, epoch)
    await pause(world, random.float() * 40)
    const sources = [...ring].sort(() => random.float() - 0.5).slice(0, 2)
    for (const name of [...sources, taker]) learn(world, name, epoch)
    for (const name of sources) {
      const record = await world.host(name).store.read(positionOf(key))
      if (record !== undefined) await world.host(taker).store.merge(record)
    }
    await spread(world, random, world.decide(after).epoch)
    ring = after
    await pause(world, random.float() * 60)
  }
}

/** Some learn of an epoch at once; the others when a request brings it. */
async function spread(world: World, random: SeededRandom, epoch: number): Promise<void> {
  for (const { member } of world.hosts) if (random.chance(0.4)) learn(world, member.peerId, epoch)
  await pause(world, random.float() * 10)
}

function learn(world: World, name: string, epoch: number): void {
  const host = world.host(name)
  host.epoch = Math.max(host.epoch, epoch)
}

interface Story {
  readonly loss: number
  readonly hasTrouble: boolean
  readonly hasTransitions: boolean
}

/** Tells a story to its end and says what was seen. */
async function tell(seed: number, { loss, hasTrouble, hasTransitions }: Story): Promise<History> {
  const names = hasTransitions ? ['a', 'b', 'c', 'd', 'e'] : ['a', 'b', 'c']
  const world = new World(names, { seed, loss, latencyMs: random => 0.5 + random.float() ** 4 * 60 })
  const random = world.random.fork('story')
  const history = new History()
  let working = 4
  const isDone = (): boolean => working === 0
  const workers = [-30_000, 0, 10_000, 30_000].map(async (skewMs, i) => {
    const { node } = world.coordinator({ skewMs })
    await history.drive(world, node, 'wxyz'[i]!, random.fork(`worker ${i}`))
    working--
  })
  const others = [
    hasTrouble ? trouble(world, random.fork('trouble'), isDone) : undefined,
    hasTransitions ? transitions(world, random.fork('transitions'), isDone) : undefined
  ]
  await world.settle(Promise.all([...workers, ...others]))
  return history
}

describe('one key under several coordinators is linearizable', () => {
  const stories: Array<[string, Story]> = [
    ['with late messages', { loss: 0, hasTrouble: false, hasTransitions: false }],
    ['with messages lost', { loss: 0.05, hasTrouble: false, hasTransitions: false }],
    ['while replicas go down and come back', { loss: 0.02, hasTrouble: true, hasTransitions: false }],
    ['while the ring changes', { loss: 0, hasTrouble: false, hasTransitions: true }],
    ['while all of that happens', { loss: 0.02, hasTrouble: true, hasTransitions: true }]
  ]
  it.each(stories)('%s', { timeout: 60_000 }, async (_name, story) => {
    let known = 0
    for (let seed = 1; seed <= runs; seed++) {
      const history = await tell(seed, story)
      known += history.seen.filter(({ returnedAt }) => returnedAt !== Infinity).length
      expect(history.contradiction(), `versions, seed ${seed}`).toBeUndefined()
      expect(isLinearizable(history.seen), `history, seed ${seed}: ${JSON.stringify(history.seen)}`).toBe(
        true
      )
    }
    // The stories would show nothing if most operations failed.
    expect(known).toBeGreaterThan(0.5 * runs * 4 * operationsEach)
  })
})
