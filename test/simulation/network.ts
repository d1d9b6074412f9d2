/**
 * The network between simulated transports: links with latencies and losses, partitions, peers whose messages
 * are delayed. Harnesses of the core's parts and the simulated cluster build on it.
 */
import type { VirtualTime } from './clock.ts'
import { Links, type Lane, type LinksInit } from './links.ts'
import { SimulatedProcess } from './process.ts'
import { SeededRandom } from './random.ts'
import { SimulatedTransport } from './transport.ts'

export type { SimulatedTransport } from './transport.ts'

export interface NetworkInit extends LinksInit {
  /**
   * Probability that a request whose answer was lost is sent once more, as by a transport that dials anew and
   * repeats. Default 0.
   */
  readonly duplicate?: number
  /** Whether a request may be repeated at all. Default: each may. */
  readonly mayRepeat?: (request: Uint8Array) => boolean
}

/** What was done to the network, to be undone without undoing anything else. */
export interface Cut {
  heal(): void
}

/** A request on its way, or the answer to one. */
export interface Carried {
  /** Who asks, and who is asked. */
  readonly from: string
  readonly to: string
  /** Of who is asked. */
  readonly life: string
  readonly request: Uint8Array
  /** Undefined where it is the request that is on its way. */
  readonly answer: Uint8Array | undefined
  /** Sends it on. */
  readonly pass: () => void
}

/** Until a transport finds that its stream broke and has opened another, in ms on average. */
const repeatMs = 50

export class SimulatedNetwork {
  readonly time: VirtualTime
  /** Messages that did not simply arrive, by cause. */
  readonly counts = { lost: 0, cut: 0, reordered: 0, duplicated: 0 }
  readonly #links: Links
  readonly #repeats: SeededRandom
  readonly #refusals: SeededRandom
  readonly #mayRepeat: (request: Uint8Array) => boolean
  readonly #hosts = new Map<string, SimulatedTransport>()
  readonly #cuts = new Set<(from: string, to: string) => boolean>()
  readonly #clogs = new Set<{ readonly peerId: string; readonly delayMs: number }>()
  readonly #overloads = new Set<{ readonly peerId: string; readonly share: number }>()
  /** May be changed at any moment. */
  duplicate: number
  /** Told of each request and answer that is sent. */
  onMessage: ((from: string, to: string, body: Uint8Array, kind: 'request' | 'answer') => void) | undefined
  /** Keeps a message where it gives true, and then sends it on later or never. For schedules by hand. */
  intercept: ((message: Carried) => boolean) | undefined
  /** What arrives in place of a message that a peer sends. */
  rewrite: ((from: string, body: Uint8Array) => Uint8Array) | undefined
  /** Messages and bytes carried since the world began. */
  messages = 0
  bytes = 0

  constructor(components: { time: VirtualTime; random: SeededRandom }, init: NetworkInit = {}) {
    this.time = components.time
    this.#repeats = components.random.fork('repetition')
    this.#refusals = components.random.fork('refusal')
    this.#links = new Links({ random: components.random.fork('link') }, init)
    this.#mayRepeat = init.mayRepeat ?? (() => true)
    this.duplicate = init.duplicate ?? 0
  }

  /** Probability that a message is lost; may be changed at any moment. */
  get loss(): number {
    return this.#links.loss
  }

  set loss(loss: number) {
    this.#links.loss = loss
  }

  /** Probability that a message is overtaken by later ones; may be changed at any moment. */
  get reorder(): number {
    return this.#links.reorder
  }

  set reorder(reorder: number) {
    this.#links.reorder = reorder
  }

  /** The transport of a process; a second one for the same peer id takes the place of the first (a restart). */
  transport(peerId: string, process = new SimulatedProcess()): SimulatedTransport {
    this.#hosts.get(peerId)?.crash()
    const host = new SimulatedTransport(this, peerId, process)
    this.#hosts.set(peerId, host)
    return host
  }

  host(peerId: string): SimulatedTransport | undefined {
    return this.#hosts.get(peerId)
  }

  /** Cuts the links from each of `a` to each of `b`; both ways unless `oneWay`. */
  cut(a: readonly string[], b: readonly string[], options: { oneWay?: boolean } = {}): Cut {
    const [some, others] = [new Set(a), new Set(b)]
    const bothWays = options.oneWay !== true
    return this.#cut((from, to) => {
      return (some.has(from) && others.has(to)) || (bothWays && some.has(to) && others.has(from))
    })
  }

  /** Cuts each directed link with probability `share`; which ones is settled by `seed`. */
  cutSome(share: number, seed: number): Cut {
    // By a stream for each link, so that it is cut or not whichever others are asked for before it.
    return this.#cut((from, to) => new SeededRandom(seed).fork(`${from}>${to}`).chance(share))
  }

  #cut(blocks: (from: string, to: string) => boolean): Cut {
    this.#cuts.add(blocks)
    return { heal: () => void this.#cuts.delete(blocks) }
  }

  /** Whether what is sent from one to another now is lost for sure. */
  isCut(from: string, to: string): boolean {
    for (const blocks of this.#cuts) if (blocks(from, to)) return true
    return false
  }

  /** Ends all cuts, clogs and overloads. */
  heal(): void {
    this.#cuts.clear()
    this.#clogs.clear()
    this.#overloads.clear()
  }

  /** Carries one message: `deliver` runs when it arrives. False where it is lost or the link is cut. */
  carry(from: string, to: string, bytes: number, deliver: () => void, lane: Lane = 'main'): boolean {
    this.messages++
    this.bytes += bytes
    if (this.isCut(from, to)) {
      this.counts.cut++
      return false
    }
    if (this.#links.isLost()) {
      this.counts.lost++
      return false
    }
    const extraMs = this.#clogs.size === 0 ? 0 : this.clogMs(from) + this.clogMs(to)
    const { atMs, isHeldUp } = this.#links.arrival({ from, to, lane, extraMs }, this.time.nowMs)
    if (isHeldUp) this.counts.reordered++
    this.time.at(atMs, deliver)
    return true
  }

  /** Whether a transport whose request got no answer sends it once more; and then after so many ms. */
  repeatsAfterMs(request: Uint8Array): number | undefined {
    if (this.duplicate === 0 || !this.#repeats.chance(this.duplicate)) return undefined
    if (!this.#mayRepeat(request)) return undefined
    return -repeatMs * Math.log(1 - this.#repeats.float())
  }

  /** How much longer than on a quiet link a message takes that is sent now, in ms. */
  delayMs(from: string, to: string): number {
    return this.clogMs(from) + this.clogMs(to) + this.#links.backlogMs(from, to, this.time.nowMs)
  }

  /** Delays all that a peer sends and is sent by so many ms; clogs of one peer add up. */
  clog(peerId: string, delayMs: number): Cut {
    const clog = { peerId, delayMs }
    this.#clogs.add(clog)
    return { heal: () => void this.#clogs.delete(clog) }
  }

  /** By how much messages of a peer are delayed now, in ms. */
  clogMs(peerId: string): number {
    let delayMs = 0
    for (const clog of this.#clogs) if (clog.peerId === peerId) delayMs += clog.delayMs
    return delayMs
  }

  /** Has a peer refuse this share of what it is asked, as a server that is over its limits. */
  overload(peerId: string, share: number): Cut {
    const overload = { peerId, share }
    this.#overloads.add(overload)
    return { heal: () => void this.#overloads.delete(overload) }
  }

  isOverloaded(peerId: string): boolean {
    for (const overload of this.#overloads) if (overload.peerId === peerId) return true
    return false
  }

  /** Whether a peer refuses the request that reaches it now. */
  refuses(peerId: string): boolean {
    for (const overload of this.#overloads) {
      if (overload.peerId === peerId && this.#refusals.chance(overload.share)) return true
    }
    return false
  }
}
