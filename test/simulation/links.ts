/**
 * The links of the simulated network: for each direction between two peers how long a message takes, whether
 * it arrives, and in which order. As on a stream, a message never arrives before one that was sent earlier on
 * its link and lane, except for those drawn to be overtaken.
 */
import { SeededRandom } from './random.ts'

export interface LinksInit {
  /**
   * One-way latency in ms of one message. Default: by `meanLatencyMs` where that is given, else uniform in
   * 0.2 to 1.2.
   */
  readonly latencyMs?: (from: string, to: string, random: SeededRandom) => number
  /** Each link has a mean latency about this one, in ms, and a jitter of its own; some links are slow. */
  readonly meanLatencyMs?: number
  /** Probability that a message is lost. Default 0. */
  readonly loss?: number
  /** Probability that a message is held up so that later ones overtake it. Default 0. */
  readonly reorder?: number
}

/** Interactive and bulk messages go on streams of their own, and do not wait for each other. */
export type Lane = 'main' | 'bulk'

/** How one link behaves, the same for a whole run. */
interface Link {
  readonly meanMs: number
  readonly jitter: Jitter
  /** When the last message in its turn arrives, by lane, in virtual ms. */
  readonly lastMs: Record<Lane, number>
}

/** A latency with mean 1, from a uniform draw in [0, 1). */
type Jitter = (draw: number) => number

/** Shapes of Pareto's tail: the mean is finite, the variance hardly. */
const tailExponent = 2.2

/** No message takes longer than so many times its link's mean. */
const longestTail = 40

/**
 * Nor longer than this, in ms, on any link by itself: all that is sent after it waits for it, and two rounds of an
 * operation there and back have to come to an end in time where nothing is amiss. Clogs take longer.
 */
const longestMs = 1_000

const jitters: readonly Jitter[] = [
  // A quiet wire.
  draw => 0.95 + 0.1 * draw,
  // Queues on the way: at least half of the mean, and an exponential rest.
  draw => 0.5 - 0.5 * Math.log(1 - draw),
  // Now and then something takes very long.
  draw => Math.min(longestTail, ((tailExponent - 1) / tailExponent) * (1 - draw) ** (-1 / tailExponent))
]

/** Means are within this factor of the run's, either way, evenly on a logarithmic scale. */
const spread = 2

/** One link in so many is slow, and by how much. */
const slowShare = 0.05
const slowFactor = 10

/** Ms between two messages that arrive in order: at the very same moment chance would order them. */
const apartMs = 1e-6

/** A message that is overtaken is held up by so many latencies on average. */
const heldUpFactor = 5

export class Links {
  readonly #init: LinksInit
  readonly #linkSeed: number
  readonly #latencies: SeededRandom
  readonly #fates: SeededRandom
  readonly #links = new Map<string, Map<string, Link>>()
  /** May be changed at any moment. */
  loss: number
  reorder: number

  constructor(components: { random: SeededRandom }, init: LinksInit) {
    this.#init = init
    this.#linkSeed = components.random.integer(2 ** 32)
    this.#latencies = components.random.fork('latencies')
    this.#fates = components.random.fork('fates')
    this.loss = init.loss ?? 0
    this.reorder = init.reorder ?? 0
  }

  /** Whether a message is lost. */
  isLost(): boolean {
    return this.loss > 0 && this.#fates.chance(this.loss)
  }

  /**
   * When a message that is sent now arrives, in virtual ms, `extraMs` being added to what it takes by itself;
   * and whether others may overtake it.
   */
  arrival(
    message: { from: string; to: string; lane: Lane; extraMs: number },
    nowMs: number
  ): { atMs: number; isHeldUp: boolean } {
    const link = this.#link(message.from, message.to)
    const takesMs = this.#takesMs(link, message) + message.extraMs
    if (this.reorder > 0 && this.#fates.chance(this.reorder)) {
      const heldUpMs = -heldUpFactor * takesMs * Math.log(1 - this.#fates.float())
      return { atMs: Math.max(nowMs, link.lastMs[message.lane]) + takesMs + heldUpMs, isHeldUp: true }
    }
    const atMs = Math.max(nowMs + takesMs, link.lastMs[message.lane] + apartMs)
    link.lastMs[message.lane] = atMs
    return { atMs, isHeldUp: false }
  }

  /** For how long the last message of a link and of the main lane is under way yet, in ms. */
  backlogMs(from: string, to: string, nowMs: number): number {
    return Math.max(0, this.#link(from, to).lastMs.main - nowMs)
  }

  #takesMs({ meanMs, jitter }: Link, { from, to }: { from: string; to: string }): number {
    const { latencyMs, meanLatencyMs } = this.#init
    if (latencyMs !== undefined) return latencyMs(from, to, this.#latencies)
    const draw = this.#latencies.float()
    return meanLatencyMs === undefined ? 0.2 + draw : Math.min(longestMs, meanMs * jitter(draw))
  }

  #link(from: string, to: string): Link {
    let links = this.#links.get(from)
    if (links === undefined) this.#links.set(from, (links = new Map<string, Link>()))
    let link = links.get(to)
    if (link === undefined) links.set(to, (link = this.#draw(from, to)))
    return link
  }

  /** From a stream of its own, so that it does not matter which links are used first. */
  #draw(from: string, to: string): Link {
    const random = new SeededRandom(this.#linkSeed).fork(`${from}>${to}`)
    const factor = spread ** (2 * random.float() - 1) * (random.chance(slowShare) ? slowFactor : 1)
    return {
      meanMs: (this.#init.meanLatencyMs ?? 0) * factor,
      jitter: random.pick(jitters),
      lastMs: { main: 0, bulk: 0 }
    }
  }
}
