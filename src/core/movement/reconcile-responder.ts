/**
 * The side of a session that is asked: says which nodes differ, which records, and hands whole nodes out. It
 * keeps nothing from one request to the next. The dispatcher has seen to it that both sides are at one epoch.
 */
import {
  SessionDomain,
  type CompareNodes,
  type ListNodes,
  type StreamNodes
} from '../../wire/generated/messages.ts'
import type { CancelSignal } from '../canceller.ts'
import { maxBatchBytes } from '../limits.ts'
import type { MemberId } from '../member.ts'
import { DamagedRecordError, ServeError, type Store } from '../ports.ts'
import { type Fingerprint, fingerprintOf, sameSum } from '../record/fingerprint.ts'
import { slotOf } from '../record/fingerprints.ts'
import type { RecordHead, StoredRecord } from '../record/record.ts'
import type { ResponseBody } from '../rpc-types.ts'
import { orAbort } from '../time.ts'
import type { Admission } from './admission.ts'
import type { Domain } from './domain.ts'
import type { Domains } from './domains.ts'
import type { NodeSums } from './node-sums.ts'
import { type Difference, packDifferences, packHeads, unpackFingerprints, unpackSums } from './packing.ts'
import { maxFingerprints, maxNodes, maxParents } from './session-limits.ts'
import { childrenOf, nodeCount, rootNode, type SlotSpan, slotsOf } from './slot-tree.ts'
import { checkedPosition } from './wire.ts'

export interface ReconcileResponderComponents {
  readonly store: Store
  readonly sums: NodeSums
  readonly admission: Admission
  /** Of the topology in force. */
  readonly domains: () => Pick<Domains, 'sharedWith' | 'takenBy' | 'handedOverBy'> | undefined
  /** Told of a member that began a session and was found to hold just what this one does, of what both replicate. */
  readonly onEqual?: (member: MemberId) => void
}

/** Who asks, and until when. */
export interface SessionAsked {
  readonly from: MemberId
  readonly signal: CancelSignal
}

export class ReconcileResponder {
  readonly #components: ReconcileResponderComponents

  constructor(components: ReconcileResponderComponents) {
    this.#components = components
  }

  compareNodes(message: CompareNodes, asked: SessionAsked): Promise<ResponseBody> {
    return this.#serve(message.domain, asked, async domain => {
      const parents = checkedNodes(message.parents, maxParents)
      const nodes = parents.flatMap(childrenOf).filter(node => domain.touches(slotsOf(node)))
      const theirs = unpackSums(message.sums, nodes.length)
      const differing: Difference[] = []
      for (const [index, node] of nodes.entries()) {
        const sum = await this.#components.sums.sum(domain, slotsOf(node))
        if (!sameSum(sum, theirs[index]!)) differing.push({ index, count: sum.count })
      }
      const damagedSlots = this.#damagedSlots(domain, parents)
      const isAll = message.domain === SessionDomain.DOMAIN_SHARED && parents[0] === rootNode
      if (isAll && differing.length === 0) this.#components.onEqual?.(asked.from)
      return { nodesCompared: { differing: packDifferences(differing), damagedSlots } }
    })
  }

  listNodes(message: ListNodes, asked: SessionAsked): Promise<ResponseBody> {
    return this.#serve(message.domain, asked, async domain => {
      const nodes = checkedNodes(message.nodes, maxNodes)
      const theirs = unpackFingerprints(message.fingerprints, maxFingerprints)
      const unknown = new Map(theirs.map((fingerprint, index) => [nameOf(fingerprint), index]))
      const heads: RecordHead[] = []
      for await (const head of this.#headsOf(domain, nodes)) {
        if (!unknown.delete(nameOf(fingerprintOf(head)))) heads.push(head)
        if (heads.length > maxFingerprints)
          throw new ServeError('bad-request', 'the nodes are too full to list', 'nobody')
      }
      return {
        nodesListed: {
          // Whoever hands over takes nothing back.
          heads: packHeads(message.domain === SessionDomain.DOMAIN_HANDED_OVER ? [] : heads),
          unknown: [...unknown.values()],
          damagedSlots: this.#damagedSlots(domain, nodes)
        }
      }
    })
  }

  async streamNodes(message: StreamNodes, asked: SessionAsked): Promise<ResponseBody> {
    const page = await this.#components.admission.giveRecords(
      () =>
        this.#within(message.domain, asked, domain => {
          const nodes = checkedNodes(message.nodes, maxNodes)
          const after = message.after.length === 0 ? undefined : checkedPosition(message.after)
          return this.#pageOf(domain, nodes, after)
        }),
      ({ bytes }) => bytes,
      asked.signal
    )
    return { recordStream: page.stream }
  }

  /** Records from there on, as many as fit one message; at least one, if there is one. */
  async #pageOf(
    domain: Domain,
    nodes: readonly number[],
    after: Uint8Array | undefined
  ): Promise<{ bytes: number; stream: NonNullable<ResponseBody['recordStream']> }> {
    const records: Uint8Array[] = []
    const damaged = new Set<number>()
    let bytes = 0
    let last = after
    for (const [finished, node] of nodes.entries()) {
      const slots = slotsOf(node)
      for (const slot of this.#components.sums.damagedSlots(domain, slots)) damaged.add(slot)
      for await (const head of this.#components.sums.heads(domain, slots, last)) {
        if (records.length > 0 && bytes + head.size > maxBatchBytes) {
          return {
            bytes,
            stream: { records, finished, after: last ?? new Uint8Array(), damagedSlots: [...damaged] }
          }
        }
        const record = await readUndamaged(this.#components.store, head.position)
        if (record === 'damaged') damaged.add(slotOf(head.position))
        else if (record !== undefined) {
          records.push(record.encoded)
          bytes += record.size
        }
        last = head.position
      }
      last = undefined
    }
    const stream = { records, finished: nodes.length, after: new Uint8Array(), damagedSlots: [...damaged] }
    return { bytes, stream }
  }

  async *#headsOf(domain: Domain, nodes: readonly number[]): AsyncGenerator<RecordHead, void, undefined> {
    for (const node of nodes) yield* this.#components.sums.heads(domain, slotsOf(node))
  }

  #damagedSlots(domain: Domain, nodes: readonly number[]): number[] {
    return nodes.flatMap(node => this.#components.sums.damagedSlots(domain, slotsOf(node)))
  }

  #serve(
    kind: SessionDomain,
    asked: SessionAsked,
    action: (domain: Domain) => Promise<ResponseBody>
  ): Promise<ResponseBody> {
    return this.#components.admission.serve(() => this.#within(kind, asked, action))
  }

  async #within<T>(
    kind: SessionDomain,
    { from, signal }: SessionAsked,
    action: (domain: Domain) => Promise<T>
  ): Promise<T> {
    const { fingerprints } = this.#components.store
    // That may take long: the asker has others to go to.
    if (fingerprints.trouble !== undefined)
      throw new ServeError('not-ready', `the records here cannot be counted: ${fingerprints.trouble}`)
    await orAbort(fingerprints.completed, signal, () => signal.reason)
    return action(this.#domain(kind, from))
  }

  #domain(kind: SessionDomain, from: MemberId): Domain {
    const domain = domainAsked(kind, from, this.#components.domains())
    if (domain === undefined) throw new ServeError('bad-request', 'there is nothing to reconcile', 'nobody')
    return domain
  }
}

function domainAsked(
  kind: SessionDomain,
  from: MemberId,
  domains: ReturnType<ReconcileResponderComponents['domains']>
): Domain | undefined {
  switch (kind) {
    case SessionDomain.DOMAIN_SHARED:
      return domains?.sharedWith(from)
    case SessionDomain.DOMAIN_TAKEN:
      return domains?.takenBy(from)
    case SessionDomain.DOMAIN_HANDED_OVER:
      return domains?.handedOverBy(from)
    default:
      return undefined
  }
}

/** A record, nothing, or that what there is cannot be read. */
export async function readUndamaged(
  store: Store,
  position: Uint8Array
): Promise<StoredRecord | 'damaged' | undefined> {
  try {
    return await store.read(position)
  } catch (error) {
    if (error instanceof DamagedRecordError) return 'damaged'
    throw error
  }
}

/** In ring order, none within another. */
function checkedNodes(nodes: readonly number[], max: number): readonly number[] {
  let last: SlotSpan = { first: 0, end: 0 }
  for (const node of nodes) {
    const slots = node < nodeCount ? slotsOf(node) : undefined
    if (slots === undefined || slots.first < last.end)
      throw new ServeError('bad-request', 'nodes out of order')
    last = slots
  }
  if (nodes.length > max) throw new ServeError('bad-request', `${nodes.length} nodes in a request`)
  return nodes
}

function nameOf({ low, high }: Fingerprint): string {
  return `${high}.${low}`
}
