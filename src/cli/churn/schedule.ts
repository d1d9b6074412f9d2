/**
 * Draws who comes and goes. As Rhea et al. ("Handling Churn in a DHT", USENIX 2004) do: departures are a Poisson
 * process over a population that stays as large as it is, so that sessions are exponential with the median asked for.
 * In the place of one that departs comes another, or after a while the same again with its disk.
 */
import { drawsFrom } from './draws.ts'
import type { ChurnEvent } from './trace.ts'

export interface ScheduleInit {
  readonly seed: number
  /** There from the start, and about so many at any time. */
  readonly peers: number
  /** Of the sessions, in ms. */
  readonly medianMs: number
  readonly durationMs: number
  /** Of those that depart, the share that leaves; the others are killed. */
  readonly leaveShare: number
  /** Of those that depart, the share that returns with its disk. */
  readonly returnShare: number
  /** How long those stay away on average, in ms; exponential. */
  readonly awayMs: number
}

/** In the order of time; those that are there from the start join at 0. */
export function drawSchedule(init: ScheduleInit): ChurnEvent[] {
  const { peers, medianMs, durationMs } = init
  const draws = drawsFrom(init.seed)
  const events = initialEvents(peers)
  const up = events.map(({ peer }) => peer)
  const returns: Array<{ readonly atMs: number; readonly peer: string }> = []
  let named = peers
  const meanMs = medianMs / Math.LN2
  // Each peer that is up departs at the same rate, whatever it did before: an exponential has no memory.
  for (let atMs = 0; ;) {
    atMs += draws.exponential(meanMs / Math.max(1, up.length))
    const due = returns.sort((a, b) => a.atMs - b.atMs)[0]
    if (due !== undefined && due.atMs < Math.min(atMs, durationMs)) {
      returns.shift()
      atMs = due.atMs
      up.push(due.peer)
      events.push({ atMs, kind: 'return', peer: due.peer })
      continue
    }
    if (atMs >= durationMs) return events
    if (up.length <= 1) continue
    const [peer] = up.splice(draws.integer(up.length), 1)
    events.push({ atMs, kind: draws.float() < init.leaveShare ? 'leave' : 'kill', peer: peer! })
    if (draws.float() < init.returnShare) {
      returns.push({ atMs: atMs + draws.exponential(init.awayMs), peer: peer! })
    } else {
      const fresh = String(++named)
      up.push(fresh)
      events.push({ atMs, kind: 'join', peer: fresh })
    }
  }
}

/** The joins of those that are there from the start, named 1, 2 and so on. */
export function initialEvents(peers: number): ChurnEvent[] {
  return Array.from({ length: peers }, (_, i) => ({ atMs: 0, kind: 'join', peer: String(i + 1) }))
}
