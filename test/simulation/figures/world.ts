/**
 * Failure detectors alone, over the simulated network, all members known to each from the start: light enough for
 * a thousand peers. The figures on liveness are measured in it; whole peers are in cluster.ts.
 */
import type { MemberLiveness } from '../../../src/api.ts'
import type { LivenessConfig } from '../../../src/core/liveness/defaults.ts'
import { Liveness } from '../../../src/core/liveness/liveness.ts'
import type { MemberId } from '../../../src/core/member.ts'
import { TransportError, type AddressBook, type ServeContext } from '../../../src/core/ports.ts'
import type { CallOptions, RequestBody } from '../../../src/core/rpc-types.ts'
import { Request, Response } from '../../../src/wire/generated/messages.ts'
import { memberNamed, silent } from '../../core/liveness/harness.ts'
import { VirtualClock, VirtualTime } from '../clock.ts'
import { SimulatedNetwork, type SimulatedTransport } from '../network.ts'
import { SimulatedProcess } from '../process.ts'
import { SeededRandom } from '../random.ts'

/** Bytes of a signed address record with one TCP address, as libp2p encodes it. */
const addressRecordBytes = 169

export interface WorldInit {
  readonly seed: number
  readonly peers: number
  readonly config?: Partial<LivenessConfig>
}

/** A ping as its sender sees it; `hasFailed` is undefined when it is sent. */
export interface SeenPing {
  readonly from: number
  readonly to: number
  readonly hasFailed: boolean | undefined
}

export class LivenessWorld {
  readonly time: VirtualTime
  readonly network: SimulatedNetwork
  readonly random: SeededRandom
  readonly members: readonly MemberId[]
  readonly peers: WorldPeer[]
  readonly config: Partial<LivenessConfig>
  /** Told of each ping when it is sent, and again when it has an answer or failed. */
  onPing: ((ping: SeenPing) => void) | undefined
  /** Told when the peer `by` changes its mind about another. */
  onChange: ((by: number, about: number, liveness: MemberLiveness) => void) | undefined
  /** Bytes of requests and answers so far, without the framing and encryption of a real transport. */
  bytes = 0
  messages = 0
  readonly #indexes: ReadonlyMap<string, number>

  constructor(init: WorldInit) {
    const random = new SeededRandom(init.seed)
    this.random = random.fork('figures')
    this.config = init.config ?? {}
    this.time = new VirtualTime(random.fork('time'))
    this.network = new SimulatedNetwork({ time: this.time, random: random.fork('network') })
    this.network.onMessage = (_from, _to, body) => {
      this.bytes += body.byteLength
      this.messages++
    }
    this.members = Array.from({ length: init.peers }, (_, index) => memberNamed(index))
    this.#indexes = new Map(this.members.map(({ peerId }, index) => [peerId, index]))
    this.peers = this.members.map((_, index) => new WorldPeer(this, index, 1))
  }

  indexOf({ peerId }: Pick<MemberId, 'peerId'>): number {
    return this.#indexes.get(peerId)!
  }

  /** The process ends and the machine says so: its channels close. */
  kill(index: number): void {
    this.peers[index]!.kill()
  }

  /** A killed process begins anew, with the next boot. */
  restart(index: number): void {
    this.peers[index] = new WorldPeer(this, index, this.peers[index]!.boot + 1)
  }

  /** Whether each of the others thinks so of a peer. */
  allThink(index: number, liveness: MemberLiveness): boolean {
    const member = this.members[index]!
    return this.peers.every((peer, at) => at === index || peer.liveness.livenessOf(member) === liveness)
  }

  stop(): void {
    for (const peer of this.peers) peer.kill()
  }
}

export class WorldPeer {
  readonly index: number
  readonly boot: number
  readonly liveness: Liveness
  readonly #world: LivenessWorld
  readonly #transport: SimulatedTransport
  /** What all messages pass, in and out, and what all timers do: the one may stand still without the other. */
  readonly #messages = new SimulatedProcess()
  readonly #timers = new SimulatedProcess()

  constructor(world: LivenessWorld, index: number, boot: number) {
    const self = world.members[index]!
    this.#world = world
    this.index = index
    this.boot = boot
    this.#transport = world.network.transport(self.peerId, this.#messages)
    this.liveness = new Liveness(
      {
        clock: new VirtualClock(world.time, { process: this.#timers }),
        random: world.random.fork(`peer ${index}`),
        calls: { call: (to, request, options) => this.#call(to, request, options) },
        addresses: new NumberedAddresses(index, boot),
        logger: silent
      },
      { self, boot, config: world.config }
    )
    this.#begin(self)
  }

  /** No message goes in or out, while timers go on: the anomaly of Lifeguard's evaluation. */
  block(): void {
    this.#messages.freeze()
  }

  unblock(): void {
    this.#messages.thaw()
  }

  /** Nothing happens at all: SIGSTOP, or a machine that is gone without a word. */
  freeze(): void {
    this.#timers.freeze()
    this.#messages.freeze()
  }

  /** As in Node, timers that are due fire before what arrived meanwhile is read. */
  thaw(): void {
    this.#timers.thaw()
    this.#messages.thaw()
  }

  kill(): void {
    this.liveness.stop()
    this.#transport.crash()
  }

  #begin(self: MemberId): void {
    const greeting = {
      network: 'figures',
      clusterId: '',
      generation: 0,
      role: 'peer',
      life: self.life,
      boot: this.boot,
      epoch: 1
    } as const
    void this.#transport.start({
      greeting: () => greeting,
      admit: () => undefined,
      serve: (body, context) => this.#serve(body, context),
      connected: () => {},
      disconnected: remote => this.liveness.probeSoon(remote)
    })
    this.liveness.onChange((member, liveness) =>
      this.#world.onChange?.(this.index, this.#world.indexOf(member), liveness)
    )
    this.liveness.setMembers(this.#world.members)
    this.liveness.start()
  }

  async #call(to: MemberId, request: RequestBody, options: CallOptions): Promise<Response> {
    const { onPing } = this.#world
    const ends = { from: this.index, to: this.#world.indexOf(to) }
    if (request.ping !== undefined) onPing?.({ ...ends, hasFailed: undefined })
    let hasFailed = true
    try {
      const response = await this.#send(to, Request.encode({ epoch: 1, ...request }), options)
      hasFailed = false
      return Response.decode(response)
    } finally {
      if (request.ping !== undefined) onPing?.({ ...ends, hasFailed })
    }
  }

  /** What is sent while messages are blocked goes out later, though nobody waits for its answer any more. */
  async #send(to: MemberId, body: Uint8Array, options: CallOptions): Promise<Uint8Array> {
    if (!this.#messages.isFrozen) return this.#transport.request(to, body, options)
    const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>()
    const tooLate = (): void => reject(new TransportError('timeout', 'no answer', { delivered: true }))
    this.#world.time.after(options.timeoutMs, () => this.#timers.enter(tooLate))
    this.#messages.enter(() => void this.#transport.request(to, body, options).then(resolve, reject))
    return promise
  }

  async #serve(body: Uint8Array, { from }: ServeContext): Promise<Uint8Array> {
    const { ping, pingRequest } = Request.decode(body)
    const response =
      ping === undefined
        ? await this.liveness.handlePingRequest(from, pingRequest!)
        : await this.liveness.handlePing(from, ping)
    if (this.#messages.isFrozen) await new Promise<void>(resolve => this.#messages.enter(resolve))
    return Response.encode({ epoch: 1, ...response })
  }
}

/** Records of a real one's size that hold a peer's index and boot. The first one of each is known from the start. */
class NumberedAddresses implements AddressBook {
  readonly #own: Uint8Array
  readonly #newer = new Map<number, number>()

  constructor(index: number, boot: number) {
    this.#own = new Uint8Array(addressRecordBytes)
    new Uint32Array(this.#own.buffer, 0, 2).set([index, boot])
  }

  own(): Promise<Uint8Array> {
    return Promise.resolve(this.#own)
  }

  learn(signed: Uint8Array): Promise<boolean> {
    const [index = 0, boot = 0] = new Uint32Array(signed.slice(0, 8).buffer)
    if (boot <= (this.#newer.get(index) ?? 1)) return Promise.resolve(false)
    this.#newer.set(index, boot)
    return Promise.resolve(true)
  }

  of(): undefined {
    return undefined
  }

  multiaddrs(): string[] {
    return []
  }
}
