/** A cluster of failure detectors in the virtual world: each peer has its own clock, channel and boot counter. */
import type { MemberLiveness } from '../../../src/api.ts'
import type { LivenessConfig } from '../../../src/core/liveness/defaults.ts'
import { Liveness } from '../../../src/core/liveness/liveness.ts'
import type { MemberId } from '../../../src/core/member.ts'
import type { Clock, Logger, ServeContext, Timer } from '../../../src/core/ports.ts'
import type { Calls } from '../../../src/core/rpc-types.ts'
import { Request, Response } from '../../../src/wire/generated/messages.ts'
import { VirtualTime } from '../../simulation/clock.ts'
import { SimulatedNetwork, type NetworkInit, type SimulatedTransport } from '../../simulation/network.ts'
import { SeededRandom } from '../../simulation/random.ts'

export const silent: Logger = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }

/** Peer ids as long as real ones, so that bytes count as they would. */
export function memberNamed(index: number, life = 1): MemberId {
  const peerId = `12D3KooW${String(index).padStart(44, 'x')}`
  return { peerId, life: String(life).padStart(16, '0') }
}

export interface ClusterInit extends NetworkInit {
  readonly seed: number
  readonly peers: number
  readonly config?: Partial<LivenessConfig>
}

/** A ping that was sent, in order of time. */
export interface SentPing {
  readonly atMs: number
  readonly from: string
  readonly to: string
}

export interface Change {
  readonly atMs: number
  readonly by: string
  readonly member: string
  readonly liveness: MemberLiveness
}

export class Cluster {
  readonly time: VirtualTime
  readonly network: SimulatedNetwork
  readonly random: SeededRandom
  readonly members: MemberId[]
  readonly peers: LivenessPeer[] = []
  readonly pings: SentPing[] = []
  readonly changes: Change[] = []
  readonly #init: ClusterInit

  constructor(init: ClusterInit) {
    const random = new SeededRandom(init.seed)
    this.#init = init
    this.random = random.fork('test')
    this.time = new VirtualTime(random.fork('time'))
    this.network = new SimulatedNetwork({ time: this.time, random: random.fork('network') }, init)
    this.members = Array.from({ length: init.peers }, (_, index) => memberNamed(index))
    for (const member of this.members) this.#begin(member, 1)
  }

  /** The peer's process ends and another begins, with the next boot. */
  restart(index: number): void {
    const old = this.peers[index]!
    this.crash(index)
    this.#begin(old.member, old.boot + 1, index)
  }

  crash(index: number): void {
    const peer = this.peers[index]!
    peer.liveness.stop()
    peer.transport.crash()
  }

  stop(): void {
    for (const peer of this.peers) peer.liveness.stop()
  }

  /** Whether each of `observers` thinks so of each of `subjects` (itself not counted). */
  agree(liveness: MemberLiveness, subjects: readonly number[], observers: readonly number[]): boolean {
    return observers.every(observer =>
      subjects.every(
        subject =>
          observer === subject ||
          this.peers[observer]!.liveness.livenessOf(this.members[subject]!) === liveness
      )
    )
  }

  allAlive(): boolean {
    const all = this.members.map((_, index) => index)
    return this.agree('alive', all, all)
  }

  /** Indexes of all peers but these. */
  others(...indexes: number[]): number[] {
    return this.members.map((_, index) => index).filter(index => !indexes.includes(index))
  }

  #begin(member: MemberId, boot: number, index = this.peers.length): void {
    const peer = new LivenessPeer(this, member, boot, this.#init.config ?? {})
    this.peers[index] = peer
    peer.liveness.onChange(({ peerId }, liveness) =>
      this.changes.push({ atMs: this.time.nowMs, by: member.peerId, member: peerId, liveness })
    )
    peer.liveness.setMembers(this.members)
    peer.liveness.start()
  }
}

export class LivenessPeer {
  readonly member: MemberId
  readonly boot: number
  readonly transport: SimulatedTransport
  readonly liveness: Liveness
  readonly #cluster: Cluster
  readonly #clock: FreezableClock
  #thawed: Promise<void> | undefined
  #thaw: (() => void) | undefined

  constructor(cluster: Cluster, member: MemberId, boot: number, config: Partial<LivenessConfig>) {
    this.member = member
    this.boot = boot
    this.#cluster = cluster
    this.#clock = new FreezableClock(cluster.time)
    this.transport = cluster.network.transport(member.peerId)
    this.liveness = new Liveness(
      {
        clock: this.#clock,
        random: new SeededRandom(cluster.random.integer(2 ** 32)),
        calls: this.#calls(),
        addresses: this.transport.addresses,
        logger: silent
      },
      { self: member, boot, config }
    )
    void this.transport.start({
      greeting: () => ({
        network: 'test',
        clusterId: '',
        generation: 0,
        role: 'peer',
        life: member.life,
        boot,
        epoch: 1
      }),
      admit: () => undefined,
      serve: (body, context) => this.#serve(body, context),
      connected: () => {},
      disconnected: remote => this.liveness.probeSoon(remote)
    })
  }

  /** SIGSTOP: no timer fires, nothing is read, until `thaw`. */
  freeze(): void {
    this.#thawed ??= new Promise(resolve => (this.#thaw = resolve))
    this.transport.freeze()
    this.#clock.freeze()
  }

  /** SIGCONT: as in Node, timers that are due fire before what arrived meanwhile is read. */
  thaw(): void {
    this.#clock.thaw()
    this.#thaw?.()
    this.#thawed = undefined
    this.transport.thaw()
  }

  #calls(): Calls {
    return {
      call: async (to, request, options) => {
        const { peerId } = this.member
        if (request.ping !== undefined) {
          this.#cluster.pings.push({ atMs: this.#cluster.time.nowMs, from: peerId, to: to.peerId })
        }
        const body = Request.encode({ epoch: 1, ...request })
        try {
          return Response.decode(await this.transport.request(to, body, options))
        } finally {
          // What the transport finds out while the process stands still is seen when it goes on.
          await this.#thawed
        }
      }
    }
  }

  async #serve(body: Uint8Array, { from }: ServeContext): Promise<Uint8Array> {
    const { ping, pingRequest } = Request.decode(body)
    const response =
      ping === undefined
        ? await this.liveness.handlePingRequest(from, pingRequest!)
        : await this.liveness.handlePing(from, ping)
    return Response.encode({ epoch: 1, ...response })
  }
}

class FreezableClock implements Clock {
  readonly #time: VirtualTime
  #held: Array<() => void> | undefined

  constructor(time: VirtualTime) {
    this.#time = time
  }

  now(): number {
    return this.#time.nowMs
  }

  monotonic(): number {
    return this.#time.nowMs
  }

  after(delayMs: number, fire: () => void): Timer {
    let isCancelled = false
    const timer = this.#time.after(delayMs, () => {
      if (this.#held === undefined) fire()
      else this.#held.push(() => isCancelled || fire())
    })
    return {
      cancel: () => {
        isCancelled = true
        timer.cancel()
      }
    }
  }

  freeze(): void {
    this.#held ??= []
  }

  thaw(): void {
    const held = this.#held ?? []
    this.#held = undefined
    for (const fire of held) fire()
  }
}
