/** Adds up what runs came to, and shows it: the progress while they run, and the table at the end. */
import { branches, type Branch } from './branches.ts'
import { faultKinds, type FaultKind, type Profile } from './settings.ts'
import type { RunResult } from './simulate.ts'

type Counts = Record<string, number>

export class Totals {
  readonly #startedAt = performance.now()
  runs = 0
  repeated = 0
  violations = 0
  virtualMs = 0
  /** Of these, under load and faults: what comes before and after costs next to nothing. */
  loadMs = 0
  readonly profiles: Partial<Record<Profile, number>> = {}
  readonly operations: Counts = {}
  readonly availability: Counts = {}
  readonly movement: Counts = {}
  readonly faults: Counts = {}
  readonly skipped: Counts = {}
  readonly branches: Counts = {}
  readonly network: Counts = {}
  readonly disk: Counts = {}

  add(result: RunResult): void {
    const { profile } = result.settings
    this.runs++
    this.violations += result.violations.length
    this.virtualMs += result.virtualMs
    this.loadMs += result.settings.minutes * 60_000
    this.profiles[profile] = (this.profiles[profile] ?? 0) + 1
    for (const name of [
      'operations',
      'availability',
      'movement',
      'faults',
      'skipped',
      'branches',
      'network',
      'disk'
    ] as const) {
      addUp(this[name], result[name])
    }
  }

  get seconds(): number {
    return (performance.now() - this.#startedAt) / 1000
  }

  /** The share of G5: of the operations that had to succeed, those that did. */
  get availableShare(): number {
    const { expected = 0, succeeded = 0 } = this.availability
    return expected === 0 ? 1 : succeeded / expected
  }

  /** What --json prints. */
  toJson(jobs: number): Record<string, unknown> {
    const { runs, repeated, violations, virtualMs, loadMs, profiles, operations, availability } = this
    const { movement } = this
    const { faults, skipped, branches: taken, network, disk, seconds, availableShare } = this
    const sums = {
      runs,
      repeated,
      violations,
      virtualMs,
      loadMs,
      seconds,
      jobs,
      profiles,
      operations,
      availability,
      movement
    }
    return { ...sums, availableShare, faults, skipped, branches: taken, network, disk }
  }
}

function addUp(sums: Counts, counts: Readonly<Counts> | object): void {
  for (const [name, count] of Object.entries(counts)) sums[name] = (sums[name] ?? 0) + Number(count)
}

/** The line that a terminal shows while runs go on. */
export function progressOf(totals: Totals, of: number): string {
  const perSecond = totals.runs / totals.seconds
  const leftSeconds = perSecond === 0 ? Infinity : (of - totals.runs) / perSecond
  const left = Number.isFinite(leftSeconds) ? `, ${Math.ceil(leftSeconds)} s left` : ''
  return `${totals.runs} of ${of} runs, ${perSecond.toFixed(2)} a second${left}, ${totals.violations} violations`
}

export function tableOf(totals: Totals, jobs: number): string {
  const { operations, availability, network, virtualMs, loadMs, seconds } = totals
  const { answered = 0, unknown = 0, refused = 0 } = operations
  const perProfile = Object.entries(totals.profiles).map(([name, runs]) => `${name} ${runs}`)
  const rows: Array<[string, unknown]> = [
    ['runs', `${totals.runs} (${totals.repeated} of them twice)`],
    ['profiles', perProfile.sort().join(', ')],
    [
      'operations',
      `${answered + unknown + refused}: ${answered} answered, ${unknown} with an outcome unknown, ${refused} refused`
    ],
    [
      'available',
      `${(100 * totals.availableShare).toFixed(3)} % of ${availability['expected'] ?? 0} that had to succeed`
    ],
    ['movement', movementOf(totals)],
    ['messages', `${network['messages'] ?? 0}, ${((network['bytes'] ?? 0) / 1e6).toFixed(0)} MB`],
    [
      'virtual hours',
      `${(virtualMs / 3_600_000).toFixed(1)}, ${(loadMs / 3_600_000).toFixed(1)} of them under load`
    ],
    ['real seconds', seconds.toFixed(1)],
    ['speed-up', `${(loadMs / 1000 / seconds).toFixed(0)} by the time under load, with ${jobs} processes`],
    ['violations', totals.violations]
  ]
  return [
    ...rows.map(([name, value]) => `${name.padEnd(15)}${String(value)}`),
    ...section('faults (and skipped)', faultKinds, kind => faultsOf(totals, kind)),
    ...section('disks', Object.keys(totals.disk), name => String(totals.disk[name])),
    ...section('branches of the protocol', branches, branch => branchOf(totals, branch)),
    ...neverTaken(totals)
  ].join('\n')
}

function movementOf({ movement }: Totals): string {
  const { records = 0, transitions = 0, judged = 0, leastBytes = 0, sentBytes = 0 } = movement
  const isNone = judged === 0 ? ', so G2 says little' : ''
  return [
    `${records} records sent in sessions`,
    `${transitions} transitions unamended`,
    `${judged} of them judged by bytes${isNone}: ${sentBytes} sent, ${leastBytes} the least`
  ].join(', ')
}

function section<T extends string>(
  title: string,
  names: readonly T[],
  valueOf: (name: T) => string
): string[] {
  const width = Math.max(...names.map(({ length }) => length)) + 2
  return ['', title, ...names.map(name => `  ${name.padEnd(width)}${valueOf(name)}`)]
}

function faultsOf({ faults, skipped }: Totals, kind: FaultKind): string {
  const isSkipped = (skipped[kind] ?? 0) > 0
  return `${faults[kind] ?? 0}${isSkipped ? ` (${skipped[kind]})` : ''}`
}

function branchOf({ branches: taken }: Totals, branch: Branch): string {
  return (taken[branch] ?? 0) === 0 ? '0  <-- NEVER TAKEN' : String(taken[branch])
}

function neverTaken({ branches: taken }: Totals): string[] {
  const never = branches.filter(branch => (taken[branch] ?? 0) === 0)
  if (never.length === 0) return []
  return ['', `NEVER TAKEN in these runs, so they say nothing about it: ${never.join('; ')}`]
}
