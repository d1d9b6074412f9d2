/**
 * A client's contact: the one peer at a time through which it learns of the cluster and has done what it
 * cannot do itself. When that peer is lost, the next one takes its place: of those it was given, then of the
 * members it has come to know.
 */
import type { MemberLiveness } from '../api.ts'
import { Liveness as WireLiveness, type ForwardAnswer, type Forward } from '../wire/generated/messages.ts'
import type { CheckedOptions } from './arguments.ts'
import { AnnulusError } from './errors.ts'
import type { Order } from './forward.ts'
import { memberKey, type MemberId } from './member.ts'
import { TransportError, type Clock, type Logger, type Remote, type Transport } from './ports.ts'
import { quorumOf } from './register/quorum.ts'
import { positionOf } from './ring/position.ts'
import type { Calls, RequestBody } from './rpc-types.ts'
import type { TopologyLog } from './topology/log.ts'
import type { Topology } from './topology/topology.ts'

/** How long one peer may take to open a channel, in ms, before the next one is tried. */
const connectTimeoutMs = 3_000

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
  #remote: Remote | undefined
  #connecting: Promise<Remote> | undefined
  #refreshedAt = -Infinity
  #stopped = false

  constructor(components: ContactComponents, init: { readonly peers: readonly string[] }) {
    this.#components = components
    this.#given = init.peers
  }

  /** The peer asked now. */
  get peerId(): string | undefined {
    return this.#remote?.peerId
  }

  stop(): void {
    this.#stopped = true
  }

  lost(remote: Remote): void {
    if (this.#remote?.peerId === remote.peerId) this.#remote = undefined
  }

  livenessOf(member: MemberId): MemberLiveness {
    if (this.#isUndialable(member.peerId)) return 'down'
    return this.#liveness.get(memberKey(member)) ?? 'alive'
  }

  /** Whether enough replicas of a key can be dialled from here, in each ring in force, as far as is known. */
  canReachQuorum(topology: Topology, key: Uint8Array): boolean {
    if (this.#undialable.size === 0) return true
    const position = positionOf(key)
    return topology.rings.every(ring => {
      const replicas = ring.replicas(position, topology.replicas)
      return replicas.filter(({ peerId }) => !this.#isUndialable(peerId)).length >= quorumOf(replicas.length)
    })
  }

  /** Brings log, addresses and liveness up to what a peer knows now. Throws ERR_UNREACHABLE, ERR_CONFIG. */
  async refresh(options: CheckedOptions): Promise<void> {
    await this.ask({ fetchLog: { after: this.#components.log.epoch } }, options)
    const { addresses } = await this.ask({ listAddresses: {} }, options)
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
    if (clock.monotonic() - this.#refreshedAt < refreshMs || this.#stopped) return
    this.#refreshedAt = clock.monotonic()
    // It may have moved, or the topology may have.
    this.refresh({ deadlineMs: connectTimeoutMs }).catch((error: unknown) =>
      logger.debug('could not refresh what is known of the members', { error: String(error) })
    )
  }

  /** Asks the contact something that has no effect, so that the next peer can be asked instead. */
  async ask(request: RequestBody, options: CheckedOptions): ReturnType<Calls['call']> {
    return this.#withContact(
      options,
      (remote, left) => this.#components.calls.call(remote, request, left),
      () => true
    )
  }

  /** Has the contact coordinate an operation; another one only where the first surely did nothing. */
  async forward(
    message: (timeoutMs: number) => Forward,
    order: Order,
    options: CheckedOptions
  ): Promise<ForwardAnswer> {
    const { forward } = await this.#withContact(
      options,
      (remote, left) => this.#components.calls.call(remote, { forward: message(left.timeoutMs) }, left),
      error => order.operation === 'get' || !error.delivered
    )
    if (forward === undefined)
      throw new AnnulusError('ERR_INTERNAL', 'the peer did not answer what was asked')
    return forward
  }

  async #withContact<T>(
    options: CheckedOptions,
    act: (remote: Remote, left: { timeoutMs: number; signal?: AbortSignal }) => Promise<T>,
    mayRepeat: (error: TransportError) => boolean
  ): Promise<T> {
    const { clock } = this.#components
    const deadlineAt = clock.monotonic() + options.deadlineMs
    for (;;) {
      const remote = await this.#connected(options)
      const left = { ...options, timeoutMs: Math.max(1, deadlineAt - clock.monotonic()) }
      try {
        return await act(remote, left)
      } catch (error) {
        if (!(error instanceof TransportError)) throw error
        if (error.failure === 'aborted' || clock.monotonic() >= deadlineAt || !mayRepeat(error))
          throw asUserError(error)
        if (error.failure === 'overloaded' || error.failure === 'bad-request') throw asUserError(error)
        this.lost(remote)
      }
    }
  }

  async #connected(options: CheckedOptions): Promise<Remote> {
    if (this.#remote !== undefined) return this.#remote
    this.#connecting ??= this.#connect(options).finally(() => (this.#connecting = undefined))
    return this.#connecting
  }

  async #connect(options: CheckedOptions): Promise<Remote> {
    const { transport, clock } = this.#components
    const deadlineAt = clock.monotonic() + options.deadlineMs
    const reasons: string[] = []
    for (const address of this.#candidates()) {
      const timeoutMs = Math.min(connectTimeoutMs, deadlineAt - clock.monotonic())
      if (timeoutMs <= 0) break
      try {
        const signal = options.signal === undefined ? {} : { signal: options.signal }
        this.#remote = await transport.connect(address, { timeoutMs, ...signal })
        return this.#remote
      } catch (error) {
        if (!(error instanceof TransportError)) throw error
        if (error.failure === 'aborted') throw asUserError(error)
        if (error.refusal !== undefined && error.refusal.code !== 'busy') {
          throw new AnnulusError('ERR_CONFIG', `${address} refused this client: ${error.refusal.reason}`)
        }
        reasons.push(`${address}: ${error.message}`)
      }
    }
    throw new AnnulusError('ERR_UNREACHABLE', `no peer could be reached (${reasons.join('; ')})`)
  }

  #candidates(): readonly string[] {
    const { log, transport } = this.#components
    const known = (log.current?.current ?? []).flatMap(({ peerId }) => transport.addresses.multiaddrs(peerId))
    return [...new Set([...this.#given, ...known])]
  }

  #isUndialable(peerId: string): boolean {
    const until = this.#undialable.get(peerId)
    if (until === undefined) return false
    if (until > this.#components.clock.monotonic()) return true
    this.#undialable.delete(peerId)
    return false
  }
}

const livenessNames: Readonly<Record<WireLiveness, MemberLiveness>> = {
  [WireLiveness.LIVENESS_UNKNOWN]: 'alive',
  [WireLiveness.LIVENESS_ALIVE]: 'alive',
  [WireLiveness.LIVENESS_SUSPECT]: 'suspect',
  [WireLiveness.LIVENESS_DOWN]: 'down'
}

function asUserError(error: TransportError): AnnulusError {
  const indefinite = error.delivered
  const init = { indefinite, cause: error }
  switch (error.failure) {
    case 'aborted':
      return new AnnulusError('ERR_ABORTED', 'aborted by the caller', init)
    case 'overloaded':
      return new AnnulusError('ERR_OVERLOADED', `the peer is over a limit: ${error.message}`, init)
    case 'bad-request':
      return new AnnulusError('ERR_INTERNAL', `the peer did not understand: ${error.message}`, init)
    default:
      return indefinite
        ? new AnnulusError('ERR_OUTCOME_UNKNOWN', `the peer did not answer: ${error.message}`, init)
        : new AnnulusError('ERR_UNREACHABLE', `the peer cannot be reached: ${error.message}`, init)
  }
}
