/**
 * Has a member leave, or be removed, for a client: asks its contact for that until the topology shows it. A peer has its
 * own way, which goes to the acceptors: topology/petitioner.ts.
 */
import type { ChangeOptions } from '../api.ts'
import type { Petition } from '../wire/generated/messages.ts'
import type { CheckedOptions } from './arguments.ts'
import type { CancelSignal } from './canceller.ts'
import type { Contact } from './contact.ts'
import { AnnulusError } from './errors.ts'
import type { MemberId } from './member.ts'
import type { Clock } from './ports.ts'
import { sleep } from './time.ts'
import { isGone, type Topology } from './topology/topology.ts'

/** Between two askings for a change of the members, in ms. */
const petitionPauseMs = 500

/** How long one question about a change of the members may take, in ms. */
const petitionTimeoutMs = 5_000

/** What is asked for. */
export type Wish = Pick<Petition, 'leave' | 'remove' | 'acceptLoss'>

export interface ClientChangesComponents {
  readonly clock: Clock
  readonly contact: Contact
  /** What the client knows of the cluster. Throws ERR_UNREACHABLE where that is nothing. */
  readonly topology: () => Topology
}

export class ClientChanges {
  readonly #components: ClientChangesComponents

  constructor(components: ClientChangesComponents) {
    this.#components = components
  }

  /** Resolves when the topology shows the member gone. `peerId`: undefined for the peer that is asked. */
  async change(
    peerId: string | undefined,
    wish: (member: MemberId) => Wish,
    { signal, onWaiting }: { readonly signal: CancelSignal } & Pick<ChangeOptions, 'onWaiting'>
  ): Promise<void> {
    const { clock, contact, topology } = this.#components
    const call = { deadlineMs: petitionTimeoutMs, signal }
    let wasAsked = false
    let wasNoted = false
    let told = ''
    try {
      const member = await this.#memberOf(peerId, call)
      for (;;) {
        const now = topology().member(member)
        if (now === undefined || isGone(now)) return
        wasAsked = true
        const waiting = await this.#petition(wish(member), call)
        wasNoted = true
        if (waiting !== told && waiting !== '') onWaiting?.((told = waiting))
        await sleep(clock, petitionPauseMs, signal)
        await contact.refresh(call)
      }
    } catch (error) {
      throw wasNoted || (wasAsked && !isForbidden(error)) ? asOpenChange(error) : error
    }
  }

  /** What the change waits for, in words; empty for nothing. */
  async #petition(wish: Wish, call: CheckedOptions): Promise<string> {
    const request = { petition: { ...wish, joinReplicas: 0, relayed: false } }
    const { petition } = await this.#components.contact.ask(request, call)
    if (petition !== undefined && petition.refusal !== '')
      throw new AnnulusError('ERR_REFUSED', petition.refusal)
    return petition?.waiting ?? ''
  }

  async #memberOf(peerId: string | undefined, call: CheckedOptions): Promise<MemberId> {
    const { contact, topology } = this.#components
    await contact.refresh(call)
    const wanted = peerId ?? contact.peerId
    const member = wanted === undefined ? undefined : topology().currentLifeOf(wanted)
    if (member !== undefined) return member
    throw new AnnulusError(
      'ERR_INVALID',
      `${wanted ?? 'nobody'} is no member of this cluster; the status lists them`
    )
  }
}

/** Whether whoever was asked did not even take note of it. */
function isForbidden(error: unknown): boolean {
  return error instanceof AnnulusError && error.code === 'ERR_FORBIDDEN'
}

/** A change that was asked for may be made although its caller has not heard of it. */
function asOpenChange(error: unknown): unknown {
  if (!(error instanceof AnnulusError) || error.code === 'ERR_REFUSED') return error
  const code = error.code === 'ERR_UNREACHABLE' ? 'ERR_OUTCOME_UNKNOWN' : error.code
  return new AnnulusError(code, `${error.message}; the change may yet be made`, {
    indefinite: true,
    cause: error
  })
}
