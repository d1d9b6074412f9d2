/**
 * Peers that agree on a log, in virtual time: real logs, acceptors, proposers, stewards and petitioners over
 * a network that delays, loses and repeats messages, and disks that outlive crashes. Every decision that any
 * of them learns is compared with what the others learnt.
 */
import { sameMember, type MemberId, type RingMember } from '../../../src/core/member.ts'
import { TransportError } from '../../../src/core/ports.ts'
import type { CallOptions, Calls, RequestBody, ResponseBody } from '../../../src/core/rpc-types.ts'
import { Acceptor } from '../../../src/core/topology/acceptor.ts'
import { entryToWire } from '../../../src/core/topology/codec.ts'
import { LogConflictError, TopologyLog } from '../../../src/core/topology/log.ts'
import { Petitioner } from '../../../src/core/topology/petitioner.ts'
import { Proposer } from '../../../src/core/topology/proposer.ts'
import { Reporter } from '../../../src/core/topology/reporter.ts'
import { Steward } from '../../../src/core/topology/steward.ts'
import { Entry, Request, Response } from '../../../src/wire/generated/messages.ts'
import { VirtualClock, VirtualTime } from '../../simulation/clock.ts'
import { SeededRandom } from '../../simulation/random.ts'
import { FakeMetaStore, silent } from './fakes.ts'
import { clusterId, member } from './script.ts'

export interface WorldInit {
  readonly seed: number
  readonly loss?: number
  readonly repeats?: number
  /** One-way latency of a message, in ms. */
  readonly latencyMs?: (random: SeededRandom) => number
  /** Default: 600,000. */
  readonly removeAfterMs?: number
  /** Takers report as soon as they are asked to take. Default true. */
  readonly takersReport?: boolean
  readonly replicas?: number
}

/** How long it takes until others see that a peer is down, in ms. */
const detectionMs = 3_000

export class World {
  readonly init: WorldInit
  readonly random: SeededRandom
  readonly time: VirtualTime
  readonly hosts = new Map<string, Host>()
  /** The bytes decided for each epoch, as first learnt by any host. */
  readonly decided = new Map<number, string>()
  /** What must never happen, where it did. */
  readonly violations: string[] = []
  loss: number
  repeats: number

  constructor(init: WorldInit) {
    this.init = init
    this.random = new SeededRandom(init.seed)
    this.time = new VirtualTime(this.random.fork('ties'))
    this.loss = init.loss ?? 0
    this.repeats = init.repeats ?? 0
  }

  /** A peer of this name, running; it knows what the peer `like` knows of the log. */
  async host(name: string, like?: Host): Promise<Host> {
    const host = new Host(this, member(name))
    this.hosts.set(host.self.peerId, host)
    await host.start()
    const slice = like?.log.sliceAfter(0)
    if (slice !== undefined) await this.time.settle(host.log.learn(slice))
    return host
  }

  /** A peer that founds a cluster. */
  async founder(name: string): Promise<Host> {
    const host = await this.host(name)
    const { replicas = 3 } = this.init
    await this.time.settle(host.log.found({ clusterId, network: 'test', replicas, founder: host.self }))
    return host
  }

  /** A cluster of these peers, joined one after the other. */
  async cluster(...names: string[]): Promise<Host[]> {
    const hosts = [await this.founder(names[0]!)]
    for (const name of names.slice(1)) {
      const joiner = await this.host(name, hosts[0])
      hosts.push(joiner)
      await this.time.settle(joiner.join())
    }
    return hosts
  }

  find(to: MemberId): Host | undefined {
    const host = this.hosts.get(to.peerId)
    return host !== undefined && host.isUp && sameMember(host.self, to) ? host : undefined
  }

  /** G4 rests on this: never two decisions for one epoch. Noted rather than thrown, as a log outlives its listeners. */
  learnt(log: TopologyLog, from: number): void {
    for (let epoch = from + 1; epoch <= log.epoch; epoch++) {
      const entry = log.entryAt(epoch)
      if (entry === undefined) continue
      const bytes = Buffer.from(Entry.encode(entryToWire(entry))).toString('hex')
      if (this.decided.has(epoch) && this.decided.get(epoch) !== bytes)
        this.violations.push(`two for epoch ${epoch}`)
      this.decided.set(epoch, bytes)
    }
  }

  /** For a log that is told to take in something: it sees itself where that is not what it has. */
  failed(error: unknown): void {
    if (error instanceof LogConflictError) this.violations.push(error.message)
  }

  latency(): number {
    return this.init.latencyMs?.(this.random) ?? 0.2 + this.random.float()
  }
}

export class Host {
  readonly #world: World
  self: RingMember
  store: FakeMetaStore
  boot = 0
  isUp = false
  downSinceMs = 0
  log!: TopologyLog
  proposer!: Proposer
  acceptor!: Acceptor
  steward!: Steward
  petitioner!: Petitioner
  reporter!: Reporter
  #run = 0

  constructor(world: World, self: RingMember) {
    this.#world = world
    this.self = self
    const { time, random } = world
    this.store = new FakeMetaStore({
      delay: () => new Promise(resolve => time.after(1 + 4 * random.float(), resolve)),
      survives: () => random.chance(0.5)
    })
  }

  async start(): Promise<void> {
    const { time, random } = this.#world
    const clock = new VirtualClock(time)
    const { self, store } = this
    const boot = ++this.boot
    const run = ++this.#run
    const calls: Calls = { call: (to, request, options) => this.#call(run, to, request, options) }
    const logger = silent
    const log = new TopologyLog({ store, logger })
    await log.load()
    const acceptor = new Acceptor({ store, log }, { self })
    await acceptor.load()
    const parts = { clock, random, calls, log, logger }
    const proposer = new Proposer(parts, { self, boot })
    const liveness = {
      livenessOf: (who: MemberId) =>
        this.#downForMs(who) > detectionMs ? ('down' as const) : ('alive' as const),
      downForMs: (who: MemberId) => Math.max(0, this.#downForMs(who) - detectionMs)
    }
    const { removeAfterMs = 600_000 } = this.#world.init
    const steward = new Steward({ ...parts, proposer, liveness }, { self, removeAfterMs })
    Object.assign(this, { log, acceptor, proposer, steward, petitioner: new Petitioner(parts) })
    this.reporter = new Reporter(parts, { self })
    this.isUp = true
    log.onChange((_, previous) => {
      this.#world.learnt(log, previous?.epoch ?? 0)
      if (this.#world.init.takersReport !== false) this.report()
    })
    steward.start()
    if (this.#world.init.takersReport !== false) this.report()
  }

  /** Stops as kill -9 does; `start` brings it back with what was on disk. */
  crash(): void {
    if (!this.isUp) return
    this.isUp = false
    this.#run++
    this.downSinceMs = this.#world.time.nowMs
    this.steward.stop()
    void this.proposer.stop()
    this.store = this.store.crash()
  }

  /** Comes back with an empty disk, as another life. */
  async renew(name: string, like: Host): Promise<void> {
    this.crash()
    this.self = member(name)
    this.store.entries.clear()
    await this.start()
    await this.#world.time.settle(this.log.learn(like.log.sliceAfter(0)!))
  }

  join(): Promise<void> {
    const { peerId, life, vnodes } = this.self
    return this.petitioner.petition({ join: { id: { peerId, life }, vnodes } })
  }

  leave(): Promise<void> {
    return this.petitioner.petition({ leave: { peerId: this.self.peerId, life: this.self.life } })
  }

  /** Says that it is done with what it takes, where it takes something. */
  report(): void {
    const topology = this.log.current
    if (topology?.transition === undefined) return
    if (topology.takers.some(taker => sameMember(taker, this.self))) void this.reporter.report(topology.epoch)
  }

  async serve(from: RingMember, body: Uint8Array): Promise<Uint8Array> {
    const request = Request.decode(body)
    if (request.epoch > this.log.epoch) void this.#catchUp(from)
    const answer = await this.#answer(from, request)
    const slice = this.log.sliceAfter(request.fetchLog?.after ?? request.epoch)
    const response: Response = { ...answer, epoch: this.log.epoch }
    return Response.encode(slice === undefined ? response : { ...response, log: slice })
  }

  async #answer(from: RingMember, request: Request): Promise<ResponseBody> {
    const { prepare, accept, learn, petition, report } = request
    if (prepare !== undefined) return this.acceptor.handlePrepare(from, prepare)
    if (accept !== undefined) return this.acceptor.handleAccept(from, accept)
    if (petition !== undefined) return this.steward.handlePetition({ ...from, role: 'peer' }, petition)
    if (report !== undefined) return this.steward.handleReport(from, report)
    if (learn?.log !== undefined) await this.log.learn(learn.log)
    return { done: {} }
  }

  async #catchUp(from: MemberId): Promise<void> {
    const options = { timeoutMs: 1_000 }
    await this.#call(this.#run, from, { fetchLog: { after: this.log.epoch } }, options).catch(() => undefined)
  }

  #downForMs(who: MemberId): number {
    const host = this.#world.hosts.get(who.peerId)
    // A life that was renewed is down since then.
    if (host === undefined || host.isUp)
      return host !== undefined && sameMember(host.self, who) ? 0 : Infinity
    return this.#world.time.nowMs - host.downSinceMs
  }

  #call(run: number, to: MemberId, body: RequestBody, options: CallOptions): Promise<Response> {
    const world = this.#world
    const { time, random } = world
    const { self, log } = this
    return new Promise((resolve, reject) => {
      const fail = (failure: 'timeout' | 'internal' | 'aborted'): void => {
        timer.cancel()
        options.signal?.removeEventListener('abort', abort)
        reject(new TransportError(failure, failure, { delivered: true }))
      }
      const abort = (): void => fail('aborted')
      const timer = time.after(options.timeoutMs, () => fail('timeout'))
      options.signal?.addEventListener('abort', abort)
      const encoded = Request.encode({ ...body, epoch: log.epoch })
      const answered = async (bytes: Uint8Array): Promise<void> => {
        if (this.#run !== run) return
        const response = Response.decode(bytes)
        if (response.log !== undefined)
          await log.learn(response.log).catch((error: unknown) => world.failed(error))
        timer.cancel()
        options.signal?.removeEventListener('abort', abort)
        resolve(response)
      }
      for (let copies = random.chance(world.repeats) ? 2 : 1; copies > 0; copies--) {
        if (random.chance(world.loss)) continue
        time.after(world.latency(), () => {
          const target = world.find(to)
          if (target === undefined) return
          const targetRun = target.#run
          target.serve(self, encoded).then(
            bytes => {
              if (target.#run !== targetRun || random.chance(world.loss)) return
              time.after(world.latency(), () => void answered(bytes))
            },
            (error: unknown) => {
              world.failed(error)
              time.after(world.latency(), () => fail('internal'))
            }
          )
        })
      }
    })
  }
}
