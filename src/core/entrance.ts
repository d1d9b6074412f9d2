/**
 * Decides who gets a channel to this peer, and who of those may ask it things: by the allow lists, which may change
 * meanwhile, and by the cluster that it says it is in. Used by the peer; a client asks `refusalOf` alone.
 */
import type { Access } from './access.ts'
import { ServeError, type Greeting, type Logger, type Refusal, type Remote, type Transport } from './ports.ts'
import type { Refusals } from './requests/refusals.ts'

export interface EntranceComponents {
  readonly access: Access
  readonly transport: Pick<Transport, 'remotes' | 'disconnect'>
  readonly refusals: Pick<Refusals, 'note'>
  readonly logger: Logger
  /** What this peer says of itself now. */
  readonly greeting: () => Greeting
}

export class Entrance {
  readonly #components: EntranceComponents
  readonly #forgetAccess: () => void

  constructor(components: EntranceComponents) {
    this.#components = components
    this.#forgetAccess = components.access.onChange(() => this.#closeToUnlisted())
  }

  /** The transport's `admit`. */
  admit(remote: Remote): Refusal | undefined {
    const { access, refusals, greeting } = this.#components
    const refusal = access.refusalOf(remote)
    if (refusal !== undefined) {
      access.turnAway(remote.peerId, refusal.reason)
      return refusal
    }
    const foreign = refusalOf(greeting(), remote)
    if (foreign !== undefined) refusals.note(remote.peerId, 'foreign', foreign.reason)
    return foreign
  }

  /** Throws ServeError where the lists have changed since it greeted, and its channel is not closed yet. */
  ensureMayAsk(remote: Remote): void {
    const refusal = this.#components.access.refusalOf(remote)
    if (refusal !== undefined) throw new ServeError('forbidden', refusal.reason)
  }

  /** Follows the lists no more. */
  stop(): void {
    this.#forgetAccess()
  }

  #closeToUnlisted(): void {
    const { access, transport, logger } = this.#components
    for (const remote of transport.remotes()) {
      const refusal = access.refusalOf(remote)
      if (refusal === undefined) continue
      logger.info('closes the channels to one that the allow lists no longer let in', {
        peerId: remote.peerId,
        reason: refusal.reason
      })
      transport.disconnect(remote.peerId)
    }
  }
}

/** Why two ends may not talk: they are of different networks or clusters. Both values are named. */
export function refusalOf(own: Greeting, remote: Greeting): Refusal | undefined {
  if (own.network !== remote.network) {
    return { code: 'network', reason: `it is in the network "${own.network}", not in "${remote.network}"` }
  }
  if (own.clusterId !== '' && remote.clusterId !== '' && own.clusterId !== remote.clusterId) {
    return { code: 'cluster', reason: `it is in the cluster ${own.clusterId}, not in ${remote.clusterId}` }
  }
  return undefined
}
