/**
 * The stage of the schedules in this folder: a simulated cluster whose messages can be held, released or lost by
 * name, and whose disks can be made to wait, so that a test brings about exactly the order of events that it tells.
 *
 * Peers are called a, b, c ... and clients K, L, M ... in the order in which they come; several of them are a text
 * of their letters.
 */
import type { ClientCore } from '../../../src/core/client.ts'
import { AnnulusError } from '../../../src/core/errors.ts'
import type { PeerCore } from '../../../src/core/peer.ts'
import { formatPosition, positionOf } from '../../../src/core/ring/position.ts'
import { Ring } from '../../../src/core/ring/ring.ts'
import { Request } from '../../../src/wire/generated/messages.ts'
import { peerIdOf } from '../../support/peer-ids.ts'
import { SimulatedCluster, type ClusterInit, type SimulatedPeer } from '../cluster.ts'
import type { Carried } from '../network.ts'
import { aboutKeys, Interception, type Fate, type Which } from './messages.ts'

/** The longest deadline there is, in ms: what happens to an operation ends it, and not the time. */
const patient = { deadline: 60_000 } as const

/** How long a step of a schedule may take, in virtual ms. */
const stepMs = 120_000

/** Virtual nodes of each peer: few keep a run quick. */
const vnodes = 16

const firstPeer = 'a'.charCodeAt(0)
const firstClient = 'K'.charCodeAt(0)

/** Something under way, whose answer the schedule waits for when its time has come. */
export interface Asked<T> {
  readonly answer: Promise<T>
  isOver: boolean
}

/** A client of the stage, and the letter by which its messages go. */
export interface Caller {
  readonly core: ClientCore
  readonly letter: string
}

export class Stage {
  readonly cluster: SimulatedCluster
  readonly #interceptions: Interception[] = []
  readonly #clients = new Map<string, string>()

  private constructor(cluster: SimulatedCluster) {
    this.cluster = cluster
    cluster.network.intercept = message => this.#meet(message)
  }

  /** Peers that are up, having joined one after the other: the first have stood longest. */
  static async of(peers: string, init: Partial<ClusterInit> = {}): Promise<Stage> {
    const stage = new Stage(new SimulatedCluster({ seed: 1, vnodes, ...init }))
    for (const name of peers) await stage.join(name)
    return stage
  }

  // ---- who is there

  peer(name: string): SimulatedPeer {
    const peer = this.cluster.peers[name.charCodeAt(0) - firstPeer]
    if (peer === undefined) throw new RangeError(`there is no peer ${name}`)
    return peer
  }

  core(name: string): PeerCore {
    return this.peer(name).core
  }

  /** Starts a peer, which asks to join. */
  async start(name: string): Promise<void> {
    if (letterOf(this.cluster.peers.length) !== name) throw new RangeError(`${name} is not the next letter`)
    await this.settle(this.cluster.add())
  }

  async join(name: string): Promise<void> {
    await this.start(name)
    await this.cluster.ready(this.peer(name))
  }

  kill(...names: string[]): void {
    for (const name of names) this.cluster.kill(this.peer(name))
  }

  async restart(name: string): Promise<void> {
    await this.settle(this.cluster.restart(this.peer(name)))
  }

  /** A client that knows the topology in force now, and hears of the next one only by what it asks. */
  async client(): Promise<Caller> {
    const core = await this.cluster.client()
    return { core, letter: [...this.#clients.values()].at(-1)! }
  }

  /** Standing or liveness of a peer as another one sees it; undefined where it is no member. */
  view(of: string, by: string): { standing: string; liveness: string } | undefined {
    const { peerId } = this.peer(of)
    return this.core(by)
      .membersNow()
      .find(member => member.peerId === peerId)
  }

  /** Whether a peer has begun a life, in which it answers. */
  isServing(name: string): boolean {
    try {
      return this.core(name).membersNow().length > 0
    } catch {
      return false
    }
  }

  /** Waits until these know of an open transition. */
  async opened(by: string): Promise<void> {
    await this.until(`a transition is open for ${by}`, () =>
      Array.from(by).every(name => !this.#isSettled(name))
    )
  }

  /** Waits until these know of no open transition. */
  async closed(by: string): Promise<void> {
    await this.until(`no transition is open for ${by}`, () =>
      Array.from(by).every(name => this.#isSettled(name))
    )
  }

  #isSettled(name: string): boolean {
    return this.core(name)
      .membersNow()
      .every(({ standing }) => standing === 'up')
  }

  // ---- messages and disks

  /** Keeps such messages until they are released. */
  hold(which: Which): Interception {
    return this.#intercept(which, 'hold')
  }

  lose(which: Which): Interception {
    return this.#intercept(which, 'lose')
  }

  /** Counts such messages, which go on. */
  watch(which: Which): Interception {
    return this.#intercept(which, 'watch')
  }

  /** The disk of a peer takes its time with what it is told to write until `stop`; `release` has that written. */
  holdWrites(name: string): { count: () => number; stop: () => void; release: () => void } {
    const { disk } = this.peer(name)
    const write = disk.write.bind(disk)
    const held: Array<Parameters<typeof write>[0]> = []
    disk.write = each => void held.push(each)
    const stop = (): void => void (disk.write = write)
    const release = (): void => {
      stop()
      for (const each of held.splice(0)) write(each)
    }
    return { count: () => held.length, stop, release }
  }

  // ---- keys

  /** A key with these replicas on each of these rings: ['abcd', 'bcd'] says "where the ring has a to d, on b, c and d". */
  keyOn(...rings: ReadonlyArray<readonly [members: string, replicas: string]>): string {
    const made = rings.map(([members, replicas]) => ({
      ring: Ring.of(Array.from(members).map(name => ({ peerId: peerIdOf(indexOf(name)), life: '', vnodes }))),
      replicas: new Set(Array.from(replicas).map(name => peerIdOf(indexOf(name))))
    }))
    for (let i = 0; i < 10_000; i++) {
      const position = positionOf(bytes(`key ${i}`))
      const isOn = made.every(({ ring, replicas }) =>
        ring.replicas(position, replicas.size).every(({ peerId }) => replicas.has(peerId))
      )
      if (isOn) return `key ${i}`
    }
    throw new Error('there is no such key')
  }

  /** The version of a key on a peer's disk; undefined where it holds none. */
  async versionOn(name: string, key: string): Promise<string | undefined> {
    const start = `${formatPosition(positionOf(bytes(key)))} `
    const row = (await this.peer(name).disk.contents()).find(each => each.startsWith(start))
    return row?.slice(start.length)
  }

  /** Puts a value that reaches these replicas and no other, and gives its version. */
  async putOn(replicas: string, key: string, value: string): Promise<string> {
    return this.#reaching(replicas, async ({ core }) => {
      const { version } = await this.settle(core.put(key, bytes(value), patient))
      for (const name of replicas) while ((await this.versionOn(name, key)) !== version) await this.pass(1)
      return version
    })
  }

  /** What a get gives that reaches these replicas and no other; undefined for nothing. Throws AnnulusError. */
  async getFrom(replicas: string, key: string): Promise<string | undefined> {
    return this.#reaching(replicas, ({ core }) => this.settle(this.get(core, key, 10_000).answer))
  }

  /** Begins a put. */
  put(through: PeerCore | ClientCore, key: string, value: string): Asked<{ version: string }> {
    return asked(through.put(key, bytes(value), patient))
  }

  /** Begins a get. */
  get(
    through: PeerCore | ClientCore,
    key: string,
    deadline: number = patient.deadline
  ): Asked<string | undefined> {
    const text = through.get(key, { deadline }).then(got => got && new TextDecoder().decode(got.value))
    return asked(text)
  }

  /** A client of its own does something, and all that it asks others than these is lost. */
  async #reaching<T>(replicas: string, act: (client: Caller) => Promise<T>): Promise<T> {
    const client = await this.client()
    const others = this.cluster.peers
      .map(({ index }) => letterOf(index))
      .filter(name => !replicas.includes(name))
    const lost = this.lose({ from: client.letter, to: others.join(''), kind: [...aboutKeys, 'forward'] })
    try {
      return await act(client)
    } finally {
      await this.settle(client.core.close())
      lost.end()
    }
  }

  // ---- time

  /** Lets so many virtual ms pass. */
  async pass(ms: number): Promise<void> {
    await this.cluster.time.run(ms)
  }

  async until(what: string, holds: () => boolean): Promise<void> {
    await this.cluster.time.until(holds, stepMs, what)
  }

  async settle<T>(promise: Promise<T>): Promise<T> {
    return this.cluster.time.settle(promise, stepMs)
  }

  /** The error with which something ends; throws where it does not end with one. */
  async failure({ answer }: Asked<unknown>): Promise<AnnulusError> {
    const outcome = await this.settle(
      answer.then(
        value => `an answer: ${JSON.stringify(value)}`,
        (error: unknown) => error
      )
    )
    if (outcome instanceof AnnulusError) return outcome
    throw new Error(`no error, but ${String(outcome)}`)
  }

  /** Ends all that was done to messages, and stops the cluster. */
  async end(): Promise<void> {
    for (const interception of this.#interceptions) interception.end()
    await this.cluster.stop()
  }

  #intercept(which: Which, fate: Fate): Interception {
    const interception = new Interception(which, fate)
    this.#interceptions.push(interception)
    return interception
  }

  #meet({ from, to, request, answer, pass }: Carried): boolean {
    const message = {
      from: this.#nameOf(from),
      to: this.#nameOf(to),
      request: Request.decode(request),
      part: answer === undefined ? ('request' as const) : ('answer' as const)
    }
    return this.#interceptions.some(interception => interception.meet(message, pass))
  }

  #nameOf(peerId: string): string {
    const peer = this.cluster.peers.find(each => each.peerId === peerId)
    if (peer !== undefined) return letterOf(peer.index)
    // Who is no peer is a client, and the first thing that it sends is its own.
    const name = this.#clients.get(peerId) ?? String.fromCharCode(firstClient + this.#clients.size)
    this.#clients.set(peerId, name)
    return name
  }
}

function asked<T>(answer: Promise<T>): Asked<T> {
  const result: Asked<T> = { answer, isOver: false }
  const over = (): void => void (result.isOver = true)
  answer.then(over, over)
  return result
}

function letterOf(index: number): string {
  return String.fromCharCode(firstPeer + index)
}

function indexOf(name: string): number {
  return name.charCodeAt(0) - firstPeer
}

function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}
