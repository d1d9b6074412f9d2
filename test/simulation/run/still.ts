/**
 * Still runs: the members stay who they are for most of the time, so that what cannot be while the ring changes comes
 * about: in some of these runs much is deleted, and purged soon, in others records are damaged and repaired, which holds
 * purges up, and in others most of those who decide are lost for good. Few keys are asked for often, and now and then some peer is
 * away or slow. Where no profile is asked for they are of the profile chaos. Used by settings.ts.
 */
import type { SeededRandom } from '../random.ts'
import type { FaultKind, SimulationSettings } from './settings.ts'

/** The share of all runs that are still. */
export const stillShare = 0.4

type Rates = Partial<Readonly<Record<FaultKind, readonly [number, number, number]>>>

/** What faults come at per minute where much is purged: one of the three. Those not named do not come. */
const purgingRates: Rates = {
  kill: [0, 0, 0.5],
  freeze: [0, 0.5, 1],
  join: [0, 0, 0.2],
  leave: [0, 0, 0.2],
  isolate: [0, 0.3, 0.6],
  'one-way': [0, 0, 0.3],
  clog: [0, 0.5, 1],
  'step-clock': [0, 0, 1],
  'full-disk': [0, 0, 0.3],
  overload: [0, 0, 0.5]
}

/** The same where records are damaged. */
const damagingRates: Rates = {
  kill: [0, 0.5, 1],
  freeze: [0, 1, 2],
  join: [0, 0, 0.2],
  leave: [0, 0, 0.2],
  isolate: [0.5, 1, 2],
  'one-way': [0, 0.5, 1],
  clog: [0, 1, 2],
  scatter: [0, 0.3, 0.6],
  ambush: [0, 0, 4],
  damage: [4, 4, 8]
}

/** The same where most of those who decide are lost, once: it comes as soon as it may. */
const losingRates: Rates = {
  kill: [0, 0, 1],
  freeze: [0, 0, 1],
  isolate: [0, 1, 2],
  clog: [0, 1, 2],
  ambush: [0, 0, 4],
  'lose-most': [2, 2, 2]
}

const kinds = ['purging', 'damaging', 'losing'] as const

const ratesOf: Readonly<Record<(typeof kinds)[number], Rates>> = {
  purging: purgingRates,
  damaging: damagingRates,
  losing: losingRates
}

/** Graces, in ms, so short that what is deleted is purged as soon as all have reported; and one that outlasts the run. */
const gracesMs = [1_000, 1_000, 5_000] as const
const longGraceMs = 86_400_000

/** The settings of a run with what makes it still in place of what they draw; faults are of the kinds allowed. */
export function stilled(
  settings: SimulationSettings,
  random: SeededRandom,
  allowed: ReadonlySet<FaultKind>
): SimulationSettings {
  const kind = random.pick(kinds)
  const isPurging = kind === 'purging'
  const stillRates = ratesOf[kind]
  const rates = Object.keys(settings.faultsPerMinute).map((name): [FaultKind, number] => {
    // The record has no other keys. By a stream for each fault, as in hot.ts.
    const fault = name as FaultKind
    const rate = random.fork(fault).pick(stillRates[fault] ?? [0])
    return [fault, allowed.has(fault) ? rate : 0]
  })
  return {
    ...settings,
    peers: 3 + random.integer(4),
    replicas: random.pick([2, 3, 3, 3, 3, 5]),
    vnodes: random.pick([1, 4, 16]),
    operationsPerSecond: random.pick([10, 20]),
    clients: 4 + random.integer(6),
    // What is deleted is purged only where it is not put again meanwhile.
    keys: random.pick(isPurging ? [20, 60, 200] : [4, 12, 60]),
    putShare: 0.2 + 0.2 * random.float(),
    deleteShare: isPurging ? 0.2 + 0.2 * random.float() : 0.05,
    maxValueBytes: 64,
    maxSkewMs: random.pick([0, 100, 100, 30_000]),
    // What survives a loss is judged only where it cannot have been purged.
    tombstoneGraceMs: kind === 'losing' ? longGraceMs : random.pick(gracesMs),
    // Object.fromEntries forgets which keys there are.
    faultsPerMinute: Object.fromEntries(rates) as Record<FaultKind, number>
  }
}
