/**
 * Watches purges (G6) on the wire and on the disks, by these rules:
 *
 *     reports    a purge is proposed when each member of the topology has reported, at its epoch, that it is
 *                reconciled with all; but who proposes, whose own report goes over no wire
 *     fence      it reaches no further than the fence of the topology before it
 *     stamps     no replica is asked at an epoch to store a put that was stamped below the fence of that epoch
 *     gone       where it comes into force, no member's disk has anything older than what it makes an end of
 *     shown      from then on nothing that it made an end of is in an answer to a get or a put
 *     stored     nor is anything of the same key, as old or older, stored by a member any more
 *
 * A run must be very lucky to show any of these by a get: what is purged is dropped within moments, and what
 * comes back must be older, on a disk that missed the delete. What sessions send is judged by movement-rules.ts.
 */
import { memberKey } from '../../../src/core/member.ts'
import { decodeHead } from '../../../src/core/record/codec.ts'
import { isPurged } from '../../../src/core/record/purged.ts'
import type { RecordHead } from '../../../src/core/record/record.ts'
import { compareVersions, formatVersion, type Version } from '../../../src/core/record/version.ts'
import { formatPosition } from '../../../src/core/ring/position.ts'
import { entryFromWire } from '../../../src/core/topology/codec.ts'
import type { Purge } from '../../../src/core/topology/entry.ts'
import { includesMember } from '../../../src/core/topology/shapes.ts'
import { isGone, type Topology } from '../../../src/core/topology/topology.ts'
import type { Accept, Response } from '../../../src/wire/generated/messages.ts'
import type { SimulatedPeer } from '../cluster.ts'
import type { Message } from '../wiretap.ts'
import type { Violation } from './checker.ts'

export interface PurgeRulesComponents {
  readonly peers: readonly SimulatedPeer[]
  /** Undefined where nobody told of it yet. */
  readonly topologyAt: (epoch: number) => Topology | undefined
}

/** The newest of a key that a purge has made an end of, and by the topology of which epoch. */
interface End {
  readonly version: Version
  readonly epoch: number
}

export class PurgeRules {
  readonly violations: Violation[] = []
  readonly #components: PurgeRulesComponents
  /** By epoch and member. */
  readonly #reports = new Set<string>()
  /** By epoch: those who have accepted an entry, by the ballots that promises tell of. They may be who came up with it. */
  readonly #authors = new Map<number, Set<string>>()
  /** By position in hex. */
  readonly #ends = new Map<string, End>()

  constructor(components: PurgeRulesComponents) {
    this.#components = components
  }

  /** Takes in a message that was sent. */
  saw({ from, to, request, answer }: Message): void {
    if (answer !== undefined) {
      this.#sawAnswer(to.peerId, request, answer)
      return
    }
    const { report, accept, writeRecord, epoch } = request
    if (report?.member !== undefined && report.reconciled !== undefined)
      this.#reports.add(`${report.epoch} ${memberKey(report.member)}`)
    if (accept?.entry?.purge !== undefined) this.#ensureDue(from, accept)
    if (writeRecord?.put === true) this.#ensureAboveFence(from, epoch, decodeHead(writeRecord.record))
  }

  /** The log has a new entry: the topology that it makes. */
  moved(topology: Topology): void {
    const { epoch, purgedBefore } = topology
    if (purgedBefore <= (this.#components.topologyAt(epoch - 1)?.purgedBefore ?? 0)) return
    const members = this.#components.peers.filter(({ core }) =>
      includesMember(topology.current, core.memberNow)
    )
    for (const { disk } of members) {
      for (const name of disk.holdings.positions) {
        const held = disk.holdings.newest(name)
        if (held === undefined || !isPurged({ ...held, position: none }, purgedBefore)) continue
        if (compareVersions(held.version, this.#ends.get(name)?.version) <= 0) continue
        this.#ends.set(name, { version: held.version, epoch })
      }
    }
    for (const [name, end] of this.#ends) {
      if (end.epoch !== epoch) continue
      for (const peer of members) this.#ensureNothingOlder(peer, name, end)
    }
  }

  /** A disk is about to have these. */
  keeps(peerId: string, records: ReadonlyArray<Pick<RecordHead, 'position' | 'version'>>): void {
    if (this.#ends.size === 0) return
    const peer = this.#components.peers.find(candidate => candidate.peerId === peerId)
    const topology = peer?.core.topologyNow
    if (peer === undefined || topology === undefined) return
    // What one that has gone keeps counts for nobody.
    const member = topology.member(peer.core.memberNow)
    if (member === undefined || isGone(member)) return
    for (const { position, version } of records) {
      const name = formatPosition(position)
      const end = this.#ends.get(name)
      if (end === undefined || topology.epoch < end.epoch || compareVersions(version, end.version) > 0)
        continue
      // It meets what is as new: nothing changes.
      if (compareVersions(peer.disk.holdings.newest(name)?.version, version) >= 0) continue
      this.#complain(
        peerId,
        `stores the record at ${name} as ${formatVersion(version)}, of which ${ending(end)}`
      )
    }
  }

  #ensureDue(from: string, { epoch, entry }: Accept): void {
    const before = this.#components.topologyAt(epoch - 1)
    if (before === undefined || entry === undefined) return
    // Its kind is known by the field that it came in.
    const purge = entryFromWire(entry) as Purge
    if (purge.before > before.fence)
      this.#complain(
        from,
        `would purge before ${purge.before} at epoch ${epoch}: the fence is ${before.fence}`
      )
    const authors = this.#authors.get(epoch)
    for (const member of before.current) {
      if (member.peerId === from || authors?.has(member.peerId) === true) continue
      if (this.#reports.has(`${before.epoch} ${memberKey(member)}`)) continue
      this.#complain(from, `would purge at epoch ${epoch}, and ${member.peerId} has not reported`)
    }
  }

  #ensureAboveFence(from: string, epoch: number, { position, version }: RecordHead): void {
    const fence = this.#components.topologyAt(epoch)?.fence ?? 0
    if (version.time >= fence) return
    const what = `the record at ${formatPosition(position)} as ${formatVersion(version)}`
    this.#complain(from, `asks for ${what} to be stored at epoch ${epoch}, whose fence is ${fence}`)
  }

  #sawAnswer(by: string, request: Message['request'], answer: Response): void {
    const { prepare, readRecord, readVersion, epoch } = request
    const author = answer.vote?.acceptedBallot?.peerId
    if (prepare !== undefined && author !== undefined) {
      const authors = this.#authors.get(prepare.epoch) ?? new Set<string>()
      this.#authors.set(prepare.epoch, authors.add(author))
    }
    const position = readRecord?.position ?? readVersion?.position
    if (position === undefined || answer.epoch !== epoch || this.#ends.size === 0) return
    const name = formatPosition(position)
    const end = this.#ends.get(name)
    const shown = versionIn(answer)
    if (end === undefined || shown === undefined || epoch < end.epoch) return
    if (compareVersions(shown, end.version) > 0) return
    this.#complain(by, `shows the record at ${name} as ${formatVersion(shown)}, of which ${ending(end)}`)
  }

  #ensureNothingOlder({ peerId, disk }: SimulatedPeer, name: string, end: End): void {
    const held = disk.holdings.newest(name)
    if (held === undefined || compareVersions(held.version, end.version) >= 0) return
    const what = `has the record at ${name} as ${formatVersion(held.version)}`
    this.#complain(peerId, `${what}, where ${ending(end)}`)
  }

  #complain(subject: string, what: string): void {
    this.violations.push({ guarantee: 'G6', subject, what })
  }
}

/** Whether a record is purged depends on no position. */
const none = new Uint8Array()

function ending({ version, epoch }: End): string {
  return `the purge of epoch ${epoch} made an end up to ${formatVersion(version)}`
}

function versionIn({ record, version }: Response): Version | undefined {
  if (record !== undefined) return record.record.length === 0 ? undefined : decodeHead(record.record).version
  return version?.version
}
