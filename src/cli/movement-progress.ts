/**
 * Shows how records move while somebody waits for it: a bar on a terminal, elsewhere a line now and then. Used by
 * `leave`, `remove` and `start`.
 */
import type { TransferStatus } from '../api.ts'
import { canAnimate, divertLines, say } from './terminal.ts'
import { formatBytes, formatCount, formatSeconds } from './units.ts'

/** Between two lines where there is no terminal, in ms: enough to see that it goes on, in a log that is kept. */
const lineEveryMs = 10_000

export type MovementTransfer = Pick<
  TransferStatus,
  'peerId' | 'kind' | 'records' | 'recordsLeft' | 'bytesPerSecond' | 'secondsLeft' | 'waitsFor'
>

/** Of several transfers of one movement: what is done and left of all of them. */
export interface Movement {
  readonly done: number
  readonly left: number
  readonly bytesPerSecond: number
  /** Until the last of them is done; null where that cannot be told. */
  readonly secondsLeft: number | null
  /** In words; empty for nothing. */
  readonly waitsFor: readonly string[]
}

/** Adds up what is seen of transfers at one time after the other; one that is seen no more is taken for done. */
export class MovementTally {
  readonly #seen = new Map<string, { done: number; left: number }>()

  /** What there is now; `waitsFor`: what it waits for beside what the transfers say. */
  add(transfers: readonly MovementTransfer[], waitsFor: readonly string[] = []): Movement {
    const now = new Map(transfers.map(transfer => [`${transfer.kind} ${transfer.peerId}`, transfer]))
    for (const [name, seen] of this.#seen) {
      if (now.has(name)) continue
      seen.done += seen.left
      seen.left = 0
    }
    for (const [name, { records, recordsLeft }] of now) {
      // One that begins anew goes on from where it was.
      const before = this.#seen.get(name)?.done ?? 0
      this.#seen.set(name, { done: Math.max(before, records), left: recordsLeft })
    }
    const all = [...this.#seen.values()]
    const times = transfers.map(({ secondsLeft }) => secondsLeft).filter(seconds => seconds !== null)
    return {
      done: all.reduce((sum, { done }) => sum + done, 0),
      left: all.reduce((sum, { left }) => sum + left, 0),
      bytesPerSecond: transfers.reduce((sum, { bytesPerSecond }) => sum + bytesPerSecond, 0),
      secondsLeft: times.length === 0 ? null : Math.max(...times),
      waitsFor: [...new Set([...transfers.map(waitOf).filter(wait => wait !== undefined), ...waitsFor])]
    }
  }
}

function waitOf({ peerId, waitsFor }: MovementTransfer): string | undefined {
  return waitsFor === null ? undefined : `${peerId}: ${waitsFor}`
}

/** Several parts, the most important ones first: a line may be cut. */
export function formatMovement({ done, left, bytesPerSecond, secondsLeft, waitsFor }: Movement): string {
  const parts = done + left === 0 ? [] : [`${formatCount(done)} of ${formatCount(done + left)} records`]
  if (bytesPerSecond > 0) parts.push(`${formatBytes(bytesPerSecond)}/s`)
  if (secondsLeft !== null) parts.push(`${formatSeconds(secondsLeft)} left`)
  if (waitsFor.length > 0) parts.push(`waits for ${waitsFor.join('; ')}`)
  return parts.join(' | ')
}

export interface MovementProgress {
  show(movement: Movement): void
  /** Takes the bar away. */
  end(): void
}

/** `verb` says what is done to the records: "handing over". */
export async function startMovementProgress(verb: string): Promise<MovementProgress> {
  return canAnimate() ? await startBar(verb) : new Lines(verb)
}

/** A line when there is something to tell, and then one every so often. */
class Lines implements MovementProgress {
  readonly #verb: string
  #nextMs = 0
  #last = ''

  constructor(verb: string) {
    this.#verb = verb
  }

  show(movement: Movement): void {
    const line = `${this.#verb}: ${formatMovement(movement)}`
    const nowMs = performance.now()
    if (movement.done + movement.left + movement.waitsFor.length === 0) return
    if (nowMs < this.#nextMs || line === this.#last) return
    this.#nextMs = nowMs + lineEveryMs
    this.#last = line
    say(line)
  }

  end(): void {
    // Each line stands by itself.
  }
}

async function startBar(verb: string): Promise<MovementProgress> {
  const { default: cliProgress } = await import('cli-progress')
  const bars = new cliProgress.MultiBar({
    stream: process.stderr,
    format: `${verb} [{bar}] {percentage} % | {movement}`,
    barCompleteChar: '#',
    barIncompleteChar: '-',
    barsize: 20,
    hideCursor: true,
    clearOnComplete: true,
    // Ctrl-C is ours to handle.
    gracefulExit: false
  })
  const bar = bars.create(1, 0, { movement: 'nothing to move yet' })
  const release = divertLines(line => bars.log(`${line}\n`))
  return {
    show: movement => {
      bar.setTotal(Math.max(1, movement.done + movement.left))
      bar.update(movement.done, { movement: formatMovement(movement) })
    },
    end: () => {
      release()
      // Messages wait for the next drawing; there is none after the end.
      bars.update()
      bars.stop()
    }
  }
}
