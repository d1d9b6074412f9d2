/**
 * The messages of the failure detector: pings, pings on behalf of others, and their acks. Each carries the rumours and
 * address records that wait, and what comes back is taken in before the caller goes on.
 */
import type { Ack } from '../../wire/generated/messages.ts'
import type { CancelSignal } from '../canceller.ts'
import type { MemberId } from '../member.ts'
import { TransportError, type AddressBook, type Logger } from '../ports.ts'
import type { Refusals } from '../requests/refusals.ts'
import type { Calls, ResponseBody } from '../rpc-types.ts'
import {
  maxAddressBytes,
  maxAddressesHeard,
  maxAddressesQueued,
  maxAddressRecordBytes,
  maxRumoursHeard
} from './defaults.ts'
import type { MemberTable } from './member-table.ts'
import { PiggybackQueue } from './piggyback.ts'

interface ExchangeComponents {
  readonly calls: Calls
  readonly addresses: AddressBook
  readonly table: MemberTable
  readonly logger: Logger
  readonly refusals?: Pick<Refusals, 'note'>
}

/** A signed record as the wire's types want it: over a buffer of its own. */
type SignedRecord = Uint8Array

export class Exchange {
  readonly #calls: Calls
  readonly #addresses: AddressBook
  readonly #table: MemberTable
  readonly #logger: Logger
  readonly #refusals: Pick<Refusals, 'note'> | undefined
  readonly #signal: CancelSignal
  readonly #records = new PiggybackQueue<SignedRecord>({ limit: maxAddressesQueued })

  /** All calls end when `signal` aborts. */
  constructor(components: ExchangeComponents, init: { readonly signal: CancelSignal }) {
    this.#calls = components.calls
    this.#addresses = components.addresses
    this.#table = components.table
    this.#logger = components.logger
    this.#refusals = components.refusals
    this.#signal = init.signal
  }

  get hasAddresses(): boolean {
    return this.#records.size > 0
  }

  /** Queues this peer's own address record for all to learn. */
  async announceAddress(): Promise<void> {
    this.#pass(await this.#addresses.own())
  }

  /** Whether a member acks within so many ms. */
  async ping(target: MemberId, timeoutMs: number): Promise<boolean> {
    const rumours = this.#table.rumoursFor(target)
    const ping = { target: copy(target), rumours, addresses: this.#takeRecords() }
    try {
      const { ack } = await this.#calls.call(target, { ping }, { timeoutMs, signal: this.#signal })
      if (ack !== undefined) this.#takeIn(target, ack)
      return ack?.reached ?? false
    } catch (error) {
      // Whoever has no room is there; and where it is this end that has none, nothing was found out.
      return error instanceof TransportError && error.failure === 'overloaded'
    }
  }

  /** Has a relay ping a member. Undefined where the relay itself did not answer: a missed nack. */
  async pingThrough(relay: MemberId, target: MemberId, timeoutMs: number): Promise<boolean | undefined> {
    const rumours = this.#table.rumoursFor(relay)
    const pingRequest = { target: copy(target), timeoutMs: Math.ceil(timeoutMs), rumours }
    try {
      const { ack } = await this.#calls.call(relay, { pingRequest }, { timeoutMs, signal: this.#signal })
      if (ack !== undefined) this.#takeIn(relay, ack)
      return ack?.reached
    } catch {
      return undefined
    }
  }

  /** Takes in what came with a message of another, and answers it with an ack. */
  answer(from: MemberId, message: Pick<Ack, 'reached' | 'rumours' | 'addresses'>): { ack: Ack } {
    const corrections = this.#takeIn(from, message)
    const rumours = [...this.#table.rumoursFor(from), ...corrections]
    return { ack: { reached: message.reached, rumours, addresses: this.#takeRecords() } }
  }

  /**
   * The answer to one who had to ask for another member: with that one's address where it was reached, since the asker
   * may know an outdated one, and else with what is held against it, since the asker may have missed that.
   */
  answerAbout(target: MemberId, from: MemberId, message: Pick<Ack, 'reached' | 'rumours'>): ResponseBody {
    const { ack } = this.answer(from, { ...message, addresses: [] })
    const record = message.reached ? this.#addresses.of(target.peerId) : undefined
    const accusation = this.#table.accusationOf(target)
    if (record !== undefined) ack.addresses.push(new Uint8Array(record))
    if (accusation !== undefined) ack.rumours.push(accusation)
    return { ack }
  }

  #takeIn(from: MemberId, message: Pick<Ack, 'rumours' | 'addresses'>): Ack['rumours'] {
    const corrections: Ack['rumours'] = []
    if (this.#signal.aborted) return corrections
    const refuse = (why: string): void => this.#refusals?.note(from.peerId, 'malformed', why)
    for (const rumour of message.rumours.slice(0, maxRumoursHeard)) {
      const correction = this.#table.hear(rumour, refuse)
      if (correction !== undefined) corrections.push(correction)
    }
    for (const record of message.addresses.slice(0, maxAddressesHeard)) void this.#learn(from, record)
    return corrections
  }

  /** Passes a record on when it was news. Checking a signature takes its time: no ack waits for it. */
  async #learn({ peerId }: MemberId, record: Uint8Array): Promise<void> {
    const refuse = (words: string): void => this.#refusals?.note(peerId, 'forged', words)
    if (record.byteLength > maxAddressRecordBytes) {
      refuse(`an address record of ${record.byteLength} bytes`)
      return
    }
    try {
      if ((await this.#addresses.learn(record, refuse)) && !this.#signal.aborted) this.#pass(record)
    } catch (error) {
      this.#logger.warn('an address record could not be taken in', { error: String(error) })
    }
  }

  #pass(record: Uint8Array): void {
    if (record.byteLength <= maxAddressRecordBytes)
      this.#records.add(new Uint8Array(record), record.byteLength)
  }

  #takeRecords(): SignedRecord[] {
    return this.#records.take(maxAddressBytes, this.#table.retransmits)
  }
}

function copy({ peerId, life }: MemberId): MemberId {
  return { peerId, life }
}
