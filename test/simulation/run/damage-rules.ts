/**
 * Watches what a member does about a record that it knows to be damaged on its disk:
 *
 *     refused    whoever asks for it, or would have something stored in its place, gets no answer but a refusal
 *     enough     it is replaced when n - q + 1 of its other replicas, in each ring in force, have answered what they
 *                have, at the epoch that this member is at
 *
 * The first would show by a get or a put that counts on such a vote (G4), or on a copy that is none (G3); the second
 * by one that counts on what was put in its place, which is older than what lay there: both only where the other
 * copies are elsewhere at that moment. Used by simulate.ts.
 */
import { memberKey, sameMember } from '../../../src/core/member.ts'
import { decodeHead } from '../../../src/core/record/codec.ts'
import { formatPosition } from '../../../src/core/ring/position.ts'
import { pullCount } from '../../../src/core/topology/transition.ts'
import type { Request } from '../../../src/wire/generated/messages.ts'
import type { SimulatedPeer } from '../cluster.ts'
import type { Message } from '../wiretap.ts'
import type { Violation } from './checker.ts'

export interface DamageRulesComponents {
  readonly peers: readonly SimulatedPeer[]
  /** Virtual. */
  readonly time: { readonly nowMs: number }
}

/** What another replica said that it has. */
interface Answer {
  readonly by: string
  readonly epoch: number
  readonly atMs: number
}

/**
 * How old an answer may be that a repair goes by, in virtual ms: longer than one may be on its way, and much shorter than
 * the minute between the discovery and the repair. What that member was answered for a get meanwhile counts as well, which
 * only makes the rule milder.
 */
const answeredWithinMs = 20_000

export class DamageRules {
  readonly violations: Violation[] = []
  readonly #components: DamageRulesComponents
  /** Requests about a record that was known to be damaged where they go, when they were sent. */
  readonly #inVain = new WeakSet<Request>()
  /** By who asked and the position in hex; the latest answers. */
  readonly #answers = new Map<string, Answer[]>()

  constructor(components: DamageRulesComponents) {
    this.#components = components
  }

  /** Takes in a message that was sent. */
  saw({ from, to, request, answer }: Message): void {
    const asked = this.#peer(to.peerId)
    if (answer === undefined) {
      if (isInVain(asked, request)) this.#inVain.add(request)
      return
    }
    if (answer.epoch !== request.epoch) return
    const { version, record, done } = answer
    const { position } = request.readRecord ?? {}
    // What it was told before it knew of the damage is of no use to it.
    if (position !== undefined && record !== undefined && this.#peer(from)?.disk.isKnownDamaged(position))
      this.#note(from, position, { by: memberKey(to), epoch: answer.epoch, atMs: this.#nowMs })
    // Damaged all the while: a repair takes longer than any request lasts.
    if (!this.#inVain.has(request) || !isInVain(asked, request)) return
    if (done !== undefined)
      this.#complain('G3', to.peerId, `says that it has stored a record that is damaged there`)
    else if ((version ?? record) !== undefined)
      this.#complain('G4', to.peerId, `answers what it has of a record that is damaged there`)
  }

  /** A peer is about to replace what is damaged on its disk. */
  repairs(peerId: string, position: Uint8Array): void {
    const core = this.#peer(peerId)?.core
    const topology = core?.topologyNow
    if (core === undefined || topology === undefined) return
    const name = formatPosition(position)
    const answers = this.#recent(peerId, name).filter(({ epoch }) => epoch === topology.epoch)
    for (const [index, ring] of topology.rings.entries()) {
      const replicas = ring.replicas(position, topology.replicas)
      const others = replicas.filter(member => !sameMember(member, core.memberNow))
      // Alone in the ring after: what was acknowledged in it was so in the ring before.
      if (index > 0 && others.length === 0) continue
      const answered = others.filter(member => answers.some(({ by }) => by === memberKey(member)))
      const needed = pullCount(replicas.length)
      if (answered.length >= needed) continue
      const what = `repairs the record at ${name} at epoch ${topology.epoch}`
      this.#complain('G3', peerId, `${what} by the answers of ${answered.length} others instead of ${needed}`)
    }
  }

  #note(from: string, position: Uint8Array, answer: Answer): void {
    const name = formatPosition(position)
    this.#answers.set(`${from} ${name}`, [...this.#recent(from, name), answer])
  }

  #recent(from: string, name: string): Answer[] {
    const answers = this.#answers.get(`${from} ${name}`) ?? []
    return answers.filter(({ atMs }) => atMs > this.#nowMs - answeredWithinMs)
  }

  #peer(peerId: string): SimulatedPeer | undefined {
    return this.#components.peers.find(peer => peer.peerId === peerId)
  }

  get #nowMs(): number {
    return this.#components.time.nowMs
  }

  #complain(guarantee: 'G3' | 'G4', subject: string, what: string): void {
    this.violations.push({ guarantee, subject, what })
  }
}

/** Whether whoever is asked knows that what it is asked about is damaged on its disk. */
function isInVain(asked: SimulatedPeer | undefined, request: Request): boolean {
  if (asked === undefined || asked.disk.damaged === 0) return false
  const { readVersion, readRecord, writeRecord } = request
  const position =
    writeRecord === undefined
      ? (readVersion ?? readRecord)?.position
      : decodeHead(writeRecord.record).position
  return position !== undefined && asked.disk.isKnownDamaged(position)
}
