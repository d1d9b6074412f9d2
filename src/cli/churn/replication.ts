/** How long it takes after each coming and going until every record is on all of its replicas again. */
import type { Chronicle } from './chronicle.ts'
import type { ChurnEvent } from './trace.ts'

/** What became of an event. Times in ms of the cluster's, since the load began. */
export interface EventOutcome extends ChurnEvent {
  peerId: string | undefined
  /** When it was carried out: the process listened, was killed, or had left; undefined: never. */
  doneMs: number | undefined
  /** When each record was on all its replicas again; undefined: not before the end. */
  replicatedMs: number | undefined
  /** Why it could not be carried out. */
  error: string | undefined
}

export class Replication {
  readonly outcomes: EventOutcome[] = []
  readonly #chronicle: Chronicle

  constructor(chronicle: Chronicle) {
    this.#chronicle = chronicle
  }

  add(event: ChurnEvent): EventOutcome {
    const outcome: EventOutcome = {
      ...event,
      peerId: undefined,
      doneMs: undefined,
      replicatedMs: undefined,
      error: undefined
    }
    this.outcomes.push(outcome)
    return outcome
  }

  /** Looks whether what is waited for has come. */
  look(nowMs: number): void {
    for (const outcome of this.outcomes) {
      if (outcome.replicatedMs === undefined && this.#isOver(outcome)) outcome.replicatedMs = nowMs
    }
  }

  #isOver({ kind, peerId, doneMs }: EventOutcome): boolean {
    if (peerId === undefined || doneMs === undefined) return false
    const isMember = this.#chronicle.topology?.current.some(member => member.peerId === peerId) ?? false
    const isAsMeant =
      kind === 'leave' ? !isMember || this.#chronicle.isUp(peerId) : kind === 'kill' || isMember
    return isAsMeant && this.#chronicle.isReplicatedSince(doneMs)
  }
}
