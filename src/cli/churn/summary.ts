/** What a run has shown, as one document: what `--json` prints and the report is made of. */
import { headBytesOf } from '../../core/record/codec.ts'
import { judge } from '../../judge/judge.ts'
import type { Operation, Violation } from '../../judge/operation.ts'
import type { Chronicle, FalseSuspicions } from './chronicle.ts'
import { leastOf, type Least } from './least.ts'
import type { Traffic } from './meter.ts'
import type { EventOutcome } from './replication.ts'
import { latencyOf, seriesOf, type Latency, type SeriesPoint } from './series.ts'
import type { ChurnSettings } from './settings.ts'

/** Of gets, the share that may fail for no reason that the run's own record knows. */
export const tolerated = 0.001

/** Violations that are told in full. */
const maxTold = 20

export interface KindSummary {
  readonly called: number
  readonly succeeded: number
  readonly failed: number
  /** Of those that failed, those of keys whose replicas lacked a quorum meanwhile, by the record of who was up. */
  readonly lackedQuorum: number
  /** Of those that failed otherwise, by error code. */
  readonly otherFailures: Readonly<Record<string, number>>
  readonly latency: Latency
}

export interface MemberBalance {
  readonly peerId: string
  /** Of all copies, by the ring. */
  readonly share: number
  readonly records: number | null
}

export interface ChurnSummary {
  readonly settings: ChurnSettings
  /** How long the load went on, in ms of the cluster's time. */
  readonly loadMs: number
  readonly gets: KindSummary
  readonly puts: KindSummary
  /** Due, and not begun since too many were under way. */
  readonly skipped: number
  readonly wrong: number
  readonly violations: readonly Violation[]
  readonly readBack: { readonly keys: number; readonly read: number; readonly broughtBack: number }
  readonly movement: Least & {
    readonly leastBytes: number
    readonly movedBytes: number
    /** Null where nothing had to move. */
    readonly ratio: number | null
  }
  /** Sent by all peers since the load began. */
  readonly traffic: Traffic
  readonly falseSuspicions: FalseSuspicions
  readonly events: readonly EventOutcome[]
  readonly epochs: number
  readonly balance: readonly MemberBalance[]
  readonly series: readonly SeriesPoint[]
  /** What is not as it should be, in words. */
  readonly problems: readonly string[]
}

export interface Findings {
  readonly settings: ChurnSettings
  readonly chronicle: Chronicle
  /** All, those before and after the load among them. */
  readonly operations: readonly Operation[]
  readonly readBack: { readonly operations: readonly Operation[]; readonly broughtBack: number }
  readonly skipped: number
  readonly traffic: Traffic
  readonly falseSuspicions: FalseSuspicions
  readonly events: readonly EventOutcome[]
  readonly balance: readonly MemberBalance[]
  /** When the load began and ended, in ms since the run began, as are all times here. */
  readonly loadFromMs: number
  readonly loadToMs: number
}

export function summarise(findings: Findings): ChurnSummary {
  const { settings, chronicle, operations, readBack, traffic, loadFromMs, loadToMs } = findings
  const { skipped, falseSuspicions, events, balance } = findings
  const loadMs = loadToMs - loadFromMs
  const violations = judge(operations)
  const loaded = operations.filter(({ calledAt }) => calledAt >= loadFromMs && calledAt < loadToMs)
  const least = leastOf(chronicle, operations, loadFromMs)
  const leastBytes = (least.takenCopies + least.missedCopies) * recordBytes(settings)
  const summary = {
    settings,
    loadMs,
    gets: summariseKind(loaded, 'get', findings),
    puts: summariseKind(loaded, 'put', findings),
    skipped,
    wrong: violations.length,
    violations: violations.slice(0, maxTold),
    readBack: {
      keys: readBack.operations.length,
      read: readBack.operations.filter(({ outcome, value }) => outcome === 'ok' && value !== undefined)
        .length,
      broughtBack: readBack.broughtBack
    },
    movement: {
      ...least,
      leastBytes,
      movedBytes: traffic.records,
      ratio: leastBytes === 0 ? null : traffic.records / leastBytes
    },
    traffic,
    falseSuspicions,
    events: events.map(event => sinceLoad(event, loadFromMs)),
    epochs: chronicle.topology?.epoch ?? 0,
    balance,
    series: seriesOf(loaded, { loadFromMs, loadMs, pace: settings.pace })
  }
  return { ...summary, problems: problemsOf(summary) }
}

/** Its times since the load began, as the schedule's are. */
function sinceLoad(event: EventOutcome, loadFromMs: number): EventOutcome {
  const { doneMs, replicatedMs } = event
  return {
    ...event,
    doneMs: doneMs === undefined ? undefined : doneMs - loadFromMs,
    replicatedMs: replicatedMs === undefined ? undefined : replicatedMs - loadFromMs
  }
}

/** A typical one: keys are a little longer or shorter. */
function recordBytes({ valueBytes }: ChurnSettings): number {
  return headBytesOf('key 100'.length) + valueBytes
}

function summariseKind(
  loaded: readonly Operation[],
  kind: 'get' | 'put',
  { chronicle, settings }: Findings
): KindSummary {
  const called = loaded.filter(operation => operation.kind === kind)
  const failed = called.filter(({ outcome }) => outcome !== 'ok')
  const others = failed.filter(
    ({ key, calledAt, endedAt }) => !chronicle.lackedQuorum(key, calledAt, endedAt)
  )
  const byCode = Map.groupBy(others, ({ errorCode = 'none' }) => errorCode)
  return {
    called: called.length,
    succeeded: called.length - failed.length,
    failed: failed.length,
    lackedQuorum: failed.length - others.length,
    otherFailures: Object.fromEntries([...byCode].map(([code, ofCode]) => [code, ofCode.length])),
    latency: latencyOf(called, settings.pace)
  }
}

function problemsOf(summary: Omit<ChurnSummary, 'problems'>): string[] {
  const { gets, readBack, wrong, violations } = summary
  const unexplained = gets.failed - gets.lackedQuorum
  return [
    ...(wrong > 0 ? [`${wrong} operations were wrong, the first: ${violations[0]?.what ?? ''}`] : []),
    ...(readBack.read < readBack.keys
      ? [`${readBack.keys - readBack.read} keys could not be read back`]
      : []),
    ...(unexplained > gets.called * tolerated
      ? [`${unexplained} of ${gets.called} gets failed although a quorum of their replicas was up`]
      : [])
  ]
}
