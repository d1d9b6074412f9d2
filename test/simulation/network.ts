/**
 * A network of simulated transports in virtual time: latencies, loss, partitions, peers that crash or freeze.
 * It keeps the promises of the Transport port, so the core runs on it as it does on libp2p.
 */
import { memberKey, type MemberId } from '../../src/core/member.ts'
import {
  ServeError,
  TransportError,
  type AddressBook,
  type Remote,
  type RequestOptions,
  type Transport,
  type TransportHandlers
} from '../../src/core/ports.ts'
import type { VirtualTime } from './clock.ts'
import { SimulatedProcess } from './process.ts'
import type { SeededRandom } from './random.ts'

export interface NetworkInit {
  /** One-way latency in ms of one message. Default: uniform in 0.2 to 1.2. */
  readonly latencyMs?: (from: string, to: string, random: SeededRandom) => number
  /** Probability that a message is lost. Default 0. */
  readonly loss?: number
}

/** How long a dial to a peer that does not answer takes to fail, in ms. */
const dialTimeoutMs = 1_000

export class SimulatedNetwork {
  readonly time: VirtualTime
  readonly random: SeededRandom
  readonly #latencyMs: (from: string, to: string, random: SeededRandom) => number
  readonly #hosts = new Map<string, SimulatedTransport>()
  readonly #blocked = new Set<string>()
  readonly #clogged = new Map<string, number>()
  /** May be changed at any moment. */
  loss: number
  /** Told of each request and answer that is sent. */
  onMessage: ((from: string, to: string, body: Uint8Array) => void) | undefined
  /** Messages and bytes carried since the world began. */
  messages = 0
  bytes = 0

  constructor(components: { time: VirtualTime; random: SeededRandom }, init: NetworkInit = {}) {
    this.time = components.time
    this.random = components.random
    this.#latencyMs = init.latencyMs ?? ((_from, _to, random) => 0.2 + random.float())
    this.loss = init.loss ?? 0
  }

  /** The transport of a process; a second one for the same peer id takes the place of the first (a restart). */
  transport(peerId: string, process = new SimulatedProcess()): SimulatedTransport {
    this.#hosts.get(peerId)?.crash()
    const host = new SimulatedTransport(this, peerId, process)
    this.#hosts.set(peerId, host)
    return host
  }

  host(peerId: string): SimulatedTransport | undefined {
    return this.#hosts.get(peerId)
  }

  /** Cuts the links from each of `a` to each of `b`; both ways unless `oneWay`. */
  cut(a: readonly string[], b: readonly string[], options: { oneWay?: boolean } = {}): void {
    for (const from of a) {
      for (const to of b) {
        this.#blocked.add(`${from}>${to}`)
        if (options.oneWay !== true) this.#blocked.add(`${to}>${from}`)
      }
    }
  }

  /** Ends all cuts and clogs. */
  heal(): void {
    this.#blocked.clear()
    this.#clogged.clear()
  }

  /** Carries one message: `deliver` runs after the latency unless the message is lost or the link is cut. */
  carry(from: string, to: string, bytes: number, deliver: () => void): void {
    this.messages++
    this.bytes += bytes
    if (this.#blocked.size > 0 && this.#blocked.has(`${from}>${to}`)) return
    if (this.loss > 0 && this.random.chance(this.loss)) return
    const clogMs = (this.#clogged.get(from) ?? 0) + (this.#clogged.get(to) ?? 0)
    this.time.after(this.#latencyMs(from, to, this.random) + clogMs, deliver)
  }

  /** Delays all that a peer sends and is sent by so many ms; 0: no more. */
  clog(peerId: string, delayMs: number): void {
    if (delayMs === 0) this.#clogged.delete(peerId)
    else this.#clogged.set(peerId, delayMs)
  }
}

interface PendingRequest {
  readonly to: string
  readonly fail: (error: TransportError) => void
}

export class SimulatedTransport implements Transport {
  readonly peerId: string
  readonly addresses: AddressBook
  readonly #network: SimulatedNetwork
  readonly #pending = new Set<PendingRequest>()
  readonly #channels = new Map<string, Remote>()
  #handlers: TransportHandlers | undefined
  readonly #process: SimulatedProcess
  #isStopped = false

  constructor(network: SimulatedNetwork, peerId: string, process: SimulatedProcess) {
    this.peerId = peerId
    this.#process = process
    this.#network = network
    this.addresses = new SimulatedAddressBook(peerId)
  }

  start(handlers: TransportHandlers): Promise<void> {
    this.#handlers = handlers
    return Promise.resolve()
  }

  stop(): Promise<void> {
    this.crash()
    return Promise.resolve()
  }

  /** The process ends at once: its channels close, and whoever waits for it learns so. */
  crash(): void {
    if (this.#isStopped) return
    this.#isStopped = true
    this.#handlers = undefined
    for (const peerId of [...this.#channels.keys()]) this.#close(peerId)
    for (const pending of [...this.#pending]) pending.fail(stopped())
  }

  /** The process stands still (SIGSTOP): what reaches it waits until it thaws. */
  freeze(): void {
    this.#process.freeze()
  }

  thaw(): void {
    this.#process.thaw()
  }

  get isFrozen(): boolean {
    return this.#process.isFrozen
  }

  async request(to: MemberId, body: Uint8Array, options: RequestOptions): Promise<Uint8Array> {
    if (this.#isStopped) throw stopped()
    if (options.signal?.aborted === true) throw new TransportError('aborted', 'aborted', { delivered: false })
    const deadlineMs = this.#network.time.nowMs + options.timeoutMs
    const remote = this.#channels.get(to.peerId) ?? (await this.#dial(to.peerId, options))
    if (remote.life !== to.life) {
      throw new TransportError('other-life', `${to.peerId} has another life`, { delivered: false })
    }
    return this.#exchange(to, body, { ...options, timeoutMs: deadlineMs - this.#network.time.nowMs })
  }

  async connect(address: string, options: RequestOptions): Promise<Remote> {
    const peerId = address.replace(/^sim:/, '')
    return this.#channels.get(peerId) ?? (await this.#dial(peerId, options))
  }

  disconnect(peerId: string): void {
    this.#close(peerId)
  }

  remotes(): Remote[] {
    return [...this.#channels.values()]
  }

  /** Takes in what another host sent, now or when it thaws. */
  receive(act: () => void): void {
    if (!this.#isStopped) this.#process.enter(act)
  }

  #dial(peerId: string, options: RequestOptions): Promise<Remote> {
    const { promise, resolve, reject } = Promise.withResolvers<Remote>()
    const giveUp = this.#network.time.after(Math.min(dialTimeoutMs, options.timeoutMs), () =>
      fail('unreachable', 'no answer to the dial')
    )
    const pending: PendingRequest = { to: '', fail: error => finish(() => reject(error)) }
    const finish = (act: () => void): void => {
      giveUp.cancel()
      options.signal?.removeEventListener('abort', abort)
      if (this.#pending.delete(pending)) act()
    }
    const fail = (failure: 'unreachable' | 'refused' | 'aborted', reason: string): void =>
      finish(() => reject(new TransportError(failure, `${peerId}: ${reason}`, { delivered: false })))
    const abort = (): void => fail('aborted', 'aborted')
    this.#pending.add(pending)
    options.signal?.addEventListener('abort', abort)
    this.#network.carry(this.peerId, peerId, 64, () => {
      const host = this.#network.host(peerId)
      if (host === undefined || host.#isStopped || host.#handlers === undefined) {
        // Nobody listens: the machine answers for its dead process.
        this.#network.carry(peerId, this.peerId, 64, () =>
          this.receive(() => fail('unreachable', 'connection refused'))
        )
        return
      }
      host.receive(() => {
        // Who dialled may have ended meanwhile.
        if (this.#isStopped) return
        const mine: Remote = { ...this.#handlers!.greeting(), peerId: this.peerId }
        const theirs: Remote = { ...host.#handlers!.greeting(), peerId }
        const refusal = host.#handlers!.admit(mine) ?? this.#handlers!.admit(theirs)
        if (refusal === undefined) host.#open(mine)
        this.#network.carry(peerId, this.peerId, 64, () =>
          this.receive(() => {
            if (refusal !== undefined) fail('refused', refusal.reason)
            else if (host.#isStopped) fail('unreachable', 'connection reset')
            else {
              this.#open(theirs)
              finish(() => resolve(theirs))
            }
          })
        )
      })
    })
    return promise
  }

  #exchange({ peerId, life }: MemberId, body: Uint8Array, options: RequestOptions): Promise<Uint8Array> {
    const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>()
    const network = this.#network
    const cancel = new AbortController()
    const finish = (act: () => void): void => {
      timer.cancel()
      options.signal?.removeEventListener('abort', abort)
      if (this.#pending.delete(pending)) act()
    }
    const fail = (error: TransportError): void => finish(() => reject(error))
    const giveUp = (error: TransportError): void => {
      fail(error)
      network.carry(this.peerId, peerId, 8, () => network.host(peerId)?.receive(() => cancel.abort()))
    }
    const abort = (): void => giveUp(new TransportError('aborted', 'aborted', { delivered: true }))
    const pending: PendingRequest = { to: peerId, fail }
    const timer = network.time.after(Math.max(0, options.timeoutMs), () =>
      giveUp(new TransportError('timeout', `no answer within ${options.timeoutMs} ms`, { delivered: true }))
    )
    this.#pending.add(pending)
    options.signal?.addEventListener('abort', abort)
    const sent = body.slice()
    network.onMessage?.(this.peerId, peerId, sent)
    network.carry(this.peerId, peerId, body.byteLength, () => {
      const host = network.host(peerId)
      host?.receive(() => {
        const from = host.#channels.get(this.peerId)
        if (from === undefined || host.#handlers?.greeting().life !== life) {
          // The other end knows no such channel (any more), or has another life now: it answers with a reset.
          network.carry(peerId, this.peerId, 16, () => this.receive(() => this.#forget(peerId)))
          return
        }
        host.#handlers.serve(sent, { from, signal: cancel.signal, timeoutMs: options.timeoutMs }).then(
          answer => {
            if (cancel.signal.aborted || host.#isStopped) return
            const received = answer.slice()
            network.onMessage?.(peerId, this.peerId, received)
            network.carry(peerId, this.peerId, received.byteLength, () =>
              this.receive(() => finish(() => resolve(received)))
            )
          },
          (error: unknown) => {
            if (cancel.signal.aborted || host.#isStopped) return
            network.carry(peerId, this.peerId, 32, () => this.receive(() => fail(served(error))))
          }
        )
      })
    })
    return promise
  }

  #open(remote: Remote): void {
    const known = this.#channels.get(remote.peerId)
    if (known !== undefined && memberKey(known) === memberKey(remote) && known.boot === remote.boot) return
    if (known !== undefined) this.#close(remote.peerId)
    this.#channels.set(remote.peerId, remote)
    this.#handlers?.connected(remote)
  }

  #close(peerId: string): void {
    this.#forget(peerId)
    const host = this.#network.host(peerId)
    this.#network.carry(this.peerId, peerId, 16, () => host?.receive(() => host.#forget(this.peerId)))
  }

  #forget(peerId: string): void {
    const remote = this.#channels.get(peerId)
    if (remote === undefined) return
    this.#channels.delete(peerId)
    for (const pending of [...this.#pending]) {
      if (pending.to === peerId) {
        pending.fail(new TransportError('lost', `the channel to ${peerId} closed`, { delivered: true }))
      }
    }
    this.#handlers?.disconnected(remote)
  }
}

/** Addresses are `sim:PEER`, and a record is the peer id and a sequence number: nothing is signed here. */
class SimulatedAddressBook implements AddressBook {
  readonly #self: string
  readonly #records = new Map<string, Uint8Array>()

  constructor(self: string) {
    this.#self = self
    this.#records.set(self, new TextEncoder().encode(self))
  }

  own(): Promise<Uint8Array> {
    return Promise.resolve(this.#records.get(this.#self)!)
  }

  learn(signed: Uint8Array): Promise<boolean> {
    const peerId = new TextDecoder().decode(signed)
    if (this.#records.has(peerId)) return Promise.resolve(false)
    this.#records.set(peerId, signed)
    return Promise.resolve(true)
  }

  of(peerId: string): Uint8Array | undefined {
    return this.#records.get(peerId)
  }

  multiaddrs(peerId: string): string[] {
    return this.#records.has(peerId) ? [`sim:${peerId}`] : []
  }
}

function stopped(): TransportError {
  return new TransportError('lost', 'this transport has stopped', { delivered: true })
}

function served(error: unknown): TransportError {
  if (error instanceof ServeError) {
    return new TransportError(error.code, error.message, { delivered: error.code === 'internal' })
  }
  return new TransportError('internal', String(error), { delivered: true })
}
