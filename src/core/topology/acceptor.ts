/**
 * One of those who decide the next epoch: an acceptor of single-decree Paxos (Lamport, "Paxos Made Simple",
 * 2001). It acts for one epoch at a time, the one after the newest on its disk, and what it promised and
 * accepted for that one is on its disk before anyone hears of it, and until that epoch is there too.
 */
import { AcceptorState } from '../../wire/generated/messages.ts'
import type { Accept, PaxosVote, Prepare } from '../../wire/generated/messages.ts'
import { sameMember, type MemberId } from '../member.ts'
import { ServeError } from '../ports.ts'
import type { ResponseBody } from '../rpc-types.ts'
import { ballotFromWire, compareBallots, type Ballot } from './ballot.ts'
import { entryFromWire, entryToWire } from './codec.ts'
import { checkEntry, type Entry } from './entry.ts'
import type { MetaStore, TopologyLog } from './log.ts'
import { Serial } from './serial.ts'
import { ensureEpoch, includesMember, MalformedError } from './shapes.ts'

/** Prefix of the names of all metadata that is the acceptor's. */
export const paxosMetaPrefix = 'paxos/'

const stateName = `${paxosMetaPrefix}state`

/** What was promised cannot be read: this life must never vote again, and the peer join anew. */
export class AcceptorDamagedError extends Error {
  override readonly name = 'AcceptorDamagedError'
}

export interface AcceptorComponents {
  readonly store: MetaStore
  readonly log: TopologyLog
}

export interface AcceptorInit {
  readonly self: MemberId
}

/** What stands on disk for one epoch. */
interface State {
  readonly epoch: number
  readonly promised: Ballot
  readonly accepted: { readonly ballot: Ballot; readonly entry: Entry } | undefined
}

export class Acceptor {
  readonly #store: MetaStore
  readonly #log: TopologyLog
  readonly #self: MemberId
  readonly #serial = new Serial()
  #state: State | undefined

  constructor({ store, log }: AcceptorComponents, { self }: AcceptorInit) {
    this.#store = store
    this.#log = log
    this.#self = self
  }

  /** Reads what is on disk; the log must have been loaded. Throws AcceptorDamagedError. */
  async load(): Promise<void> {
    const encoded = await this.#store.readMeta(stateName)
    if (encoded === undefined) return
    const state = decodeState(encoded)
    if (state.epoch > this.#log.epoch + 1) {
      throw new AcceptorDamagedError(
        `it acted for epoch ${state.epoch}, but its log ends at ${this.#log.epoch}`
      )
    }
    this.#state = state
  }

  /** Promises to accept nothing below the ballot. Throws ServeError where the message makes no sense. */
  handlePrepare(from: MemberId, message: Prepare): Promise<ResponseBody> {
    return this.#serial.run(async () => {
      const ballot = ballotOf(from, message)
      const held = this.#stateFor(message.epoch)
      if (held === 'none') return refusal(undefined)
      if (compareBallots(ballot, held?.promised) < 0) return refusal(held)
      const state: State = { epoch: message.epoch, promised: ballot, accepted: held?.accepted }
      if (compareBallots(ballot, held?.promised) > 0) await this.#keep(state)
      return { vote: voteOf(state, true) }
    })
  }

  /** Accepts an entry unless a higher ballot was promised. Throws ServeError where the message makes no sense. */
  handleAccept(from: MemberId, message: Accept): Promise<ResponseBody> {
    return this.#serial.run(async () => {
      const ballot = ballotOf(from, message)
      const entry = checked(() => entryFromWire(message.entry))
      const held = this.#stateFor(message.epoch)
      if (held === 'none') return refusal(undefined)
      if (compareBallots(ballot, held?.promised) < 0) return refusal(held)
      this.#ensureMayFollow(entry, message.epoch)
      const state: State = { epoch: message.epoch, promised: ballot, accepted: { ballot, entry } }
      // A proposer never uses a ballot for two entries, so the same ballot again is the same message again.
      if (compareBallots(ballot, held?.accepted?.ballot) !== 0) await this.#keep(state)
      return { vote: voteOf(state, true) }
    })
  }

  /** The state for an epoch, undefined where it is untouched; `none` where this peer has no say in it. */
  #stateFor(epoch: number): State | undefined | 'none' {
    const topology = this.#log.current
    // Who asks for an epoch that is decided gets it with the envelope; we may lack one that it has.
    if (topology === undefined || epoch !== topology.epoch + 1) return 'none'
    if (!includesMember(topology.acceptors, this.#self)) return 'none'
    return this.#state?.epoch === epoch ? this.#state : undefined
  }

  #ensureMayFollow(entry: Entry, epoch: number): void {
    const reason =
      entry.kind === 'restore' ? 'a restore is not agreed on' : checkEntry(this.#log.current, entry)
    if (reason === undefined && entry.epoch === epoch) return
    const why = reason ?? 'it is of another epoch'
    throw new ServeError('bad-request', `the entry of epoch ${epoch} may not follow: ${why}`, 'log')
  }

  /** Durable first: a promise that could be forgotten is none. */
  async #keep(state: State): Promise<void> {
    await this.#store.writeMeta([[stateName, encodeState(state)]])
    this.#state = state
  }
}

function ballotOf(from: MemberId, message: Prepare | Accept): Ballot {
  const ballot = checked(() => {
    ensureEpoch(message.epoch, 'the epoch to be decided')
    return ballotFromWire(message.ballot)
  })
  if (!sameMember(ballot, from))
    throw new ServeError('bad-request', "a ballot is not its sender's own", 'forged')
  return ballot
}

function checked<T>(read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (error instanceof MalformedError) throw new ServeError('bad-request', error.message)
    throw error
  }
}

function refusal(held: State | undefined): ResponseBody {
  return { vote: held === undefined ? { granted: false } : voteOf(held, false) }
}

function voteOf({ promised, accepted }: State, granted: boolean): PaxosVote {
  if (accepted === undefined) return { granted, promised }
  return { granted, promised, acceptedBallot: accepted.ballot, acceptedEntry: entryToWire(accepted.entry) }
}

function encodeState({ epoch, promised, accepted }: State): Uint8Array {
  if (accepted === undefined) return AcceptorState.encode({ epoch, promised })
  return AcceptorState.encode({
    epoch,
    promised,
    acceptedBallot: accepted.ballot,
    acceptedEntry: entryToWire(accepted.entry)
  })
}

function decodeState(encoded: Uint8Array): State {
  try {
    const { epoch, promised, acceptedBallot, acceptedEntry } = AcceptorState.decode(encoded)
    const state = { epoch: ensureEpoch(epoch), promised: ballotFromWire(promised) }
    if (acceptedBallot === undefined && acceptedEntry === undefined) return { ...state, accepted: undefined }
    const accepted = { ballot: ballotFromWire(acceptedBallot), entry: entryFromWire(acceptedEntry) }
    return { ...state, accepted }
  } catch (error) {
    throw new AcceptorDamagedError(`what was promised does not decode: ${String(error)}`, { cause: error })
  }
}
