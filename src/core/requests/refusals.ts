/**
 * Counts what others say wrongly, by who said it and what was wrong, and logs it once a minute, so that a buggy, an
 * old or a hostile peer is seen and cannot fill a log. The dispatcher, the asking side, liveness and the transport
 * tell it; the status shows it.
 */
import type { RefusalKind, RefusedPeer, Refused } from '../../api.ts'
import type { Clock, Logger, Timer } from '../ports.ts'

/** Ms between two times at which what was refused is logged. */
export const tellEveryMs = 60_000

/** Peers that are told of by name at a time, those with the most first: the others are summed up in one line. */
export const maxLines = 16

/** Peers that are remembered: the one heard of longest ago is forgotten first. Who has many names fills no memory. */
export const maxRefusedPeers = 256

/** UTF-16 units of what was wrong that are kept: some of it may be the other's own words. */
const maxWords = 160

export interface RefusalsComponents {
  readonly clock: Clock
  readonly logger: Logger
}

type Counts = Map<RefusalKind, number>

interface Known {
  readonly peerId: string
  readonly counts: Counts
  /** What has come since it was last told of. */
  readonly untold: Counts
  last: string
}

export class Refusals {
  readonly #components: RefusalsComponents
  readonly #counts: Counts = new Map()
  /** By peer id; the one heard of longest ago first. */
  readonly #peers = new Map<string, Known>()
  /** Refusals of peers that were forgotten before they were told of. */
  #forgotten = 0
  /** Runs for a while after something was told. */
  #timer: Timer | undefined
  #isStopped = false

  constructor(components: RefusalsComponents) {
    this.#components = components
  }

  /** A peer or client has said something that is not taken; `words` say what is wrong with it. */
  note(peerId: string, kind: RefusalKind, words: string): void {
    if (this.#isStopped) return
    const known = this.#peers.get(peerId) ?? unheard(peerId)
    known.last = printable(words)
    for (const counts of [this.#counts, known.counts, known.untold]) add(counts, kind, 1)
    this.#peers.delete(peerId)
    this.#peers.set(peerId, known)
    this.#forgetOldest()
    // In a turn of its own: a flood is told of as one, and not by its first.
    this.#timer ??= this.#components.clock.after(0, () => this.#tell())
  }

  /** All since this peer was started, and of whom most lately. */
  get summary(): Refused {
    const peers = [...this.#peers.values()].slice(-maxLines).reverse()
    return { kinds: toObject(this.#counts), peers: peers.map(toRefusedPeer) }
  }

  /** Tells of what it has not yet told of; counts nothing any more. */
  stop(): void {
    if (this.#isStopped) return
    this.#tell()
    this.#isStopped = true
    this.#timer?.cancel()
    this.#timer = undefined
  }

  #tell(): void {
    const { clock, logger } = this.#components
    this.#timer?.cancel()
    this.#timer = undefined
    const untold = [...this.#peers.values()]
      .filter(known => known.untold.size > 0)
      .sort((a, b) => total(b.untold) - total(a.untold))
    if (untold.length === 0 && this.#forgotten === 0) return
    for (const { peerId, untold: counts, last } of untold.slice(0, maxLines))
      logger.warn('refused what a peer said', { peerId, ...toObject(counts), last })
    const others = untold.slice(maxLines)
    const count = others.reduce((sum, known) => sum + total(known.untold), this.#forgotten)
    if (count > 0) logger.warn('refused what many others said', { count })
    for (const known of untold) known.untold.clear()
    this.#forgotten = 0
    this.#timer = clock.after(tellEveryMs, () => this.#tell())
  }

  #forgetOldest(): void {
    for (const [peerId, known] of this.#peers) {
      if (this.#peers.size <= maxRefusedPeers) return
      this.#forgotten += total(known.untold)
      this.#peers.delete(peerId)
    }
  }
}

function unheard(peerId: string): Known {
  return { peerId, counts: new Map(), untold: new Map(), last: '' }
}

function add(counts: Counts, kind: RefusalKind, count: number): void {
  counts.set(kind, (counts.get(kind) ?? 0) + count)
}

function total(counts: Counts): number {
  return [...counts.values()].reduce((sum, count) => sum + count, 0)
}

function toObject(counts: Counts): Refused['kinds'] {
  return Object.fromEntries(counts)
}

function toRefusedPeer({ peerId, counts, last }: Known): RefusedPeer {
  return { peerId, kinds: toObject(counts), last }
}

/** What others have a part in must not move anybody's cursor. */
function printable(words: string): string {
  return words.slice(0, maxWords).replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, ' ')
}
