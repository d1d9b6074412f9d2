/**
 * The layout of a ring: all tokens in ring order, and whose each is. It is made of numbers alone and knows
 * peers by their index, so that a search touches little memory and many rings can share one layout: lives
 * and whatever else a member has are the business of ring.ts, which is the only user beside difference.ts.
 *
 *     segment      0        1        2        3
 *     token   -----t0-------t1-------t2-------t3----    segment i is (t(i-1), t(i)]; segment 0 wraps
 *     owner        A        B        A        C
 *
 * The token at or after a position names its segment; the replicas are the first distinct owners from there on.
 */
import { noTokens, sortTokens, TokenWriter, type OwnedTokens } from './owned-tokens.ts'
import { comparePositionsAt, positionBytes, prefixAt } from './position.ts'
import { tokensOf } from './tokens.ts'

/** What decides a peer's tokens. */
export interface Place {
  readonly peerId: string
  readonly vnodes: number
}

/** Finds a peer's tokens: in ring order, packed, `vnodes` of them. Only tests take another than `tokensOf`: to make tokens collide. */
export type TokenSource = (peerId: string, vnodes: number) => Uint8Array

export class Layout {
  static readonly empty = new Layout([], noTokens)

  /** The peers, sorted by id, each id once. */
  readonly places: readonly Place[]
  /** How many tokens there are, and thus segments. */
  readonly size: number
  /** All tokens, packed. Tokens that collide stand in the order of their owners. */
  readonly positions: Uint8Array
  /** For each token, the index of its peer in `places`. */
  readonly owners: Uint32Array
  /** The first 32 bits of each token: they decide nearly every comparison of a search. */
  readonly #prefixes: Uint32Array

  private constructor(places: readonly Place[], tokens: OwnedTokens) {
    this.places = places
    this.size = tokens.owners.length
    this.positions = tokens.positions
    this.owners = tokens.owners
    this.#prefixes = new Uint32Array(this.size)
    for (let i = 0; i < this.size; i++) this.#prefixes[i] = prefixAt(this.positions, i * positionBytes)
  }

  /**
   * The layout of these peers, sorted by id, each id once. Only peers that are new here, or have another
   * number of vnodes, are hashed and sorted; they are merged into the tokens that stay.
   */
  rearranged(places: readonly Place[], source: TokenSource = tokensOf): Layout {
    const renumbered = this.#renumber(places)
    const kept = new Set(renumbered)
    const added: OwnedTokens[] = []
    places.forEach((place, owner) => {
      if (kept.has(owner)) return
      const positions = source(place.peerId, place.vnodes)
      added.push({ positions, owners: new Uint32Array(positions.length / positionBytes).fill(owner) })
    })
    const stay = places.reduce((sum, place, index) => (kept.has(index) ? sum + place.vnodes : sum), 0)
    return new Layout(places, this.#merge(renumbered, stay, sortTokens(added)))
  }

  /** The segment that a position lies in; 0 on an empty ring. */
  segmentOf(position: Uint8Array): number {
    const segment = this.#firstNotBefore(position, 0)
    return segment === this.size ? 0 : segment
  }

  /** The token that ends a segment: a copy, which does not keep the whole layout in memory. */
  token(segment: number): Uint8Array {
    return this.positions.slice(segment * positionBytes, (segment + 1) * positionBytes)
  }

  /** Whether a segment holds no position, since the token before it is the same. Segment 0 always holds some. */
  isEmpty(segment: number): boolean {
    const offset = segment * positionBytes
    return (
      segment > 0 && comparePositionsAt(this.positions, offset - positionBytes, this.positions, offset) === 0
    )
  }

  /** The next segment that holds a position, or `size`. */
  segmentAfter(segment: number): number {
    let next = segment + 1
    while (next < this.size && this.isEmpty(next)) next++
    return next
  }

  /** How much of the ring a segment is, from 0 to 1, to the precision of a double. */
  width(segment: number): number {
    const end = this.#fraction(segment)
    return segment === 0 ? 1 - (this.#fraction(this.size - 1) - end) : end - this.#fraction(segment - 1)
  }

  #fraction(segment: number): number {
    const offset = segment * positionBytes
    return this.#prefixes[segment]! / 2 ** 32 + prefixAt(this.positions, offset + 4) / 2 ** 64
  }

  /** The index of the first token at or after the position that lies at `offset`; `size` where there is none. */
  #firstNotBefore(packed: Uint8Array, offset: number): number {
    const prefix = prefixAt(packed, offset)
    let low = 0
    let high = this.size
    while (low < high) {
      const middle = (low + high) >>> 1
      const difference =
        this.#prefixes[middle]! - prefix ||
        comparePositionsAt(this.positions, middle * positionBytes, packed, offset)
      if (difference < 0) low = middle + 1
      else high = middle
    }
    return low
  }

  /** For each peer here, its index among `places`, or -1 where its tokens are not to be kept. */
  #renumber(places: readonly Place[]): Int32Array {
    const indexes = new Map(places.map((place, index) => [place.peerId, index]))
    return Int32Array.from(this.places, place => {
      const index = indexes.get(place.peerId)
      return index !== undefined && places[index]!.vnodes === place.vnodes ? index : -1
    })
  }

  /** Merges what stays, so many tokens, with what is added: between two added ones it is copied in runs. */
  #merge(renumbered: Int32Array, stay: number, added: OwnedTokens): OwnedTokens {
    if (stay === 0) return added
    const merged = new TokenWriter(stay + added.owners.length)
    let from = 0
    for (let i = 0; i < added.owners.length; i++) {
      const until = this.#placeFor(added, i, renumbered)
      merged.takeKept(this, from, until, renumbered)
      merged.take(added, i)
      from = until
    }
    merged.takeKept(this, from, this.size, renumbered)
    return merged
  }

  /** The index here that an added token comes before. One that collides stands behind owners of lower index. */
  #placeFor(added: OwnedTokens, i: number, renumbered: Int32Array): number {
    const offset = i * positionBytes
    let at = this.#firstNotBefore(added.positions, offset)
    while (
      at < this.size &&
      renumbered[this.owners[at]!]! < added.owners[i]! &&
      comparePositionsAt(this.positions, at * positionBytes, added.positions, offset) === 0
    ) {
      at++
    }
    return at
  }
}
