/**
 * Gets the next entry of the log decided: a proposer of single-decree Paxos (Lamport, "Paxos Made Simple",
 * 2001) over the acceptors that the topology names. Any peer may run one; the steward of an acceptor does.
 *
 *     prepare(ballot) ->  a majority promises, and says what it has accepted so far
 *     accept(ballot)  ->  the entry accepted at the highest ballot, else ours; a majority accepts: decided
 */
import type { LogSlice, PaxosVote } from '../../wire/generated/messages.ts'
import { sameMember, type MemberId } from '../member.ts'
import { TransportError, type Clock, type Logger, type Random } from '../ports.ts'
import type { Calls, RequestBody } from '../rpc-types.ts'
import { ballotFromWire, compareBallots, nextBallot, type Ballot, type ProposerId } from './ballot.ts'
import { entryFromWire, entryToWire, sameEntry } from './codec.ts'
import { checkEntry, type Entry } from './entry.ts'
import type { TopologyLog } from './log.ts'
import { pause } from './pause.ts'
import { Serial } from './serial.ts'
import { includesMember } from './shapes.ts'
import { isGone, type Topology } from './topology.ts'

/**
 * `decided`: the entry is in the log. `lost`: another one is, for its epoch. `no-majority`: too few acceptors
 * answered; the entry may yet be decided, should a later proposer find that one of them accepted it.
 */
export type Outcome = 'decided' | 'lost' | 'no-majority'

/** How long one acceptor has for one answer, in ms: two writes to a slow disk and a round trip. */
const callTimeoutMs = 2_000

/** The longest pause after the first time that another proposer was ahead, in ms; doubles each time. */
const firstBackoffMs = 50

/** Pauses grow no longer than this, in ms. */
const maxBackoffMs = 2_000

/** Attempts to get one entry decided while others keep getting in between. */
const maxAttempts = 20

/** Members told of a decision at the same time: the rest of a large cluster follows, without a burst. */
const learnFanOut = 16

export interface ProposerComponents {
  readonly clock: Clock
  readonly random: Random
  readonly calls: Calls
  readonly log: TopologyLog
  readonly logger: Logger
}

export interface ProposerInit {
  readonly self: MemberId
  readonly boot: number
}

/** What a phase came to: with a majority, the votes that were granted. */
type Phase =
  | { readonly result: 'majority'; readonly votes: readonly PaxosVote[] }
  | { readonly result: 'outvoted' | 'no-majority' }

type Attempt = 'over' | 'outvoted' | 'no-majority'

export class Proposer {
  readonly #components: ProposerComponents
  readonly #id: ProposerId
  readonly #serial = new Serial()
  readonly #stopped = new AbortController()
  /** What still runs in the background. */
  readonly #spreading = new Set<Promise<void>>()
  /** The highest round used or seen. */
  #round = 0

  constructor(components: ProposerComponents, { self, boot }: ProposerInit) {
    this.#components = components
    this.#id = { ...self, boot }
  }

  /** Proposes an entry for the epoch after the log's. One at a time: a second proposal waits for the first. */
  propose(entry: Entry): Promise<Outcome> {
    return this.#serial.run(() => this.#decide(entry))
  }

  /** Ends what is under way; resolves when nothing is left of it. */
  async stop(): Promise<void> {
    this.#stopped.abort()
    await this.#serial.run(() => Promise.resolve())
    await Promise.all(this.#spreading)
  }

  async #decide(entry: Entry): Promise<Outcome> {
    const { clock, random, log } = this.#components
    const { signal } = this.#stopped
    for (let attempt = 0; attempt < maxAttempts; attempt++) {
      if (log.epoch >= entry.epoch) return this.#outcome(entry)
      const topology = log.current
      if (signal.aborted || topology === undefined) return 'no-majority'
      const reason = checkEntry(topology, entry)
      if (reason !== undefined) throw new Error(`proposed an entry that may not follow: ${reason}`)
      const came = await this.#attempt(topology, entry)
      if (came === 'no-majority' && log.epoch < entry.epoch) return 'no-majority'
      if (came === 'outvoted') {
        this.#components.logger.debug('was outvoted', { epoch: entry.epoch, attempt })
        const longest = Math.min(maxBackoffMs, firstBackoffMs * 2 ** attempt)
        await pause(clock, longest * random.float(), signal)
      }
    }
    return log.epoch >= entry.epoch ? this.#outcome(entry) : 'no-majority'
  }

  #outcome(entry: Entry): Outcome {
    const decided = this.#components.log.entryAt(entry.epoch)
    return decided !== undefined && sameEntry(decided, entry) ? 'decided' : 'lost'
  }

  /** One ballot, both phases. A majority is counted among the acceptors of this topology, lives included. */
  async #attempt(topology: Topology, wanted: Entry): Promise<Attempt> {
    const epoch = topology.epoch + 1
    const ballot = nextBallot(this.#round, this.#id)
    this.#round = ballot.round
    const promises = await this.#ask(topology, { prepare: { epoch, ballot } })
    if (promises.result !== 'majority') return promises.result
    const entry = highestAccepted(promises.votes) ?? wanted
    const accepts = await this.#ask(topology, { accept: { epoch, ballot, entry: entryToWire(entry) } })
    if (accepts.result !== 'majority') return accepts.result
    const slice: LogSlice = { entries: [entryToWire(entry)] }
    await this.#components.log.learn(slice)
    this.#spread(slice)
    return 'over'
  }

  /** Asks all acceptors at once; settles as soon as the phase can only end one way. */
  #ask({ acceptors }: Topology, request: RequestBody): Promise<Phase> {
    const majority = Math.floor(acceptors.length / 2) + 1
    const votes: PaxosVote[] = []
    let isOutvoted = false
    let missing = 0
    return new Promise(resolve => {
      const count = (vote: PaxosVote | undefined): void => {
        if (vote?.granted === true) votes.push(vote)
        else missing++
        if (vote?.granted === false) {
          // By a higher ballot; or the acceptor is behind and will have caught up by the next attempt.
          isOutvoted = true
          this.#round = Math.max(this.#round, vote.promised?.round ?? 0)
        }
        if (votes.length >= majority) resolve({ result: 'majority', votes: [...votes] })
        else if (missing > acceptors.length - majority)
          resolve({ result: isOutvoted ? 'outvoted' : 'no-majority' })
      }
      for (const acceptor of acceptors) void this.#vote(acceptor, request).then(count)
    })
  }

  /** An acceptor's vote; undefined where there is none, or none that makes sense. */
  async #vote(acceptor: MemberId, request: RequestBody): Promise<PaxosVote | undefined> {
    const { calls, logger } = this.#components
    const { signal } = this.#stopped
    try {
      const { vote } = await calls.call(acceptor, request, { timeoutMs: callTimeoutMs, signal })
      // Read now, so that no later step meets a malformed one.
      if (vote?.promised !== undefined) ballotFromWire(vote.promised)
      if (vote?.acceptedBallot !== undefined) acceptedBy(vote)
      return vote
    } catch (error) {
      const level = error instanceof TransportError ? 'debug' : 'warn'
      logger[level]('an acceptor gave no vote', { acceptor: acceptor.peerId, error: String(error) })
      return undefined
    }
  }

  /** Tells the acceptors first, since they decide what comes next, then everyone else whom the entry concerns. */
  #spread(slice: LogSlice): void {
    const topology = this.#components.log.current
    if (topology === undefined) return
    const { acceptors, members, epoch } = topology
    const others = members.filter(
      member => !includesMember(acceptors, member) && (!isGone(member) || member.standingAt === epoch)
    )
    const concerned = [...acceptors, ...others].filter(member => !sameMember(member, this.#id))
    const telling = this.#tell(concerned, slice).finally(() => this.#spreading.delete(telling))
    this.#spreading.add(telling)
  }

  async #tell(members: readonly MemberId[], slice: LogSlice): Promise<void> {
    const { calls } = this.#components
    const { signal } = this.#stopped
    const queue = [...members]
    const worker = async (): Promise<void> => {
      for (let next = queue.shift(); next !== undefined && !signal.aborted; next = queue.shift()) {
        // Who cannot be told learns of it by the next ping.
        await calls
          .call(next, { learn: { log: slice } }, { timeoutMs: callTimeoutMs, signal })
          .catch(() => undefined)
      }
    }
    await Promise.all(Array.from({ length: learnFanOut }, worker))
  }
}

/** What must be proposed in place of one's own wish: it may have been decided already. */
function highestAccepted(votes: readonly PaxosVote[]): Entry | undefined {
  let highest: { ballot: Ballot; entry: Entry } | undefined
  for (const vote of votes) {
    const accepted = vote.acceptedBallot === undefined ? undefined : acceptedBy(vote)
    if (accepted !== undefined && compareBallots(accepted.ballot, highest?.ballot) > 0) highest = accepted
  }
  return highest?.entry
}

/** Throws MalformedError. */
function acceptedBy(vote: PaxosVote): { ballot: Ballot; entry: Entry } {
  return { ballot: ballotFromWire(vote.acceptedBallot), entry: entryFromWire(vote.acceptedEntry) }
}
