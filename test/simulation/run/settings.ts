/**
 * What one run of the simulator is: everything drawn from the seed and the profile, so that a run is told by
 * these two and can be shown in full. A fault may have the rate 0 in a run (swarm testing: Groce et al. 2012),
 * so that faults do not hide each other.
 */
import { SeededRandom } from '../random.ts'
import { heated, hotShare } from './hot.ts'
import { stilled, stillShare } from './still.ts'

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
  'one-way', // one peer is heard by nobody but hears all, or the other way round
  'clog', // messages of one peer take seconds
  'step-clock', // a wall clock jumps
  'full-disk',
  'kill-starting', // a process ends, starts, and ends again while it starts
  'freeze-long', // a process stands still for minutes
  'scatter', // each link between two peers is cut with some probability
  'bridge', // the peers fall into two halves, and one peer that reaches both
  'stop-clock', // a wall clock stands, and goes on or jumps
  'ambush', // at the next message of a kind, whoever sends or gets it is killed or cut off
  'damage', // a bit of a record on disk flips unbeknown to all, where others have copies enough
  'join-many', // two or three join at once
  'kill-joining', // up to three join at once, and one ends in the middle, for so long that it may be dropped
  'overload', // some peers refuse what they are asked, as over their limits
  'lose-most', // most acceptors are lost for good, disks too, and the others restored as an operator does it
  'remove-cut-off' // most acceptors are cut off from others, of whom one is to be removed, its copies given up or not
] as const
export type FaultKind = (typeof faultKinds)[number]

/** Those that change who is there, or what time it is, and disturb nobody else. */
export const quietKinds: ReadonlySet<FaultKind> = new Set([
  'join',
  'join-many',
  'leave',
  'remove',
  'step-clock',
  'stop-clock'
])

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
  readonly network: {
    readonly meanLatencyMs: number
    /** Probabilities, of a message or of a request whose answer was lost; see SimulatedNetwork. */
    readonly loss: number
    readonly reorder: number
    readonly duplicate: number
  }
  readonly disk: { readonly syncMs: number; readonly failRate: number }
  /** Wall clocks are off by up to so many ms, either way. */
  readonly maxSkewMs: number
  /** They go too fast or too slow by up to so much, in parts per million. */
  readonly maxDriftPpm: number
  /** How old tombstones are before a purge is tried, in ms. */
  readonly tombstoneGraceMs: number
  /** Faults of each kind per virtual minute. */
  readonly faultsPerMinute: Readonly<Record<FaultKind, number>>
}

export interface SettingsInit {
  readonly seed: number
  readonly profile?: Profile
  readonly peers?: number
  readonly minutes?: number
  readonly replicas?: number
  readonly vnodes?: number
  /** Operations a second. */
  readonly rate?: number
  /** Only these kinds of faults. */
  readonly only?: readonly FaultKind[]
}

/** From so many peers on a run has fewer operations, since each of them costs more of the machine that simulates. */
const manyPeers = 20
const fewOperations = 3

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
  'full-disk': 0.3,
  'kill-starting': 0.5,
  'freeze-long': 0.1,
  scatter: 0.3,
  bridge: 0.3,
  'stop-clock': 0.5,
  ambush: 6,
  // One at a time: the next only when the one before is repaired, which takes at least a minute.
  damage: 1,
  'join-many': 0.3,
  'kill-joining': 0.5,
  overload: 0.5,
  // At most once in a run.
  'lose-most': 0.1,
  'remove-cut-off': 0.6
}

/**
 * Graces of a run, in ms, one of them: short ones, as a run has few quiet moments, and the product's own, which
 * outlasts it. Not imported: whatever of the core this file loads, no mutant can break any more.
 */
const gracesMs = [1_000, 5_000, 20_000, 86_400_000] as const

const churnKinds: ReadonlySet<FaultKind> = new Set([
  'kill',
  'lose-disk',
  'join',
  'leave',
  'remove',
  'join-many',
  'kill-joining'
])

/** The settings of a run, the same for the same arguments. What is given leaves the rest as it is drawn. */
export function settingsOf(init: SettingsInit): SimulationSettings {
  const random = new SeededRandom(init.seed).fork('settings')
  const drawn = random.pick(profiles)
  const heat = new SeededRandom(init.seed).fork('heat')
  const isHot = heat.chance(hotShare)
  const tombstoneGraceMs = new SeededRandom(init.seed).fork('grace').pick(gracesMs)
  const stillness = new SeededRandom(init.seed).fork('stillness')
  const isStill = stillness.chance(stillShare)
  const profile = init.profile ?? (isHot || isStill ? 'chaos' : drawn)
  const cool = { ...drawSettings(random, profile === 'chaos'), seed: init.seed, profile, tombstoneGraceMs }
  const allowed = allowedKinds(init, profile)
  const rated = { ...cool, faultsPerMinute: ratesOf(allowed, random) }
  const moved = isHot ? heated(rated, heat, allowed) : rated
  const settings = isStill ? stilled(rated, stillness, allowed) : moved
  const peers = init.peers ?? settings.peers
  return {
    ...settings,
    peers,
    replicas: init.replicas ?? settings.replicas,
    vnodes: init.vnodes ?? settings.vnodes,
    minutes: init.minutes ?? settings.minutes,
    operationsPerSecond: init.rate ?? (peers > manyPeers ? fewOperations : settings.operationsPerSecond)
  }
}

type DrawnSettings = Omit<SimulationSettings, 'seed' | 'profile' | 'faultsPerMinute' | 'tombstoneGraceMs'>

/** `isHarsh`: the network and the disks fail by themselves, too. */
function drawSettings(random: SeededRandom, isHarsh: boolean): DrawnSettings {
  // All is drawn in every run, so that what one run leaves out does not shift the rest.
  const harshly = <T>(choices: readonly T[], calm: T): T => {
    const choice = random.pick(choices)
    return isHarsh ? choice : calm
  }
  return {
    peers: 3 + random.integer(6),
    replicas: random.pick([1, 2, 3, 3, 3, 3, 5, 5]),
    vnodes: random.pick([1, 4, 16, 32]),
    minutes: 10,
    operationsPerSecond: random.pick([9, 10, 12, 15]),
    clients: 2 + random.integer(8),
    keys: random.pick([20, 60, 200]),
    putShare: 0.2 + 0.4 * random.float(),
    deleteShare: random.pick([0, 0.05, 0.2]),
    maxValueBytes: random.pick([64, 64, 4_000, 200_000]),
    network: {
      meanLatencyMs: random.pick([0.3, 2, 20]),
      loss: harshly([0, 0.001, 0.01], 0),
      reorder: harshly([0, 0.01, 0.1], 0),
      duplicate: harshly([0, 0.2, 1], 0)
    },
    disk: { syncMs: random.pick([0.5, 5]), failRate: harshly([0, 0, 0.001], 0) },
    maxSkewMs: random.pick([0, 100, 30_000]),
    maxDriftPpm: random.pick([0, 50, 500])
  }
}

function allowedKinds({ only }: SettingsInit, profile: Profile): ReadonlySet<FaultKind> {
  if (profile === 'calm') return new Set()
  return new Set(only ?? (profile === 'chaos' ? faultKinds : churnKinds))
}

function ratesOf(allowed: ReadonlySet<FaultKind>, random: SeededRandom): Record<FaultKind, number> {
  const rate = (kind: FaultKind): number => {
    const draw = random.float()
    if (!allowed.has(kind)) return 0
    return draw < 0.3 ? 0 : draw * highestRates[kind]
  }
  // Drawn in the order of the table for every run, so that leaving one out does not shift the others.
  return Object.fromEntries(faultKinds.map(kind => [kind, rate(kind)])) as Record<FaultKind, number>
}
