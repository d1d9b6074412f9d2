/**
 * What a peer has at this moment, and what it can tell of the cluster by that: to its user (peer.ts), and to others who
 * ask (peer-routes.ts). Where there is nothing to tell by, each throws ERR_UNREACHABLE, or ERR_STOPPED after its end.
 */
import type { Status } from '../api.ts'
import type { CancelSignal } from './canceller.ts'
import { describeCluster, type MembersView } from './describe.ts'
import { AnnulusError } from './errors.ts'
import type { Life } from './life.ts'
import { listClusterKeys, type KeyPage } from './listing.ts'
import { sameMember } from './member.ts'
import type { Membership } from './membership.ts'
import type { AddressBook } from './ports.ts'
import type { Topology } from './topology/topology.ts'

export interface PresentComponents {
  /** Asked at each call: the membership is made with routes that need this. */
  readonly membership: () => Pick<Membership, 'life' | 'log'>
  readonly addresses: AddressBook
  /** Aborts when the peer stops, with what callers are told from then on. */
  readonly stop: CancelSignal
}

export class Present {
  readonly #components: PresentComponents

  constructor(components: PresentComponents) {
    this.#components = components
  }

  life(): Life {
    const { membership, stop } = this.#components
    const { life } = membership()
    if (life !== undefined) return life
    stop.throwIfAborted()
    throw notInCluster()
  }

  topology(): Topology {
    const topology = this.#components.membership().log.current
    if (topology !== undefined) return topology
    throw notInCluster()
  }

  view(): MembersView {
    const { liveness, self } = this.life()
    return {
      topology: this.topology(),
      addresses: this.#components.addresses,
      livenessOf: member => (sameMember(member, self) ? 'alive' : liveness.livenessOf(member))
    }
  }

  async status(signal: CancelSignal): Promise<Status> {
    const status = await describeCluster(this.view(), this.life().calls, signal)
    // Who gave up wants no status of members that had no time to answer.
    signal.throwIfAborted()
    return status
  }

  /** A page of the keys of all members, after this position; see listClusterKeys. */
  async keysAfter(after: Uint8Array, signal: CancelSignal): Promise<KeyPage> {
    const { topology, livenessOf } = this.view()
    return listClusterKeys(this.life().calls, {
      members: topology.current,
      isDown: member => livenessOf(member) === 'down',
      replicas: topology.replicas,
      after,
      signal
    })
  }
}

function notInCluster(): AnnulusError {
  return new AnnulusError('ERR_UNREACHABLE', 'this peer is not in a cluster yet; wait for it to be ready')
}
