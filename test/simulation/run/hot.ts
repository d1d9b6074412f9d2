/**
 * Hot runs: few keys that many clients write at once, disks slow enough that what is under way shows, and many
 * changes of members and restarts. What breaks by two things at the same moment breaks here first; the other
 * runs see what needs quiet, time and many keys. Where no profile is asked for they are of the profile chaos. Used
 * by settings.ts.
 */
import type { SeededRandom } from '../random.ts'
import type { FaultKind, SimulationSettings } from './settings.ts'

/** The share of all runs that are hot. */
export const hotShare = 0.5

/** What these faults come at per minute, in place of what other runs draw: one of the three. */
const hotRates: Partial<Readonly<Record<FaultKind, readonly [number, number, number]>>> = {
  kill: [0, 3, 6],
  join: [0, 2, 4],
  'join-many': [0, 1, 2],
  'kill-joining': [0, 1, 2],
  leave: [0, 2, 4],
  ambush: [0, 10, 20]
}

/** How much more often these come than in other runs, where they come at all. */
const heat: Partial<Readonly<Record<FaultKind, number>>> = {
  'kill-starting': 4,
  'lose-disk': 3,
  remove: 2,
  freeze: 2,
  isolate: 2,
  'step-clock': 2,
  damage: 4
}

/** Kinds that came later come as often as in other runs: they draw nothing, which would shift all that follows. */
const laterKinds: ReadonlySet<FaultKind> = new Set(['remove-cut-off'])

/** The settings of a run with what makes it hot in place of what they draw; faults are of the kinds allowed. */
export function heated(
  settings: SimulationSettings,
  random: SeededRandom,
  allowed: ReadonlySet<FaultKind>
): SimulationSettings {
  const drawn = Object.entries(settings.faultsPerMinute) as Array<[FaultKind, number]>
  const rates = drawn.map(([kind, rate]): [FaultKind, number] => {
    if (laterKinds.has(kind)) return [kind, rate]
    // By a stream for each kind, so that one more leaves the others, and all that follows, as they are.
    const hotRate = random.fork(kind).pick(hotRates[kind] ?? [rate * (heat[kind] ?? 1)])
    return [kind, allowed.has(kind) ? hotRate : 0]
  })
  return {
    ...settings,
    // With one copy, or with few members, whatever is missed in a transition shows at once.
    peers: 3 + random.integer(4),
    // With five, a cluster that loses a member has fewer copies of each key after it than before.
    replicas: random.pick([1, 1, 1, 2, 3, 3, 3, 3, 5, 5]),
    vnodes: random.pick([1, 2, 4]),
    operationsPerSecond: random.pick([20, 40]),
    clients: 6 + random.integer(10),
    keys: random.pick([1, 3, 8]),
    maxValueBytes: 64,
    maxSkewMs: random.pick([100, 30_000]),
    disk: { ...settings.disk, syncMs: random.pick([5, 50, 150]) },
    // Object.fromEntries forgets which keys there are.
    faultsPerMinute: Object.fromEntries(rates) as Record<FaultKind, number>
  }
}
