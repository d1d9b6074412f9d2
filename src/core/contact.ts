/**
 * A client's contact: the one peer at a time through which it learns of the cluster and has done what it
 * cannot do itself. When that peer is lost, the next one takes its place: of those it was given, then of the
 * members it has come to know.
 */
import type { Consistency, MemberLiveness } from '../api.ts'
import { Liveness as WireLiveness, type ForwardAnswer, type Forward } from '../wire/generated/messages.ts'
import type { CheckedOptions } from './arguments.ts'
import type { CancelSignal } from './canceller.ts'
import { AnnulusError } from './errors.ts'
import type { Order } from './forward.ts'
import { memberKey, type MemberId } from './member.ts'
import { TransportError, type Clock, type Logger, type Remote, type Transport } from './ports.ts'
import { quorumOf } from './register/quorum.ts'
import { positionOf } from './ring/position.ts'
import type { Calls, RequestBody } from './rpc-types.ts'
import { orAbort, sleep } from './time.ts'
import type { TopologyLog } from './topology/log.ts'
import type { Topology } from './topology/topology.ts'

/** How long one peer may take to open a channel, in ms, before the next one is tried. */
const connectTimeoutMs = 3_000

/** For how long a peer that could not do what was asked of it is passed over while another one can be reached, in ms. */
const passOverMs = 2_000

/** How long is waited before the only peers that can be reached, which have just failed, are asked anew, in ms. */
const retryPauseMs = 200

/** For how long a member that could not be dialled is left to the contact, in ms. */
const undialableMs = 10_000

/** How often addresses and liveness are asked for anew at the most, in ms. */
const refreshMs = 2_000

export interface ContactComponents {
  readonly clock: Clock
  readonly transport: Transport
  readonly calls: Calls
  readonly log: TopologyLog
  readonly logger: Logger
}

export class Contact {
  readonly #components: ContactComponents
  readonly #given: readonly string[]
  readonly #liveness = new Map<string, MemberLiveness>()
  readonly #undialable = new Map<string, number>()
  /** Peers to be passed over, and until when by the monotonic clock. */
  readonly #passedOver = new Map<string, number>()
  readonly #stopping = new AbortController()
  readonly #onUndialable = new Set<() => void>()
  #remote: Remote | undefined
  #connecting: Promise<Remote> | undefined
  #refreshedAt = -Infinity

  constructor(components: ContactComponents, init: { readonly peers: readonly string[] }) {
    this.#components = components
    this.#given = init.peers
  }

  /** The peer asked now. */
  get peerId(): string | undefined {
    return this.#remote?.peerId
  }

  stop(): void {
    this.#stopping.abort(new AnnulusError('ERR_STOPPED', 'the client has been closed'))
  }

  lost(remote: Remote): void {
    if (this.#remote?.peerId === remote.peerId) this.#remote = undefined
  }

  livenessOf(member: MemberId): MemberLiveness {
    if (this.#isUndialable(member.peerId)) return 'down'
    return this.#liveness.get(memberKey(member)) ?? 'alive'
  }

  /** Whether enough replicas of a key can be dialled from here, in each ring in force, as far as is known. */
  canReachEnough(topology: Topology, key: Uint8Array, consistency: Consistency): boolean {
    if (this.#undialable.size === 0) return true
    const position = positionOf(key)
    return topology.rings.every(ring => {
      const replicas = ring.replicas(position, topology.replicas)
      const dialable = replicas.filter(({ peerId }) => !this.#isUndialable(peerId))
      return dialable.length >= neededOf(consistency, replicas.length)
    })
  }

  /** Calls `listener` whenever a member turns out not to be dialable; the function returned ends that. */
  onUndialable(listener: () => void): () => void {
    this.#onUndialable.add(listener)
    return () => void this.#onUndialable.delete(listener)
  }

  /** Brings log, addresses and liveness up to what a peer knows now. Throws ERR_UNREACHABLE, ERR_CONFIG. */
  async refresh(options: CheckedOptions): Promise<void> {
    const { clock } = this.#components
    const deadlineAt = clock.monotonic() + options.deadlineMs
    await this.ask({ fetchLog: { after: this.#components.log.epoch } }, options)
    const left = { ...options, deadlineMs: Math.max(1, deadlineAt - clock.monotonic()) }
    const { addresses } = await this.ask({ listAddresses: {} }, left)
    this.#refreshedAt = this.#components.clock.monotonic()
    for (const record of addresses?.addresses ?? []) await this.#components.transport.addresses.learn(record)
    this.#liveness.clear()
    for (const { member, liveness } of addresses?.rumours ?? []) {
      if (member !== undefined) this.#liveness.set(memberKey(member), livenessNames[liveness])
    }
  }

  /** A call of the client's failed to reach a member: until later its contact is to reach it. */
  failedToReach(peerId: string): void {
    const { clock, logger } = this.#components
    this.#undialable.set(peerId, clock.monotonic() + undialableMs)
    for (const listener of [...this.#onUndialable]) listener()
    if (clock.monotonic() - this.#refreshedAt < refreshMs || this.#stopping.signal.aborted) return
    this.#refreshedAt = clock.monotonic()
    // It may have moved, or the topology may have.
    this.refresh({ deadlineMs: connectTimeoutMs }).catch((error: unknown) =>
      logger.debug('could not refresh what is known of the members', { error: String(error) })
    )
  }

  /** Asks the contact something that has no effect, so that the next peer can be asked instead. */
  async ask(request: RequestBody, options: CheckedOptions): ReturnType<Calls['call']> {
    return this.#withContact(options, {
      act: (remote, left) => this.#components.calls.call(remote, request, left),
      mayHaveEffect: () => false
    })
  }

  /** Has the contact coordinate an operation; another one only where the first surely did nothing. */
  async forward(
    message: (timeoutMs: number) => Forward,
    order: Order,
    options: CheckedOptions
  ): Promise<ForwardAnswer> {
    const { forward } = await this.#withContact(options, {
      act: (remote, left) => this.#components.calls.call(remote, { forward: message(left.timeoutMs) }, left),
      mayHaveEffect: error => order.operation !== 'get' && error.delivered
    })
    if (forward === undefined)
      throw new AnnulusError('ERR_INTERNAL', 'the peer did not answer what was asked')
    return forward
  }

  /** Goes from peer to peer until one does what is asked, or may have done it without saying so. */
  async #withContact<T>(options: CheckedOptions, { act, mayHaveEffect }: Request<T>): Promise<T> {
    const { clock } = this.#components
    const deadlineAt = clock.monotonic() + options.deadlineMs
    for (;;) {
      const remote = await this.#connected(options, deadlineAt)
      const left = { ...options, timeoutMs: Math.max(1, deadlineAt - clock.monotonic()) }
      try {
        return await act(remote, left)
      } catch (error) {
        if (!(error instanceof TransportError)) throw error
        const indefinite = mayHaveEffect(error)
        if (indefinite || isFinal(error) || clock.monotonic() >= deadlineAt) {
          throw asUserError(error, indefinite)
        }
        this.#passedOver.set(remote.peerId, clock.monotonic() + passOverMs)
        this.lost(remote)
      }
    }
  }

  /** The contact, found by all who want one together; each waits as long as it may. */
  async #connected({ signal }: CheckedOptions, deadlineAt: number): Promise<Remote> {
    if (this.#remote !== undefined) return this.#remote
    const { clock } = this.#components
    this.#connecting ??= this.#connect().finally(() => (this.#connecting = undefined))
    const limit = new AbortController()
    const abort = (): void => limit.abort()
    if (signal?.aborted === true) abort()
    signal?.addEventListener('abort', abort)
    const timer = clock.after(Math.max(0, deadlineAt - clock.monotonic()), abort)
    try {
      return await orAbort(this.#connecting, limit.signal, () =>
        signal?.aborted === true
          ? new AnnulusError('ERR_ABORTED', 'aborted by the caller')
          : new AnnulusError('ERR_UNREACHABLE', 'no peer could be reached in time')
      )
    } finally {
      timer.cancel()
      signal?.removeEventListener('abort', abort)
    }
  }

  async #connect(): Promise<Remote> {
    const { transport, clock } = this.#components
    const { signal } = this.#stopping
    const reasons: string[] = []
    let failedLately: Remote | undefined
    let isShutOut = false
    let lastError: TransportError | undefined
    for (const address of this.#candidates()) {
      signal.throwIfAborted()
      try {
        const remote = await transport.connect(address, { timeoutMs: connectTimeoutMs, signal })
        if (!this.#isPassedOver(remote.peerId)) return (this.#remote = remote)
        failedLately ??= remote
      } catch (error) {
        if (!(error instanceof TransportError)) throw error
        const code = error.refusal?.code ?? 'busy'
        // The next one may have room, or other lists.
        if (code !== 'busy' && code !== 'role') {
          throw new AnnulusError('ERR_CONFIG', `${address} refused this client: ${error.refusal!.reason}`)
        }
        isShutOut ||= code === 'role'
        lastError = error
        reasons.push(`${address}: ${error.message}`)
      }
    }
    if (failedLately === undefined) {
      const code = isShutOut ? 'ERR_FORBIDDEN' : 'ERR_UNREACHABLE'
      throw new AnnulusError(code, `no peer could be reached (${reasons.join('; ')})`, { cause: lastError })
    }
    await sleep(clock, retryPauseMs, signal)
    return (this.#remote = failedLately)
  }

  #candidates(): readonly string[] {
    const { log, transport } = this.#components
    const known = (log.current?.current ?? []).flatMap(({ peerId }) => transport.addresses.multiaddrs(peerId))
    return [...new Set([...this.#given, ...known])]
  }

  #isUndialable(peerId: string): boolean {
    return this.#isUntil(this.#undialable, peerId)
  }

  #isPassedOver(peerId: string): boolean {
    return this.#isUntil(this.#passedOver, peerId)
  }

  /** Whether a peer is in a map by the time until which it is. */
  #isUntil(map: Map<string, number>, peerId: string): boolean {
    const until = map.get(peerId)
    if (until === undefined) return false
    if (until > this.#components.clock.monotonic()) return true
    map.delete(peerId)
    return false
  }
}

/** What a peer is to do, and what its failure says of the outcome. */
interface Request<T> {
  readonly act: (remote: Remote, left: { timeoutMs: number; signal?: CancelSignal }) => Promise<T>
  /** Whether it may have done what was asked, so that no other one may be asked for it. */
  readonly mayHaveEffect: (error: TransportError) => boolean
}

/** Votes that an operation needs in one ring. */
function neededOf(consistency: Consistency, replicas: number): number {
  switch (consistency) {
    case 'one':
      return Math.min(1, replicas)
    case 'quorum':
      return quorumOf(replicas)
    case 'all':
      return replicas
  }
}

/** Whether no other peer would do better, or is to be asked. */
function isFinal({ failure }: TransportError): boolean {
  return ['aborted', 'overloaded', 'bad-request', 'forbidden'].includes(failure)
}

const livenessNames: Readonly<Record<WireLiveness, MemberLiveness>> = {
  [WireLiveness.LIVENESS_UNKNOWN]: 'alive',
  [WireLiveness.LIVENESS_ALIVE]: 'alive',
  [WireLiveness.LIVENESS_SUSPECT]: 'suspect',
  [WireLiveness.LIVENESS_DOWN]: 'down'
}

function asUserError(error: TransportError, indefinite: boolean): AnnulusError {
  const init = { indefinite, cause: error }
  switch (error.failure) {
    case 'aborted':
      return new AnnulusError('ERR_ABORTED', 'aborted by the caller', init)
    case 'overloaded':
      return new AnnulusError('ERR_OVERLOADED', `the peer is over a limit: ${error.message}`, init)
    case 'forbidden':
      return new AnnulusError('ERR_FORBIDDEN', error.message, init)
    case 'bad-request':
      return new AnnulusError('ERR_INTERNAL', `the peer did not understand: ${error.message}`, init)
    default:
      return indefinite
        ? new AnnulusError('ERR_OUTCOME_UNKNOWN', `the peer did not answer: ${error.message}`, init)
        : new AnnulusError('ERR_UNREACHABLE', `the peer did not do it: ${error.message}`, init)
  }
}
