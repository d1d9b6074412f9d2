/**
 * Has an operation of a client coordinated: here, as long as enough of its replicas can be reached from here, and else by
 * a peer, which may reach more or may do more. Never twice where the first may have had an effect.
 */
import type { Forward, ForwardAnswer } from '../wire/generated/messages.ts'
import type { CheckedOptions } from './arguments.ts'
import { Canceller, type CancelSignal } from './canceller.ts'
import type { Contact } from './contact.ts'
import { AnnulusError } from './errors.ts'
import { toForward, type Order } from './forward.ts'
import type { Clock } from './ports.ts'
import type { TopologyLog } from './topology/log.ts'

/** The peer that coordinates gets this much less time than is left, in ms, so that its answer is in time ... */
const forwardMarginMs = 250

/** ... but no more than this part of what is left. */
const forwardMarginShare = 0.25

/** What is left of a call's time, and what has it leave the rest to a peer. */
export type LeftHere = CheckedOptions & { readonly retreat: CancelSignal }

/** The two ways to the outcome of an order. */
export interface Ways<T> {
  readonly coordinate: (left: LeftHere) => Promise<T>
  readonly fromAnswer: (answer: ForwardAnswer) => T
}

export interface ClientOrdersComponents {
  readonly clock: Clock
  readonly contact: Contact
  readonly log: Pick<TopologyLog, 'current'>
}

export interface ClientOrdersInit {
  /** Leave all to a peer. Default false. */
  readonly forwardsAll?: boolean
}

export class ClientOrders {
  readonly #components: ClientOrdersComponents
  readonly #forwardsAll: boolean

  constructor(components: ClientOrdersComponents, { forwardsAll = false }: ClientOrdersInit) {
    this.#components = components
    this.#forwardsAll = forwardsAll
  }

  /** Ends by `deadlineAt`, by the monotonic clock in ms, or by the signal. */
  async carryOut<T>(
    order: Order,
    ways: Ways<T>,
    { deadlineAt, signal }: { readonly deadlineAt: number; readonly signal: CancelSignal }
  ): Promise<T> {
    const { clock, contact } = this.#components
    const left = (): CheckedOptions => ({
      signal,
      deadlineMs: Math.max(1, deadlineAt - clock.monotonic())
    })
    if (!this.#forwardsAll && this.#canCoordinate(order)) {
      const outcome = await this.#coordinateHere(order, ways.coordinate, left())
      if (outcome !== undefined) return outcome.value
    }
    return ways.fromAnswer(await contact.forward(toMessage(order), order, left()))
  }

  /** Undefined where too few replicas can be reached from here, and the operation surely had no effect. */
  async #coordinateHere<T>(
    order: Order,
    coordinate: Ways<T>['coordinate'],
    left: CheckedOptions
  ): Promise<{ readonly value: T } | undefined> {
    // As soon as that is clear it is given up, the rest of its time being for a peer that can reach them; but not
    // where it may have had an effect: nobody else can carry on with its stamp, and the replicas may come back.
    const retreat = new Canceller()
    const stopWatching = this.#components.contact.onUndialable(
      () => this.#canCoordinate(order) || retreat.abort(undefined)
    )
    try {
      return { value: await coordinate({ ...left, retreat }) }
    } catch (error) {
      if (this.#mayForward(error, order) && left.signal?.aborted !== true) return undefined
      throw error
    } finally {
      stopWatching()
    }
  }

  /** Whether all that an operation needs can be dialled from here, as far as is known. */
  #canCoordinate({ key, options }: Order): boolean {
    const { contact, log } = this.#components
    return log.current !== undefined && contact.canReachEnough(log.current, key, options.consistency)
  }

  /** What surely had no effect, as this client cannot reach enough replicas or may not write there, a peer may still do. */
  #mayForward(error: unknown, order: Order): boolean {
    if (!(error instanceof AnnulusError) || error.indefinite) return false
    // One that may only read cannot see to it that a quorum holds what it has found; a peer can.
    const cannotWriteBack = order.operation === 'get' && error.code === 'ERR_FORBIDDEN'
    return cannotWriteBack || !this.#canCoordinate(order)
  }
}

/** What a peer is told of an order: it gets a little less time than is left. */
function toMessage(order: Order): (timeoutMs: number) => Forward {
  return timeoutMs => toForward(order, timeoutMs - Math.min(forwardMarginMs, timeoutMs * forwardMarginShare))
}
