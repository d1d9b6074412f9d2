/**
 * The last resort where most of the members that decide on the ring are lost for good: one of those that are left
 * declares who goes on. It is not agreed on, so it is only done where nobody else could object: every survivor is
 * named and answers, and nobody else does. Used by the peer that is asked to.
 */
import type { Restoration } from '../api.ts'
import type { Rumour } from '../wire/generated/messages.ts'
import { Liveness as WireLiveness } from '../wire/generated/messages.ts'
import type { CancelSignal } from './canceller.ts'
import { AnnulusError } from './errors.ts'
import { memberKey, sameMember, type MemberId } from './member.ts'
import type { Logger, Random } from './ports.ts'
import { partition } from './ring/difference.ts'
import { widthOf } from './ring/range.ts'
import type { Calls } from './rpc-types.ts'
import type { TopologyLog } from './topology/log.ts'
import { includesMember } from './topology/shapes.ts'
import type { Member, Topology } from './topology/topology.ts'
import { pullCount } from './topology/transition.ts'

/** How long each member has to answer, in ms: who is there takes a fraction of it. */
const answerTimeoutMs = 3_000

/** How often the members are asked anew since one of them had a newer topology. */
const maxSurveys = 3

export interface RestorerComponents {
  readonly calls: Calls
  readonly log: TopologyLog
  readonly random: Random
  readonly liveness: { view(): Rumour[] }
  readonly logger: Logger
}

export interface RestorerInit {
  readonly self: MemberId
}

export interface RestoreWish {
  /** Peer ids. */
  readonly survivors: readonly string[]
  /** The cluster's id, as a sign that its loss is meant; undefined: only say what it would come to. */
  readonly acceptLoss?: string
  readonly signal?: CancelSignal
}

/** What each member that answered thinks of the others, by its key. */
type Views = ReadonlyMap<string, readonly Rumour[]>

export class Restorer {
  readonly #components: RestorerComponents
  readonly #self: MemberId
  #isBusy = false

  constructor(components: RestorerComponents, { self }: RestorerInit) {
    this.#components = components
    this.#self = self
  }

  /** Throws ERR_INVALID where the wish names what is not there, and ERR_REFUSED where it must not be done. */
  async restore(wish: RestoreWish): Promise<Restoration> {
    if (this.#isBusy) throw new AnnulusError('ERR_OVERLOADED', 'another restore is being made')
    this.#isBusy = true
    try {
      return await this.#restore(wish)
    } finally {
      this.#isBusy = false
    }
  }

  async #restore({ survivors: names, acceptLoss, signal }: RestoreWish): Promise<Restoration> {
    const { topology, views } = await this.#survey(signal)
    const survivors = namedMembers(topology, names)
    const obstacle = obstacleTo(topology, { survivors, views, self: this.#self })
    if (obstacle !== undefined) throw new AnnulusError('ERR_REFUSED', obstacle)
    const outlook = outlookOf(topology, survivors)
    if (acceptLoss === undefined) return outlook
    if (acceptLoss !== topology.clusterId) {
      throw new AnnulusError('ERR_INVALID', `this is the cluster ${topology.clusterId}, not ${acceptLoss}`)
    }
    signal?.throwIfAborted()
    return { ...outlook, epoch: await this.#declare(survivors, topology, signal), isDone: true }
  }

  /** Asks every member what it knows, until nobody knows of a newer topology. */
  async #survey(signal: CancelSignal | undefined): Promise<{ topology: Topology; views: Views }> {
    const { calls, log, liveness } = this.#components
    for (let surveys = 1; ; surveys++) {
      const topology = log.current
      if (topology === undefined) throw new AnnulusError('ERR_UNREACHABLE', 'this peer is in no cluster yet')
      const views = new Map([[memberKey(this.#self), liveness.view()]])
      const others = topology.current.filter(member => !sameMember(member, this.#self))
      const options = { timeoutMs: answerTimeoutMs, ...(signal === undefined ? {} : { signal }) }
      const asking = others.map(async member => {
        // What the answer brings of the log has been learnt when the call returns.
        const { addresses } = await calls.call(member, { listAddresses: {} }, options)
        views.set(memberKey(member), addresses?.rumours ?? [])
      })
      await Promise.allSettled(asking)
      signal?.throwIfAborted()
      if (log.current === topology) return { topology, views }
      if (surveys === maxSurveys) {
        throw new AnnulusError('ERR_REFUSED', 'the topology changes: the members still decide on it')
      }
    }
  }

  /** Has it on this disk first, then tells the survivors; who does not hear it now does so by the next request. */
  async #declare(
    survivors: readonly Member[],
    { clusterId, epoch, generation }: Topology,
    signal: CancelSignal | undefined
  ): Promise<number> {
    const { calls, log, random, logger } = this.#components
    await log.restore(survivors, random.float())
    logger.warn('declares who is left of the cluster', { clusterId, generation: generation + 1 })
    const slice = log.sliceAfter(epoch)
    const options = { timeoutMs: answerTimeoutMs, ...(signal === undefined ? {} : { signal }) }
    const telling = survivors
      .filter(member => !sameMember(member, this.#self))
      .map(member =>
        calls.call(member, { learn: { ...(slice === undefined ? {} : { log: slice }) } }, options)
      )
    await Promise.allSettled(telling)
    return log.epoch
  }
}

/** Those who hold records and can go on holding them. Throws ERR_INVALID. */
function namedMembers(topology: Topology, names: readonly string[]): Member[] {
  return [...new Set(names)].map(peerId => {
    const member = topology.members.find(each => each.peerId === peerId && canSurvive(each))
    if (member !== undefined) return member
    throw new AnnulusError('ERR_INVALID', `${peerId} is no member that could survive; the status lists them`)
  })
}

function canSurvive({ standing }: Member): boolean {
  return standing === 'up' || standing === 'leaving'
}

/** Why these members must not go on alone, in words; undefined where they may. */
function obstacleTo(
  topology: Topology,
  { survivors, views, self }: { survivors: readonly Member[]; views: Views; self: MemberId }
): string | undefined {
  const answers = (member: MemberId): boolean => views.has(memberKey(member))
  if (!includesMember(survivors, self))
    return 'the peer that is asked is not among the survivors: ask one that is'
  const silent = survivors.filter(member => !answers(member))
  if (silent.length > 0) return `${peerIdsOf(silent).join(', ')} should survive, but does not answer`
  const others = topology.members.filter(member => canSurvive(member) && !includesMember(survivors, member))
  const alive = others.filter(answers)
  if (alive.length > 0)
    return `${peerIdsOf(alive).join(', ')} answers, but is not named as a survivor: name it too, or stop it first`
  const { acceptors } = topology
  const deciding = acceptors.filter(answers)
  if (deciding.length * 2 > acceptors.length) {
    return `${deciding.length} of the ${acceptors.length} members that decide on the ring answer, which is enough: remove the others instead`
  }
  for (const survivor of survivors) {
    const unsure = others.find(other => !isDownBy(views.get(memberKey(survivor)) ?? [], other))
    if (unsure !== undefined)
      return `${survivor.peerId} does not hold ${unsure.peerId} to be down yet: see that it is, and try again in a while`
  }
  return undefined
}

function isDownBy(view: readonly Rumour[], other: MemberId): boolean {
  return view.some(
    ({ member, liveness }) =>
      member !== undefined && sameMember(member, other) && liveness === WireLiveness.LIVENESS_DOWN
  )
}

/** What it would come to, by how many of the replicas of each range survive. */
function outlookOf(topology: Topology, survivors: readonly Member[]): Restoration {
  const { before, replicas, clusterId, epoch } = topology
  let gone = 0
  let atRisk = 0
  for (const segment of partition(before, before, replicas)) {
    const left = segment.before.filter(member => includesMember(survivors, member)).length
    if (left === 0) gone += widthOf(segment.range)
    else if (left < pullCount(segment.before.length)) atRisk += widthOf(segment.range)
  }
  const lost = topology.current.filter(member => !includesMember(survivors, member))
  return {
    clusterId,
    epoch,
    survivors: peerIdsOf(survivors),
    lost: peerIdsOf(lost),
    gone,
    atRisk,
    isDone: false
  }
}

function peerIdsOf(members: readonly MemberId[]): string[] {
  return [...new Set(members.map(({ peerId }) => peerId))].sort()
}
