/**
 * The whole ring in segments with the same replicas throughout, by two rings or one: what `partition` in difference.ts
 * lists, made one by one as they are asked for. A large ring has more than a hundred thousand, and a member needs the
 * few hundred that it replicates itself. Used by movement.
 */
import type { MemberId, RingMember } from '../member.ts'
import { RingPair, type Reassignment, type Stretch } from './difference.ts'
import type { ReplicaTable } from './replica-table.ts'
import type { Ring } from './ring.ts'

/** Of each member the numbers of its segments, all in one list: those of the i-th begin at `starts[i]`. */
interface Places {
  readonly starts: Uint32Array
  readonly numbers: Uint32Array
}

const nowhere = new Uint32Array()

export class Partition<M extends RingMember> {
  readonly #before: Ring<M>
  readonly #after: Ring<M>
  readonly #tables: readonly ReplicaTable[]
  readonly #pair: RingPair<M>
  readonly #stretches: readonly Stretch[]
  #placesMade: Places | undefined

  /** `count` is the replication factor. */
  constructor(before: Ring<M>, after: Ring<M>, count: number) {
    this.#before = before
    this.#after = after
    this.#tables =
      before === after ? [before.replicaTable(count)] : [before, after].map(ring => ring.replicaTable(count))
    this.#pair = new RingPair(before, after, count)
    this.#stretches = this.#pair.stretches()
  }

  /** How many segments there are. */
  get size(): number {
    return this.#stretches.length
  }

  at(number: number): Reassignment<M> {
    return this.#pair.reassignment(this.#stretches[number]!)
  }

  /** In ring order. */
  *[Symbol.iterator](): Generator<Reassignment<M>, void, undefined> {
    for (const stretch of this.#stretches) yield this.#pair.reassignment(stretch)
  }

  /** The numbers of the segments that a member replicates in one of the rings, in order. */
  placesOf(member: MemberId): Uint32Array {
    const { starts, numbers } = (this.#placesMade ??= this.#findPlaces())
    const before = this.#before.indexOf(member)
    const after = before < 0 ? this.#after.indexOf(member) : -1
    if (before < 0 && after < 0) return nowhere
    const index = before < 0 ? this.#before.members.length + after : before
    return numbers.subarray(starts[index], starts[index + 1])
  }

  /** Counts first how many each member has, and then puts each behind those of the members before it. */
  #findPlaces(): Places {
    const starts = new Uint32Array(this.#before.members.length + this.#after.members.length + 1)
    this.#visitReplicas(index => {
      starts[index + 1]!++
    })
    for (let i = 1; i < starts.length; i++) starts[i]! += starts[i - 1]!
    const numbers = new Uint32Array(starts.at(-1)!)
    const next = starts.slice()
    this.#visitReplicas((index, number) => {
      numbers[next[index]!++] = number
    })
    return { starts, numbers }
  }

  /**
   * Each replica of each segment once, by its index in the ring before; who is only in the ring after is numbered behind
   * all those.
   */
  #visitReplicas(visit: (index: number, number: number) => void): void {
    const [before, after] = this.#tables
    const indexes = this.#indexesOfAfter()
    for (const [number, stretch] of this.#stretches.entries()) {
      const first = stretch.before * before!.width
      for (let i = first; i < first + before!.width; i++) visit(before!.rows[i]!, number)
      if (after === undefined) continue
      for (let i = stretch.after * after.width; i < (stretch.after + 1) * after.width; i++) {
        const index = indexes[after.rows[i]!]!
        const isSeen = before!.rows.subarray(first, first + before!.width).includes(index)
        if (!isSeen) visit(index, number)
      }
    }
  }

  #indexesOfAfter(): Uint32Array {
    const behind = this.#before.members.length
    return Uint32Array.from(this.#after.members, (member, i) => {
      const index = this.#before.indexOf(member)
      return index < 0 ? behind + i : index
    })
  }
}
