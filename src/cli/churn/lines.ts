/** What a run of `annulus churn` has shown, in lines for people. */
import type { EventOutcome } from './replication.ts'
import type { ChurnSummary, KindSummary } from './summary.ts'
import { formatBytes, formatCount, formatDuration, plural } from '../units.ts'

export function churnLines(summary: ChurnSummary): string[] {
  const { settings, gets, puts, wrong, readBack, movement, traffic, falseSuspicions, events, loadMs } =
    summary
  const { medianMs, peers, removeAfterMs, pace } = settings
  const sessions = medianMs === undefined ? 'as traced' : `${formatDuration(medianMs)} median session`
  const seconds = loadMs / 1_000
  return [
    `${peers} peers, ${sessions}, removed after ${formatDuration(removeAfterMs)}, time ${pace}x`,
    `  gets        ${ofKind(gets)}`,
    `  puts        ${ofKind(puts)}`,
    `  wrong       ${formatCount(wrong)}`,
    `  read back   ${formatCount(readBack.read)} of ${plural(readBack.keys, 'key')}`,
    `  events      ${eventsOf(events)}`,
    `  replicated  ${replicationOf(events)}`,
    `  moved       ${formatBytes(movement.movedBytes)}, the least is ${formatBytes(movement.leastBytes)}` +
      `${movement.ratio === null ? '' : ` (${movement.ratio.toFixed(2)} x)`}, in ${plural(movement.transitions, 'transition')}`,
    `  gossip      ${formatBytes(traffic.gossip)}, ${formatBytes(Math.round(traffic.gossip / seconds / peers))} per second and peer`,
    `  suspected   ${falseSuspicions.suspected} times wrongly, ${falseSuspicions.takenForDown} of them taken for down`,
    ...summary.violations.map(
      ({ guarantee, what, subject }) => `  WRONG       ${subject}: ${what} (${guarantee})`
    )
  ]
}

function ofKind({ called, succeeded, lackedQuorum, failed, latency }: KindSummary): string {
  const share = called === 0 ? 100 : (100 * succeeded) / called
  const { p50, p99 } = latency
  return (
    `${formatCount(succeeded)} of ${formatCount(called)} (${share.toFixed(2)} %), ${formatCount(failed)} failed, ` +
    `${formatCount(lackedQuorum)} of them lacked a quorum; p50 ${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms`
  )
}

function eventsOf(events: readonly EventOutcome[]): string {
  const count = (kind: string): number => events.filter(event => event.kind === kind).length
  const unfinished = events.filter(({ doneMs }) => doneMs === undefined).length
  const kinds = `${count('join')} joined, ${count('return')} returned, ${count('leave')} left, ${count('kill')} killed`
  return unfinished === 0 ? kinds : `${kinds}; ${unfinished} not done in the end`
}

function replicationOf(events: readonly EventOutcome[]): string {
  const seconds = events
    .flatMap(({ doneMs, replicatedMs }) =>
      doneMs === undefined || replicatedMs === undefined ? [] : [(replicatedMs - doneMs) / 1_000]
    )
    .sort((a, b) => a - b)
  const middle = seconds[Math.floor(seconds.length / 2)]
  if (middle === undefined) return 'nothing to wait for'
  const open = events.length - seconds.length
  const rest = open === 0 ? '' : `; not after ${open}`
  return `again after ${middle.toFixed(1)} s by the median, ${seconds.at(-1)!.toFixed(1)} s at most${rest}`
}
