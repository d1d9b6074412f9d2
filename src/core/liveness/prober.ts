/**
 * One probe: ping a member, have others ping it where it does not ack, and suspect it where none of them reaches it
 * within the protocol period (SWIM, section 3.1), judging this peer's own health by the way (Lifeguard).
 */
import type { CancelSignal } from '../canceller.ts'
import type { MemberId } from '../member.ts'
import type { Clock, Random } from '../ports.ts'
import type { Awareness } from './awareness.ts'
import type { LivenessConfig } from './defaults.ts'
import type { Exchange } from './exchange.ts'
import type { Entry, MemberTable } from './member-table.ts'
import { shuffle } from './probe-order.ts'

interface ProberComponents {
  readonly clock: Clock
  readonly random: Random
  readonly awareness: Awareness
  readonly table: MemberTable
  readonly exchange: Exchange
}

interface ProberInit {
  readonly config: LivenessConfig
  readonly signal: CancelSignal
}

export class Prober {
  readonly #clock: Clock
  readonly #random: Random
  readonly #awareness: Awareness
  readonly #table: MemberTable
  readonly #exchange: Exchange
  readonly #config: LivenessConfig
  readonly #signal: CancelSignal
  readonly #underWay = new Set<string>()

  constructor(components: ProberComponents, init: ProberInit) {
    this.#clock = components.clock
    this.#random = components.random
    this.#awareness = components.awareness
    this.#table = components.table
    this.#exchange = components.exchange
    this.#config = init.config
    this.#signal = init.signal
  }

  /** Probes a member and suspects it where it cannot be reached. One probe of a member at a time. */
  async probe(entry: Entry): Promise<void> {
    if (this.#underWay.has(entry.key)) return
    this.#underWay.add(entry.key)
    try {
      await this.#probe(entry)
    } finally {
      this.#underWay.delete(entry.key)
    }
  }

  async #probe({ member }: Entry): Promise<void> {
    const startMs = this.#clock.monotonic()
    const timeoutMs = this.#awareness.stretch(this.#config.probeTimeoutMs)
    const periodMs = this.#awareness.stretch(this.#config.probeIntervalMs)
    if (await this.#exchange.ping(member, timeoutMs)) {
      this.#awareness.apply(-1)
      return
    }
    if (this.#isVoid(startMs, timeoutMs)) return
    const answers = await this.#pingThroughOthers(member, periodMs - timeoutMs)
    if (answers.includes(true) || this.#isVoid(startMs, periodMs)) return
    const missedNacks = answers.filter(answer => answer === undefined).length
    // With nobody to ask, the missed ack is all there is to judge by.
    this.#awareness.apply(answers.length === 0 ? 1 : missedNacks)
    this.#table.suspect(member)
  }

  /** What each relay found: reached, not reached, or undefined from one that is silent itself. */
  async #pingThroughOthers(target: MemberId, timeoutMs: number): Promise<Array<boolean | undefined>> {
    const others = [...this.#table.entries.values()].filter(
      ({ member, claim }) => claim.liveness === 'alive' && member.peerId !== target.peerId
    )
    const relays = shuffle(others, this.#random).slice(0, this.#config.indirectProbes)
    return Promise.all(relays.map(({ member }) => this.#exchange.pingThrough(member, target, timeoutMs)))
  }

  /**
   * Whether a missing answer means nothing: this peer stopped, or far more time passed than was waited for. Then the
   * process slept, and missed what came meanwhile.
   */
  #isVoid(startMs: number, plannedMs: number): boolean {
    if (this.#signal.aborted) return true
    if (this.#clock.monotonic() - startMs <= plannedMs + this.#config.lateTimerMs) return false
    this.#awareness.apply(1)
    return true
  }
}
