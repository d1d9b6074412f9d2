/**
 * A small world for tests of the register: replicas over memory stores, coordinators, and calls between them
 * that take time, get lost, and carry epochs as the dispatcher and the calls of a real peer do.
 */
import { memberKey, type MemberId } from '../../../src/core/member.ts'
import {
  DamagedRecordError,
  StoreError,
  TransportError,
  type Logger,
  type TransportFailure
} from '../../../src/core/ports.ts'
import { HybridClock } from '../../../src/core/record/hybrid-clock.ts'
import type { StoredRecord } from '../../../src/core/record/record.ts'
import type { Version } from '../../../src/core/record/version.ts'
import { positionOf } from '../../../src/core/ring/position.ts'
import { Coordinator } from '../../../src/core/register/coordinator.ts'
import type { RegisterTopology, TopologySource } from '../../../src/core/register/placement.ts'
import { Replica } from '../../../src/core/register/replica.ts'
import type { CallOptions, Calls, RequestBody, ResponseBody } from '../../../src/core/rpc-types.ts'
import { MemoryStore } from '../../../src/storage/memory.ts'
import type { Response } from '../../../src/wire/generated/messages.ts'
import { VirtualClock, VirtualTime } from '../../simulation/clock.ts'
import { SeededRandom } from '../../simulation/random.ts'

export const silent: Logger = { debug() {}, info() {}, warn() {}, error() {} }

export const key = new TextEncoder().encode('the key')
export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
export const text = (record: StoredRecord | undefined): string | undefined =>
  record === undefined ? undefined : new TextDecoder().decode(record.value)

/** A topology whose rings place every key on the first members of a list. */
export function topologyOf(epoch: number, ...rings: Host[][]): RegisterTopology {
  return {
    epoch,
    fence: 0,
    replicas: 3,
    rings: rings.map(hosts => ({
      replicas: (_position, count) => hosts.slice(0, count).map(({ member }) => member)
    }))
  }
}

/** A store with faults to switch on. */
class FaultyStore extends MemoryStore {
  fault: 'none' | 'damaged' | 'damaged value' | 'disk' = 'none'

  override async head(position: Uint8Array): ReturnType<MemoryStore['head']> {
    this.#fail(position, this.fault === 'damaged')
    return super.head(position)
  }

  override async read(position: Uint8Array): ReturnType<MemoryStore['read']> {
    this.#fail(position, this.fault === 'damaged' || this.fault === 'damaged value')
    return super.read(position)
  }

  override async merge(record: StoredRecord): Promise<void> {
    this.#fail(record.position, this.fault === 'damaged' || this.fault === 'damaged value')
    return super.merge(record)
  }

  #fail(position: Uint8Array, isDamaged: boolean): void {
    if (isDamaged) throw new DamagedRecordError(position, 'a test wants it so')
    if (this.fault === 'disk') throw new StoreError('a test wants it so')
  }
}

export class Host {
  readonly member: MemberId
  readonly store = new FaultyStore()
  /** Its disk quota is used up. */
  isFull = false
  readonly replica = new Replica({
    store: this.store,
    logger: silent,
    quota: { refusalOf: () => (this.isFull ? 'its disk quota is used up' : undefined) }
  })
  epoch = 1
  /** Does not learn of epochs from requests. */
  isStuck = false
  /** How requests to it fail; undefined: they do not. */
  failing: { failure: TransportFailure; delivered: boolean } | undefined
  /** Requests and their answers take this much longer, in ms. */
  slowMs = 0
  /** Runs between the work for a request and the sending of its answer. */
  beforeAnswer: ((request: RequestBody) => void) | undefined
  /** Messages to it, or from it, get lost. */
  loses: 'nothing' | 'requests' | 'answers' = 'nothing'

  constructor(name: string) {
    this.member = { peerId: name, life: '0000000000000001' }
  }

  get key(): string {
    return memberKey(this.member)
  }

  async held(of: Uint8Array = key): Promise<StoredRecord | undefined> {
    return MemoryStore.prototype.head
      .call(this.store, positionOf(of))
      .then(head =>
        head === undefined ? undefined : MemoryStore.prototype.read.call(this.store, positionOf(of))
      )
  }

  async version(): Promise<Version | undefined> {
    return (await this.held())?.version
  }

  async serve(request: RequestBody): Promise<ResponseBody> {
    if (request.readVersion !== undefined) return this.replica.readVersion(request.readVersion)
    if (request.readRecord !== undefined) return this.replica.readRecord(request.readRecord)
    return this.replica.writeRecord(request.writeRecord!)
  }
}

/** What a coordinator knows of the log. */
export class View implements TopologySource {
  readonly #listeners = new Set<() => void>()
  current: RegisterTopology | undefined

  constructor(current: RegisterTopology | undefined) {
    this.current = current
  }

  get listeners(): number {
    return this.#listeners.size
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  move(to: RegisterTopology): void {
    this.current = to
    for (const listener of [...this.#listeners]) listener()
  }
}

export interface Sent {
  readonly to: string
  readonly kind: 'version' | 'record' | 'write'
  readonly at: number
}

export interface WorldInit {
  readonly seed?: number
  /** One-way latency in ms of one message. Default 1. */
  readonly latencyMs?: (random: SeededRandom) => number
  readonly loss?: number
}

export class World {
  readonly random: SeededRandom
  readonly time: VirtualTime
  readonly hosts: Host[]
  /** The newest is the last; hosts and coordinators learn of them by and by. */
  readonly topologies: RegisterTopology[]
  readonly sent: Sent[] = []
  readonly liveness = new Map<string, 'alive' | 'suspect' | 'down'>()
  readonly latencyMs: (random: SeededRandom) => number
  loss: number
  #writers = 0

  /** Three hosts by default, a, b and c, which are the ring of epoch 1. */
  constructor(names = ['a', 'b', 'c'], init: WorldInit = {}) {
    this.random = new SeededRandom(init.seed ?? 1)
    this.time = new VirtualTime(this.random.fork('time'))
    this.latencyMs = init.latencyMs ?? (() => 1)
    this.loss = init.loss ?? 0
    this.hosts = names.map(name => new Host(name))
    this.topologies = [topologyOf(1, this.hosts.slice(0, 3))]
  }

  host(name: string): Host {
    return this.hosts.find(({ member }) => member.peerId === name)!
  }

  /** Decides the next epoch; who knows of it is another matter. */
  decide(...rings: string[][]): RegisterTopology {
    const next = topologyOf(
      this.topologies.length + 1,
      ...rings.map(names => names.map(name => this.host(name)))
    )
    this.topologies.push(next)
    return next
  }

  /** The same, known to all hosts. */
  move(...rings: string[][]): RegisterTopology {
    const next = this.decide(...rings)
    for (const host of this.hosts) host.epoch = next.epoch
    return next
  }

  coordinator(init: { self?: Host; skewMs?: number; view?: View } = {}): { node: Coordinator; view: View } {
    const view = init.view ?? new View(this.topologies.at(-1))
    const clock = new VirtualClock(this.time, { skewMs: init.skewMs ?? 0 })
    const node = new Coordinator(
      {
        clock,
        hybridClock: new HybridClock({ clock }),
        random: this.random.fork('jitter'),
        calls: new WorldCalls(this, view, init.self),
        topology: view,
        livenessOf: ({ peerId }) => this.liveness.get(peerId) ?? 'alive',
        logger: silent
      },
      {
        writer: new Uint8Array(16).fill(++this.#writers),
        ...(init.self === undefined ? {} : { self: init.self.member })
      }
    )
    return { node, view }
  }

  /** Runs until a promise settles, and gives its outcome. */
  settle<T>(promise: Promise<T>): Promise<T> {
    return this.time.settle(promise)
  }

  /** Runs until a promise rejects, and gives what with. */
  async failure(promise: Promise<unknown>): Promise<unknown> {
    return this.settle(
      promise.then(
        value => Promise.reject(new Error(`it succeeded: ${JSON.stringify(value)}`)),
        (error: unknown) => error
      )
    )
  }
}

class WorldCalls implements Calls {
  readonly #world: World
  readonly #view: View
  readonly #self: Host | undefined

  constructor(world: World, view: View, self: Host | undefined) {
    this.#world = world
    this.#view = view
    this.#self = self
  }

  call(to: MemberId, request: RequestBody, { timeoutMs, signal }: CallOptions): Promise<Response> {
    const { time, sent } = this.#world
    const host = this.#world.host(to.peerId)
    const kind = request.readVersion ? 'version' : request.readRecord ? 'record' : 'write'
    sent.push({ to: to.peerId, kind, at: time.nowMs })
    if (host === this.#self) return host.serve(request).then(answer => ({ ...answer, epoch: host.epoch }))
    const epoch = this.#view.current?.epoch ?? 0
    return new Promise((resolve, reject) => {
      const fail = (failure: TransportFailure, delivered: boolean): void => {
        timer.cancel()
        reject(new TransportError(failure, failure, { delivered }))
      }
      const timer = time.after(timeoutMs, () => fail('timeout', true))
      signal?.addEventListener('abort', () => fail('aborted', true))
      if (host.failing !== undefined) {
        fail(host.failing.failure, host.failing.delivered)
        return
      }
      const answer = (response: Response): void => {
        this.#learn(response)
        timer.cancel()
        resolve(response)
      }
      this.#carry(
        host.slowMs,
        host.loses === 'requests',
        () => void this.#serve(host, request, epoch, answer, fail)
      )
    })
  }

  async #serve(
    host: Host,
    request: RequestBody,
    epoch: number,
    answer: (response: Response) => void,
    fail: (failure: TransportFailure, delivered: boolean) => void
  ): Promise<void> {
    if (host.failing !== undefined) {
      fail('lost', true)
      return
    }
    if (epoch > host.epoch && !host.isStuck) host.epoch = epoch
    const isServed = epoch === host.epoch
    const body = isServed ? await host.serve(request) : {}
    host.beforeAnswer?.(request)
    // The epoch of a vote is the one at its sending.
    const response = { ...body, epoch: host.epoch }
    this.#carry(0, host.loses === 'answers', () => answer(response))
  }

  #carry(extraMs: number, isLost: boolean, deliver: () => void): void {
    const { time, random, latencyMs, loss } = this.#world
    if (random.chance(loss) || isLost) return
    time.after(latencyMs(random) + extraMs, deliver)
  }

  #learn({ epoch }: Response): void {
    const topology = this.#world.topologies[epoch - 1]
    if (topology !== undefined && epoch > (this.#view.current?.epoch ?? 0)) this.#view.move(topology)
  }
}
