/**
 * The Transport port over the simulated network. It keeps the port's promises, so the core runs on it as it
 * does on libp2p; what the network does to messages, it bears like streams that break.
 */
import { memberKey, type MemberId } from '../../src/core/member.ts'
import {
  ServeError,
  TransportError,
  type AddressBook,
  type Refusal,
  type Remote,
  type RequestOptions,
  type Transport,
  type TransportHandlers
} from '../../src/core/ports.ts'
import type { Lane } from './links.ts'
import type { SimulatedNetwork } from './network.ts'
import type { SimulatedProcess } from './process.ts'

/** How long a dial to a peer that does not answer takes to fail, in ms. */
export const dialTimeoutMs = 1_000

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
      this.#check(remote)
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
    const fail = (
      failure: 'unreachable' | 'refused' | 'aborted',
      reason: string,
      refusal?: Refusal
    ): void => {
      const init = { delivered: false, ...(refusal === undefined ? {} : { refusal }) }
      finish(() => reject(new TransportError(failure, `${peerId}: ${reason}`, init)))
    }
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
            if (refusal !== undefined) fail('refused', refusal.reason, refusal)
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
    const sent = network.rewrite?.(this.peerId, body) ?? body.slice()
    const lane: Lane = options.bulk === true ? 'bulk' : 'main'
    const send = (answer: Uint8Array | undefined, pass: () => void): void => {
      const message = { from: this.peerId, to: peerId, life, request: sent, answer, pass }
      if (network.intercept?.(message) !== true) pass()
    }
    const arrive = (): void => {
      const host = network.host(peerId)
      host?.receive(() => {
        const from = host.#channels.get(this.peerId)
        if (from === undefined || host.#handlers?.greeting().life !== life) {
          // The other end knows no such channel (any more), or has another life now: it answers with a reset.
          network.carry(peerId, this.peerId, 16, () => this.receive(() => this.#forget(peerId)))
          return
        }
        const asked = { from, signal: cancel.signal, timeoutMs: options.timeoutMs }
        const served = network.refuses(peerId)
          ? Promise.reject(new ServeError('overloaded', 'too many requests'))
          : host.#handlers.serve(sent, asked)
        served.then(
          answer => {
            if (cancel.signal.aborted || host.#isStopped) return
            const received = network.rewrite?.(peerId, answer) ?? answer.slice()
            network.onMessage?.(peerId, this.peerId, received, 'answer')
            send(received, () => {
              const take = (): void => this.receive(() => finish(() => resolve(received)))
              const isOnItsWay = network.carry(peerId, this.peerId, received.byteLength, take, lane)
              if (!isOnItsWay) repeat()
            })
          },
          (error: unknown) => {
            if (cancel.signal.aborted || host.#isStopped) return
            // One of several may have been served, whatever became of the others.
            const failure = failureOf(error, departures > 1)
            network.carry(peerId, this.peerId, 32, () => this.receive(() => fail(failure)))
          }
        )
      })
    }
    let departures = 0
    const depart = (): void => {
      departures++
      network.onMessage?.(this.peerId, peerId, sent, 'request')
      send(undefined, () => network.carry(this.peerId, peerId, sent.byteLength, arrive, lane))
    }
    const repeat = (): void => {
      const afterMs = network.repeatsAfterMs(sent)
      if (afterMs === undefined) return
      const again = (): void => {
        // Nobody repeats what nobody waits for any more.
        if (!this.#pending.has(pending)) return
        network.counts.duplicated++
        depart()
      }
      network.time.after(afterMs, () => this.receive(again))
    }
    depart()
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

  /** Sends something on a channel that may lead to who is there no more: a reset comes back then. */
  #check({ peerId, life }: Remote): void {
    this.#network.carry(this.peerId, peerId, 16, () => {
      const host = this.#network.host(peerId)
      host?.receive(() => {
        if (host.#channels.has(this.peerId) && host.#handlers?.greeting().life === life) return
        this.#network.carry(peerId, this.peerId, 16, () => this.receive(() => this.#forget(peerId)))
      })
    })
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

function failureOf(error: unknown, wasRepeated: boolean): TransportError {
  if (error instanceof ServeError) {
    return new TransportError(error.code, error.message, {
      delivered: wasRepeated || error.code === 'internal'
    })
  }
  return new TransportError('internal', String(error), { delivered: true })
}
