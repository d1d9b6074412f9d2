/**
 * One session of reconciling, driven by the member that begins it: compares sums of fingerprints down the tree
 * of slots, lists what differs where it is little, and moves records both ways, the newer version each. Where
 * one side holds nothing it is not listed but streamed.
 *
 *     compare  root's children     3 of 16 differ
 *     compare  theirs              one empty here, one with 40 records, one to be split further
 *     stream   the empty one       list the one with 40, fetch 2, push 1       compare the last's children ...
 *
 * Two stores of n records that differ in d cost O(d log n) bytes beside those d records (set reconciliation by
 * a tree of sums: Merkle trees of Dynamo, SOSP 2007, section 4.7, with sums in the place of hashes of hashes,
 * so that a change costs one addition; compare Meyer, "Range-Based Set Reconciliation", SRDS 2023).
 */
import type { SessionDomain } from '../../wire/generated/messages.ts'
import type { CancelSignal } from '../canceller.ts'
import type { MemberId } from '../member.ts'
import type { Clock, Logger, Random, Store } from '../ports.ts'
import { fingerprintOf, type FingerprintSum } from '../record/fingerprint.ts'
import { compareVersions } from '../record/version.ts'
import { comparePositions } from '../ring/position.ts'
import type { RecordHead } from '../record/record.ts'
import type { Calls, Traffic } from '../rpc-types.ts'
import { orAbort } from '../time.ts'
import type { Domain } from './domain.ts'
import { type DomainKind, domainOnWire } from './domains.ts'
import { Exchange, type Moved } from './exchange.ts'
import type { NodeSums } from './node-sums.ts'
import { packFingerprints, packSums, type SentHead, unpackDifferences, unpackHeads } from './packing.ts'
import { type SessionProgress, waiting } from './progress.ts'
import { SessionCalls } from './session-calls.ts'
import { listedAtOnce, maxFingerprints, maxListedNode, maxNodes, maxParents } from './session-limits.ts'
import { allSlots, childrenOf, isLeaf, rootNode, slotsOf } from './slot-tree.ts'
import type { Throttle } from './throttle.ts'

export interface SessionComponents {
  readonly calls: Calls
  readonly store: Store
  readonly sums: NodeSums
  readonly throttle: Throttle
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  /** The epoch that this member is at. */
  readonly epoch: () => number
}

export interface SessionInit {
  readonly member: MemberId
  readonly kind: DomainKind
  readonly domain: Domain
  /** That both sides are at from the session's begin to its end. */
  readonly epoch: number
  readonly signal: CancelSignal
  readonly progress: SessionProgress
  /** Only what lies in these nodes, inner ones, in ring order. Default: all. */
  readonly within?: readonly number[]
}

export interface SessionResult {
  /** Whether both held the same from the first, so that nothing had to move. */
  readonly wasEqual: boolean
  readonly received: Moved
  readonly sent: Moved
  /** Slots of the domain in which this member, or the other, has a damaged record: there the session proves nothing. */
  readonly damagedHere: ReadonlySet<number>
  readonly damagedThere: ReadonlySet<number>
}

/**
 * Resolves when every record that the other held in the domain as the session began, or something newer, is on
 * disk here (unless this one hands over), and every one that was held here is on disk there; but for damaged ones.
 * Throws EpochMovedError where either side is at another epoch, a TransportError where the other could not be
 * asked, StoreError, or the signal's reason. What had moved by then is not moved again by the next session.
 */
export async function reconcile(components: SessionComponents, init: SessionInit): Promise<SessionResult> {
  init.signal.throwIfAborted()
  await counted(components.store, init)
  const { clock, logger } = components
  const { member, kind } = init
  const traffic: Traffic = { sentBytes: 0, receivedBytes: 0 }
  const beganMs = clock.monotonic()
  const told = (): Record<string, unknown> => ({
    with: member.peerId,
    kind,
    ms: Math.round(clock.monotonic() - beganMs),
    ...traffic
  })
  try {
    const result = await new Session(components, { ...init, traffic }).run()
    const { wasEqual, received, sent } = result
    logger.debug('reconciled', { ...told(), wasEqual, received: received.records, sent: sent.records })
    return result
  } catch (error) {
    logger.debug('reconciling ended early', { ...told(), error: String(error) })
    throw error
  }
}

/** Resolves when all that is held here is counted. Throws when the signal aborts. */
async function counted(
  { fingerprints }: Pick<Store, 'fingerprints'>,
  { signal, progress }: Pick<SessionInit, 'signal' | 'progress'>
): Promise<void> {
  if (fingerprints.isComplete) return
  const { trouble } = fingerprints
  waiting(
    progress,
    trouble === undefined ? 'its records to be counted' : `its records to be counted (${trouble})`
  )
  await orAbort(fingerprints.completed, signal, () => signal.reason)
  waiting(progress, undefined)
}

/** A node in which the two sides differ. */
interface Differing {
  readonly node: number
  /** Records here and there. */
  readonly mine: number
  readonly theirs: number
}

class Session {
  readonly #components: SessionComponents
  readonly #init: SessionInit
  readonly #kind: SessionDomain
  readonly #calls: SessionCalls
  readonly #exchange: Exchange
  /** Of each node that is to be split, how many records differ there at the least. */
  readonly #leastIn = new Map<number, number>()
  #wasEqual = true

  constructor(components: SessionComponents, init: SessionInit & { readonly traffic: Traffic }) {
    this.#components = components
    this.#init = init
    this.#kind = domainOnWire[init.kind]
    this.#calls = new SessionCalls(components, init)
    const { domain, signal, progress } = init
    this.#exchange = new Exchange(
      { ...components, calls: this.#calls },
      { kind: this.#kind, domain, signal, progress }
    )
  }

  async run(): Promise<SessionResult> {
    try {
      return await this.#run()
    } finally {
      // What it did not come to is found again by the next one.
      this.#init.progress.left = 0
    }
  }

  async #run(): Promise<SessionResult> {
    this.#noteDamagedHere()
    // The next to be split come last, so that the walk goes down before it goes on.
    const toSplit = [...(this.#init.within ?? [rootNode])].reverse()
    while (toSplit.length > 0) {
      const parents = toSplit.splice(-maxParents).reverse()
      const differing = await this.#compare(parents)
      if (differing.length > 0) this.#wasEqual = false
      toSplit.push(...(await this.#settle(differing)).reverse())
    }
    this.#noteDamagedHere()
    const { received, sent, damagedHere, damagedThere } = this.#exchange
    return {
      wasEqual: this.#wasEqual,
      received,
      sent,
      damagedHere,
      damagedThere
    }
  }

  /** Which children of these nodes differ, in ring order. */
  async #compare(parents: readonly number[]): Promise<Differing[]> {
    const { domain, progress } = this.#init
    const nodes = parents.flatMap(childrenOf).filter(node => domain.touches(slotsOf(node)))
    const mine: FingerprintSum[] = []
    for (const node of nodes) mine.push(await this.#components.sums.sum(domain, slotsOf(node)))
    const compareNodes = { domain: this.#kind, parents: [...parents], sums: packSums(mine) }
    const answer = await this.#calls.ask({ compareNodes }, 'nodesCompared')
    for (const slot of answer.damagedSlots) this.#exchange.damagedThere.add(slot)
    for (const parent of parents) {
      progress.left -= this.#leastIn.get(parent) ?? 0
      this.#leastIn.delete(parent)
    }
    return unpackDifferences(answer.differing, nodes.length).map(({ index, count }) => ({
      node: nodes[index]!,
      mine: mine[index]!.count,
      theirs: count
    }))
  }

  /** Makes equal what can be at this level, in ring order; gives what has to be split. */
  async #settle(differing: readonly Differing[]): Promise<number[]> {
    const toSplit: number[] = []
    const { progress } = this.#init
    progress.left += sumOf(differing, each => this.#leastLeft(each))
    progress.changed()
    for (const { what, nodes } of runsOf(differing, each => this.#remedyFor(each))) {
      const numbers = nodes.map(({ node }) => node)
      if (what === 'split') {
        for (const each of nodes) this.#leastIn.set(each.node, this.#leastLeft(each))
        toSplit.push(...numbers)
        continue
      }
      const leftAfter = progress.left - sumOf(nodes, each => this.#leastLeft(each))
      if (what === 'pull') await this.#exchange.pullNodes(numbers)
      if (what === 'push') await this.#exchange.pushNodes(numbers)
      if (what === 'list') await this.#list(numbers, leftAfter)
      // What was counted and did not move is damaged, gone, or there by now.
      progress.left = leftAfter
    }
    return toSplit
  }

  /** How many records in a node have to move at the least: all of them where one side holds nothing. */
  #leastLeft({ mine, theirs }: Differing): number {
    return this.#init.kind === 'handed-over' ? Math.max(0, mine - theirs) : Math.abs(mine - theirs)
  }

  #remedyFor({ node, mine, theirs }: Differing): Remedy {
    const isBothWays = this.#init.kind !== 'handed-over'
    if (theirs === 0) return 'push'
    if (mine === 0) return isBothWays ? 'pull' : 'none'
    // What the other holds beside counts only where it is to come here.
    const listed = isBothWays ? mine + theirs : mine
    return isLeaf(node) || listed <= maxListedNode ? 'list' : 'split'
  }

  /** Finds out record by record what differs in these nodes, and moves it. `leftAfter`: what is left elsewhere. */
  async #list(nodes: readonly number[], leftAfter: number): Promise<void> {
    const mine: RecordHead[] = []
    for (const node of nodes) {
      for await (const head of this.#components.sums.heads(this.#init.domain, slotsOf(node))) mine.push(head)
    }
    if (mine.length > maxFingerprints)
      throw new Error(`${mine.length} records in a slot are too many to list`)
    const fingerprints = packFingerprints(mine.map(fingerprintOf))
    const listNodes = { domain: this.#kind, nodes: [...nodes], fingerprints }
    const answer = await this.#calls.ask({ listNodes }, 'nodesListed')
    for (const slot of answer.damagedSlots) this.#exchange.damagedThere.add(slot)
    this.#init.progress.left = leftAfter
    const onlyMine = answer.unknown.map(index => mine[index] ?? this.#calls.refuse())
    await this.#exchangeListed(onlyMine, unpackHeads(answer.heads, maxFingerprints))
  }

  /** Versions decide; what is the same, though its fingerprints differ, stays on both sides. */
  async #exchangeListed(mine: readonly SentHead[], theirs: readonly SentHead[]): Promise<void> {
    const { progress, kind } = this.#init
    if (kind === 'handed-over') {
      progress.left += mine.length
      await this.#exchange.offer(mine)
      return
    }
    const { newerHere, newerThere, unlike } = split(mine, theirs)
    if (unlike > 0) {
      this.#components.logger.error('records of one version differ', {
        with: this.#init.member.peerId,
        unlike
      })
    }
    progress.left += newerHere.length + newerThere.length
    await this.#exchange.fetch(newerThere)
    await this.#exchange.push(newerHere)
  }

  #noteDamagedHere(): void {
    for (const node of this.#init.within ?? [rootNode]) {
      const slots = node === rootNode ? allSlots : slotsOf(node)
      for (const slot of this.#components.sums.damagedSlots(this.#init.domain, slots))
        this.#exchange.damagedHere.add(slot)
    }
  }
}

type Remedy = 'pull' | 'push' | 'list' | 'split' | 'none'

/** Neighbours with the same remedy together, as many as one request may name. */
function* runsOf(
  differing: readonly Differing[],
  remedyFor: (each: Differing) => Remedy
): Generator<{ what: Remedy; nodes: readonly Differing[] }> {
  let run: Differing[] = []
  let what: Remedy = 'none'
  let listed = 0
  for (const each of differing) {
    const remedy = remedyFor(each)
    const count = each.mine + each.theirs
    const isFull = run.length === maxNodes || (remedy === 'list' && listed + count > listedAtOnce)
    if (remedy !== what || isFull) {
      if (run.length > 0) yield { what, nodes: run }
      run = []
      listed = 0
    }
    what = remedy
    listed += count
    run.push(each)
  }
  if (run.length > 0) yield { what, nodes: run }
}

/** By position: of what only one side holds in that version, which side's is the newer. */
function split(
  mine: readonly SentHead[],
  theirs: readonly SentHead[]
): { newerHere: SentHead[]; newerThere: SentHead[]; unlike: number } {
  const byPosition = (a: SentHead, b: SentHead): number => comparePositions(a.position, b.position)
  const here = mine.toSorted(byPosition)
  const there = theirs.toSorted(byPosition)
  const newerHere: SentHead[] = []
  const newerThere: SentHead[] = []
  let unlike = 0
  for (let i = 0, j = 0; i < here.length || j < there.length;) {
    const [a, b] = [here[i], there[j]]
    const order = a === undefined ? 1 : b === undefined ? -1 : byPosition(a, b)
    const versions = compareVersions(order <= 0 ? a?.version : undefined, order >= 0 ? b?.version : undefined)
    if (versions > 0) newerHere.push(a!)
    else if (versions < 0) newerThere.push(b!)
    else unlike++
    if (order <= 0) i++
    if (order >= 0) j++
  }
  return { newerHere, newerThere, unlike }
}

function sumOf<T>(items: readonly T[], of: (item: T) => number): number {
  return items.reduce((sum, item) => sum + of(item), 0)
}
