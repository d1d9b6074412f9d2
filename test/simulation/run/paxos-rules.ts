/**
 * Watches the agreement on the log's entries, message by message: what Paxos rests on (Lamport, "Paxos Made Simple",
 * 2001). A run must be lucky to show by its gets and puts that an acceptor forgot a promise: another proposer has to
 * come by at the same epoch, and what was decided there must not have spread. Here it shows at once.
 *
 *     one ballot     a proposer asks with one ballot for one entry alone, and each acceptor once to promise it
 *     electorate     only acceptors that the epoch before names vote, as the members they were named as
 *     promises       an acceptor grants no ballot below one that it granted, and tells what it has accepted
 *     adoption       a proposer that was told of an accepted entry asks for none that nobody asked for before
 *     majority       what is said to be decided has been accepted by a majority, with one ballot
 *
 * What an acceptor asks of itself is on no wire: where that may matter, it is held to have been in order. Used by
 * log-rules.ts, which knows the topologies.
 */
import { memberKey, sameMember, type MemberId } from '../../../src/core/member.ts'
import { ballotFromWire, compareBallots, type Ballot } from '../../../src/core/topology/ballot.ts'
import { includesMember } from '../../../src/core/topology/shapes.ts'
import type { Accept, PaxosVote, Prepare } from '../../../src/wire/generated/messages.ts'

/** An entry as text: equal entries have equal ones. */
export type EntryText = string

export type Complain = (subject: string, what: string) => void

/** What an acceptor has granted for one epoch. */
interface Granted {
  promised: Ballot
  accepted: Ballot | undefined
}

/** What has been seen of one ballot at one epoch. */
interface Seen {
  readonly ballot: Ballot
  /** By acceptor: the message that asks for its promise. What a network repeats is the same one. */
  readonly prepares: Map<string, Prepare>
  /** What it asked for; undefined before it did. */
  text: EntryText | undefined
  /** By acceptor: the ballot of what each one that promised had accepted before. */
  readonly promises: Map<string, Ballot | undefined>
  /** The acceptors that accepted. */
  readonly accepts: Set<string>
}

export class PaxosRules {
  readonly #acceptorsOf: (epoch: number) => readonly MemberId[] | undefined
  readonly #complain: Complain
  readonly #granted = new Map<string, Granted>()
  /** By epoch, then by ballot. */
  readonly #seen = new Map<number, Map<string, Seen>>()

  /** `acceptorsOf`: who decides on an epoch; undefined where that is not known. */
  constructor(init: { acceptorsOf: (epoch: number) => readonly MemberId[] | undefined; complain: Complain }) {
    this.#acceptorsOf = init.acceptorsOf
    this.#complain = init.complain
  }

  /** Somebody asks for a promise. */
  prepares(from: string, to: MemberId, prepare: Prepare): void {
    const { prepares } = this.#of(prepare.epoch, ballotFromWire(prepare.ballot))
    const before = prepares.get(memberKey(to))
    if (before === undefined) prepares.set(memberKey(to), prepare)
    else if (before !== prepare) this.#complain(from, `uses one ballot again at epoch ${prepare.epoch}`)
  }

  /** Somebody asks for an entry. */
  asked(from: string, { epoch, ballot: wire }: Accept, text: EntryText): void {
    const seen = this.#of(epoch, ballotFromWire(wire))
    if (seen.text === undefined) this.#ensureAdopted(epoch, seen, text)
    else if (seen.text !== text)
      this.#complain(from, `asks with one ballot for two entries at epoch ${epoch}`)
    seen.text ??= text
  }

  /** An acceptor answers. */
  voted(
    voter: MemberId,
    { epoch, ballot: wire }: Prepare | Accept,
    vote: PaxosVote,
    isAccept: boolean
  ): void {
    if (!vote.granted) return
    const ballot = ballotFromWire(wire)
    const told = vote.acceptedBallot
    this.#ensureAcceptor(voter, epoch)
    this.#ensureInOrder(voter, epoch, { ballot, isAccept, told })
    const seen = this.#of(epoch, ballot)
    if (isAccept) seen.accepts.add(memberKey(voter))
    else if (!seen.promises.has(memberKey(voter))) seen.promises.set(memberKey(voter), told)
  }

  /** Somebody says that this was decided. */
  decided(from: string, epoch: number, text: EntryText): void {
    const acceptors = this.#acceptorsOf(epoch)
    if (acceptors === undefined) return
    const ballots = [...(this.#seen.get(epoch)?.values() ?? [])].filter(seen => seen.text === text)
    const counts = ballots.map(({ ballot, accepts }) => {
      const isOwn = includesMember(acceptors, ballot) && !accepts.has(memberKey(ballot))
      return accepts.size + (isOwn ? 1 : 0)
    })
    const most = Math.max(0, ...counts)
    // One that decides by itself asks nobody else.
    if (acceptors.length === 1 || most >= majorityOf(acceptors)) return
    this.#complain(
      from,
      `says that epoch ${epoch} is decided, which ${most} of ${acceptors.length} acceptors accepted`
    )
  }

  #of(epoch: number, ballot: Ballot): Seen {
    const ofEpoch = this.#seen.get(epoch) ?? new Map<string, Seen>()
    this.#seen.set(epoch, ofEpoch)
    const name = nameOf(ballot)
    const known = ofEpoch.get(name)
    if (known !== undefined) return known
    const seen = {
      ballot,
      prepares: new Map(),
      text: undefined,
      promises: new Map(),
      accepts: new Set<string>()
    }
    ofEpoch.set(name, seen)
    return seen
  }

  #ensureAcceptor(voter: MemberId, epoch: number): void {
    const acceptors = this.#acceptorsOf(epoch)
    if (acceptors === undefined || includesMember(acceptors, voter)) return
    this.#complain(voter.peerId, `votes on epoch ${epoch}, but life ${voter.life} is no acceptor`)
  }

  #ensureInOrder(
    voter: MemberId,
    epoch: number,
    { ballot, isAccept, told }: { ballot: Ballot; isAccept: boolean; told: Ballot | undefined }
  ): void {
    const key = `${memberKey(voter)} ${epoch}`
    const before = this.#granted.get(key)
    if (compareBallots(ballot, before?.promised) < 0)
      this.#complain(voter.peerId, `votes on epoch ${epoch} below a ballot that it promised`)
    if (!isAccept && compareBallots(told, before?.accepted) < 0)
      this.#complain(voter.peerId, `has forgotten what it accepted for epoch ${epoch}`)
    const promised = compareBallots(ballot, before?.promised) > 0 ? ballot : (before?.promised ?? ballot)
    this.#granted.set(key, { promised, accepted: isAccept ? ballot : before?.accepted })
  }

  /**
   * Which promises a proposer counted is not seen, but how many, and that at most one of them was its own: with so
   * many that tell of an accepted entry that it cannot have counted the others alone, it has to ask for an entry of
   * at least the lowest ballot told. That one was asked for on the wire, unless only itself accepted it.
   */
  #ensureAdopted(epoch: number, { ballot, promises }: Seen, text: EntryText): void {
    const acceptors = this.#acceptorsOf(epoch)
    if (acceptors === undefined) return
    const own = includesMember(acceptors, ballot) ? 1 : 0
    const counted = majorityOf(acceptors) - own
    const told = [...promises.values()].filter(accepted => accepted !== undefined)
    if (told.length === 0 || told.length <= promises.size - counted) return
    const others = [...this.#seen.get(epoch)!.values()].filter(seen => seen.ballot !== ballot)
    const mayHaveAcceptedUnseen = others.some(
      seen => sameMember(seen.ballot, ballot) && seen.promises.size >= counted
    )
    if (own > 0 && mayHaveAcceptedUnseen) return
    const lowest = told.reduce((a, b) => (compareBallots(a, b) <= 0 ? a : b))
    const allowed = others.filter(seen => compareBallots(seen.ballot, lowest) >= 0)
    if (allowed.some(seen => seen.text === text)) return
    this.#complain(ballot.peerId, `asks for an entry of its own at epoch ${epoch}, told of an accepted one`)
  }
}

function majorityOf(acceptors: readonly MemberId[]): number {
  return Math.floor(acceptors.length / 2) + 1
}

function nameOf({ round, peerId, life, boot }: Ballot): string {
  return [round, peerId, life, boot].join()
}
