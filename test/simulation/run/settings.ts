/**
 * What one run of the simulator is: everything drawn from the seed and the profile, so that a run is told by
 * these two and can be shown in full. A fault may have the rate 0 in a run (swarm testing: Groce et al. 2012),
 * so that faults do not hide each other.
 */
import { SeededRandom } from '../random.ts'

export const profiles = ['calm', 'churn', 'chaos'] as const
export type Profile = (typeof profiles)[number]

/** What the nemesis can do, each with a rate of its own. */
export const faultKinds = [
  'kill', // a process ends, and starts again from its disk
  'kill-all', // all of them at once
  'lose-disk', // a process ends, and starts again with an empty disk
  'freeze', // a process stands still
  'join',
  'leave',
  'remove', // a process ends, is removed, and comes back later
  'isolate', // one peer is cut off
  'halve', // the peers fall into two halves that cannot reach each other
  'one-way', // one peer is heard by nobody, but hears all
  'clog', // messages of one peer take seconds
  'step-clock', // a wall clock jumps
  'full-disk'
] as const
export type FaultKind = (typeof faultKinds)[number]

export interface SimulationSettings {
  readonly seed: number
  readonly profile: Profile
  /** Peers at the start. */
  readonly peers: number
  readonly replicas: number
  readonly vnodes: number
  /** Virtual minutes under load and faults. */
  readonly minutes: number
  readonly operationsPerSecond: number
  readonly clients: number
  readonly keys: number
  /** Shares of the operations; the rest are gets. */
  readonly putShare: number
  readonly deleteShare: number
  /** Bytes of the largest values. */
  readonly maxValueBytes: number
  readonly network: { readonly meanLatencyMs: number; readonly loss: number }
  readonly disk: { readonly syncMs: number; readonly failRate: number }
  /** Wall clocks are off by up to so many ms, either way. */
  readonly maxSkewMs: number
  /** Faults of each kind per virtual minute. */
  readonly faultsPerMinute: Readonly<Record<FaultKind, number>>
}

export interface SettingsInit {
  readonly seed: number
  readonly profile?: Profile
  readonly peers?: number
  readonly minutes?: number
  /** Only these kinds of faults. */
  readonly only?: readonly FaultKind[]
}

/** Highest rate of each fault per minute; `churn` has those of members only, `calm` none. */
const highestRates: Readonly<Record<FaultKind, number>> = {
  kill: 2,
  'kill-all': 0.2,
  'lose-disk': 0.4,
  freeze: 1,
  join: 1,
  leave: 1,
  remove: 0.4,
  isolate: 1,
  halve: 0.5,
  'one-way': 0.5,
  clog: 1,
  'step-clock': 2,
  'full-disk': 0.3
}

const churnKinds: ReadonlySet<FaultKind> = new Set(['kill', 'lose-disk', 'join', 'leave', 'remove'])

/** The settings of a run, the same for the same arguments. */
export function settingsOf(init: SettingsInit): SimulationSettings {
  const random = new SeededRandom(init.seed).fork('settings')
  const profile = init.profile ?? random.pick(profiles)
  const isHarsh = profile === 'chaos'
  return {
    seed: init.seed,
    profile,
    peers: init.peers ?? 3 + random.integer(6),
    replicas: random.pick([1, 2, 3, 3, 3, 3, 3, 5]),
    vnodes: random.pick([1, 4, 16, 32]),
    minutes: init.minutes ?? 10,
    operationsPerSecond: random.pick([9, 10, 12, 15]),
    clients: 2 + random.integer(8),
    keys: random.pick([20, 60, 200]),
    putShare: 0.2 + 0.4 * random.float(),
    deleteShare: random.pick([0, 0.05, 0.2]),
    maxValueBytes: random.pick([64, 64, 4_000, 200_000]),
    network: { meanLatencyMs: random.pick([0.3, 2, 20]), loss: isHarsh ? random.pick([0, 0.001, 0.01]) : 0 },
    disk: { syncMs: random.pick([0.5, 5]), failRate: isHarsh ? random.pick([0, 0, 0.001]) : 0 },
    maxSkewMs: random.pick([0, 100, 30_000]),
    faultsPerMinute: ratesOf(init, profile, random)
  }
}

function ratesOf(init: SettingsInit, profile: Profile, random: SeededRandom): Record<FaultKind, number> {
  const allowed = new Set<FaultKind>(init.only ?? (profile === 'chaos' ? faultKinds : churnKinds))
  const rate = (kind: FaultKind): number => {
    const draw = random.float()
    if (profile === 'calm' || !allowed.has(kind)) return 0
    return draw < 0.3 ? 0 : draw * highestRates[kind]
  }
  // Drawn in the order of the table for every run, so that leaving one out does not shift the others.
  return Object.fromEntries(faultKinds.map(kind => [kind, rate(kind)])) as Record<FaultKind, number>
}
