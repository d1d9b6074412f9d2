/**
 * Watches what the log's safety rests on, message by message, and says where it is broken before any get or put
 * could show it.
 *
 *     one entry      all that is said to be decided for an epoch is the same
 *     epochs         a member answers in no epoch below one that it has answered in
 *     reports        a transition is closed when each taker has reported at the epoch of its latest entry
 *     votes          nobody who has answered at a later epoch before votes on a key for who asks at an earlier one
 *     replicas       only members of a ring in force answer for keys, as the lives that they are in it
 *
 * and the rules of the agreement itself, in paxos-rules.ts.
 */
import { memberKey, type MemberId } from '../../../src/core/member.ts'
import { entryFromWire, topologyFromWire } from '../../../src/core/topology/codec.ts'
import { applyEntry } from '../../../src/core/topology/entry.ts'
import { includesMember } from '../../../src/core/topology/shapes.ts'
import type { Topology } from '../../../src/core/topology/topology.ts'
import {
  Entry,
  Topology as WireTopology,
  type LogSlice,
  type Report
} from '../../../src/wire/generated/messages.ts'
import type { Violation } from './checker.ts'
import { PaxosRules } from './paxos-rules.ts'
import type { Message } from '../wiretap.ts'

export class LogRules {
  readonly violations: Violation[] = []
  readonly #entries = new Map<number, string>()
  readonly #snapshots = new Map<number, string>()
  readonly #topologies = new Map<number, Topology>()
  /** By epoch: the keys of all members of the rings in force. */
  readonly #replicas = new Map<number, ReadonlySet<string>>()
  /** By epoch and member. */
  readonly #reports = new Set<string>()
  /** The newest epoch that each member has answered in. */
  readonly #epochs = new Map<string, number>()
  /** Whether a request, when it was first sent, was behind what the one asked had answered in: then it gets no vote. */
  readonly #isLate = new WeakMap<Message['request'], boolean>()
  readonly #complain = (subject: string, what: string): void => {
    this.violations.push({ guarantee: 'log', subject, what })
  }
  readonly #paxos = new PaxosRules({
    acceptorsOf: epoch => this.#topologies.get(epoch - 1)?.acceptors,
    complain: this.#complain
  })

  /** Told of each topology that an entry makes, once, in the order in which they are heard of. */
  onTopology: ((topology: Topology) => void) | undefined

  /** Undefined where nobody told of that epoch yet. */
  topologyAt(epoch: number): Topology | undefined {
    return this.#topologies.get(epoch)
  }

  /** Takes in a message that was sent. */
  saw({ from, to, request, answer }: Message): void {
    if (answer === undefined) this.#sawRequest(from, to, request)
    else this.#sawAnswer(to, request, answer)
  }

  #sawRequest(from: string, to: MemberId, request: Message['request']): void {
    const { learn, report, prepare, accept } = request
    if (!this.#isLate.has(request))
      this.#isLate.set(request, request.epoch < (this.#epochs.get(memberKey(to)) ?? 0))
    this.#sawSlice(from, learn?.log)
    if (prepare?.ballot !== undefined) this.#paxos.prepares(from, to, prepare)
    if (report !== undefined) this.#sawReport(report)
    if (accept?.entry === undefined || accept.ballot === undefined) return
    this.#paxos.asked(from, accept, textOf(Entry.encode(accept.entry)))
    if (accept.entry.close !== undefined) this.#ensureReported(from, accept.epoch - 1)
  }

  #sawAnswer(by: MemberId, request: Message['request'], answer: NonNullable<Message['answer']>): void {
    const { prepare, accept } = request
    this.#sawEpoch(by, answer.epoch)
    this.#sawSlice(by.peerId, answer.log)
    if (isAboutKey(request) && isVote(answer)) this.#sawVote(by, request, answer.epoch)
    const asked = prepare ?? accept
    if (answer.vote === undefined || asked?.ballot === undefined) return
    this.#paxos.voted(by, asked, answer.vote, accept !== undefined)
  }

  #sawVote(by: MemberId, request: Message['request'], epoch: number): void {
    if (request.epoch === epoch) this.#ensureReplica(by, epoch)
    if (this.#isLate.get(request) !== true) return
    this.#complain(
      by.peerId,
      `votes on a key for who asks at epoch ${request.epoch}, which it was past already`
    )
  }

  #sawSlice(from: string, slice: LogSlice | undefined): void {
    if (slice === undefined) return
    if (slice.snapshot !== undefined) {
      const { epoch } = slice.snapshot
      this.#isNew(this.#snapshots, epoch, textOf(WireTopology.encode(slice.snapshot)), from)
      if (!this.#topologies.has(epoch)) this.#topologies.set(epoch, topologyFromWire(slice.snapshot))
    }
    for (const wire of slice.entries) {
      const text = textOf(Entry.encode(wire))
      if (!this.#isNew(this.#entries, wire.epoch, text, from)) continue
      this.#paxos.decided(from, wire.epoch, text)
      if (!this.#topologies.has(wire.epoch)) this.#follow(wire)
    }
  }

  /** Makes the topology of an epoch from the one before it, where that is known. */
  #follow(wire: Entry): void {
    const before = this.#topologies.get(wire.epoch - 1)
    if (before === undefined && wire.found === undefined) return
    const topology = applyEntry(before, entryFromWire(wire))
    this.#topologies.set(wire.epoch, topology)
    this.onTopology?.(topology)
  }

  /** Whether nothing was told of this epoch before. */
  #isNew(known: Map<number, string>, epoch: number, text: string, from: string): boolean {
    const first = known.get(epoch)
    if (first === undefined) known.set(epoch, text)
    else if (first !== text)
      this.#complain(from, `tells of another log at epoch ${epoch} than was told before`)
    return first === undefined
  }

  #sawReport({ epoch, member, reconciled }: Report): void {
    if (member !== undefined && reconciled === undefined) this.#reports.add(`${epoch} ${memberKey(member)}`)
  }

  /** What an acceptor reports to itself is on no wire; joiners, which are most of the takers, are none. */
  #ensureReported(from: string, epoch: number): void {
    const topology = this.#topologies.get(epoch)
    if (topology === undefined) return
    const missing = topology.takers.find(
      taker =>
        !includesMember(topology.acceptors, taker) && !this.#reports.has(`${epoch} ${memberKey(taker)}`)
    )
    if (missing !== undefined)
      this.#complain(
        from,
        `would close the transition of epoch ${epoch}, and ${missing.peerId} has not reported`
      )
  }

  #ensureReplica(voter: MemberId, epoch: number): void {
    const topology = this.#topologies.get(epoch)
    if (topology === undefined) return
    const replicas = this.#replicas.get(epoch) ?? new Set(topology.current.map(memberKey))
    this.#replicas.set(epoch, replicas)
    if (!replicas.has(memberKey(voter)))
      this.#complain(
        voter.peerId,
        `answers for a key at epoch ${epoch}, but life ${voter.life} is in no ring`
      )
  }

  #sawEpoch(member: MemberId, epoch: number): void {
    // A life that has just ended knows of no epoch any more.
    if (epoch === 0) return
    const key = memberKey(member)
    const newest = this.#epochs.get(key) ?? 0
    if (epoch < newest) this.#complain(member.peerId, `answers at epoch ${epoch}, after it did at ${newest}`)
    else this.#epochs.set(key, epoch)
  }
}

function isAboutKey({ readVersion, readRecord, writeRecord }: Message['request']): boolean {
  return (readVersion ?? readRecord ?? writeRecord) !== undefined
}

/** One that does not serve the request, or refuses it, answers with neither of these. */
function isVote({ version, record, done }: NonNullable<Message['answer']>): boolean {
  return (version ?? record ?? done) !== undefined
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64')
}
