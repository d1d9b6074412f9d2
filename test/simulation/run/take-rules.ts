/**
 * Watches that takers take, on which it rests that each acknowledged write is on a quorum of the ring after (`log`).
 * A run must be lucky to show by its gets that one source too few was asked: all the others would have to lack a write.
 *
 *     reports    a taker that reports at an epoch has begun sessions of what it takes, with both sides at that epoch, with
 *                n - q + 1 of the replicas that each of its ranges has in the ring before, itself counted where it is one
 *     closes     when a transition closes, so has each taker at the epoch of the latest entry; where n shrinks, each member
 *                of the ring after is one
 *
 * Who takes what is worked out here from the two rings alone. Where so many copies were given up that fewer than
 * n - q + 1 are left, all that are left take their place.
 */
import { memberKey, sameMember, type MemberId } from '../../../src/core/member.ts'
import { segmentsOf } from '../../../src/core/movement/segments.ts'
import { rootNode } from '../../../src/core/movement/slot-tree.ts'
import { formatPosition } from '../../../src/core/ring/position.ts'
import type { Member, Topology } from '../../../src/core/topology/topology.ts'
import { SessionDomain } from '../../../src/wire/generated/messages.ts'
import type { Message } from '../wiretap.ts'
import type { Violation } from './checker.ts'

export interface TakeRulesComponents {
  /** Undefined where nobody told of it yet. */
  readonly topologyAt: (epoch: number) => Topology | undefined
}

export class TakeRules {
  readonly violations: Violation[] = []
  readonly #components: TakeRulesComponents
  /** By epoch and taker: the keys of those with whom it has begun to reconcile what it takes. */
  readonly #begun = new Map<string, Set<string>>()
  /** Reports are repeated: the first one of each taker at an epoch is judged. */
  readonly #reported = new Set<string>()

  constructor(components: TakeRulesComponents) {
    this.#components = components
  }

  /** Takes in a message that was sent. */
  saw({ from, to, request, answer }: Message): void {
    const { compareNodes, report, epoch } = request
    if (answer === undefined) {
      if (report?.member !== undefined && report.reconciled === undefined)
        this.#reports(report.epoch, report.member)
      return
    }
    const isBegun =
      compareNodes?.domain === SessionDomain.DOMAIN_TAKEN &&
      compareNodes.parents.includes(rootNode) &&
      answer.nodesCompared !== undefined &&
      answer.epoch === epoch
    if (!isBegun) return
    const name = nameOf(epoch, from)
    const sources = this.#begun.get(name) ?? new Set<string>()
    this.#begun.set(name, sources.add(memberKey(to)))
  }

  /** The log has a new entry. */
  moved(topology: Topology): void {
    const before = this.#components.topologyAt(topology.epoch - 1)
    if (before?.transition === undefined || topology.transition !== undefined) return
    for (const taker of before.after?.members ?? []) {
      const lacking = this.#lackedBy(before, taker)
      if (lacking !== undefined) this.#complain(taker, `the transition is closed, and it has ${lacking}`)
    }
  }

  #reports(epoch: number, taker: MemberId): void {
    const name = nameOf(epoch, taker.peerId)
    const topology = this.#components.topologyAt(epoch)
    if (topology === undefined || this.#reported.has(name)) return
    this.#reported.add(name)
    const lacking = this.#lackedBy(topology, taker)
    if (lacking !== undefined) this.#complain(taker, `reports that it has taken its part, and has ${lacking}`)
  }

  /** A range that a taker has not reconciled with enough of the replicas before, in words; undefined for none. */
  #lackedBy(topology: Topology, taker: MemberId): string | undefined {
    const begun = this.#begun.get(nameOf(topology.epoch, taker.peerId)) ?? new Set<string>()
    const counts = (source: MemberId): boolean => sameMember(source, taker) || begun.has(memberKey(source))
    const segments = segmentsOf(topology)
    for (const number of segments.placesOf(taker)) {
      const { range, before, after } = segments.at(number)
      const isShrinking = after.length < before.length
      if (!includes(after, taker) || (includes(before, taker) && !isShrinking)) continue
      if (areEnough(before, counts)) continue
      const asked = before.filter(counts).length
      const where = `the range up to ${formatPosition(range.end)}`
      return `reconciled ${where} with ${asked} of its ${before.length} replicas at epoch ${topology.epoch}`
    }
    return undefined
  }

  #complain({ peerId }: MemberId, what: string): void {
    this.violations.push({ guarantee: 'log', subject: peerId, what: `${peerId}: ${what}` })
  }
}

/** Whether those that count meet each write that a quorum of these replicas has: n - q + 1 of them, q = floor(n/2) + 1. */
function areEnough(replicas: readonly Member[], counts: (member: Member) => boolean): boolean {
  const needed = replicas.length - Math.floor(replicas.length / 2)
  const left = replicas.filter(({ lost }) => !lost)
  return left.length < needed ? left.every(counts) : replicas.filter(counts).length >= needed
}

function includes(members: readonly Member[], wanted: MemberId): boolean {
  return members.some(member => sameMember(member, wanted))
}

function nameOf(epoch: number, peerId: string): string {
  return `${epoch} ${peerId}`
}
