/**
 * Draws the faults of a run before it begins: each kind by a Poisson process of its own, from a stream of its
 * own, so that another rate of one kind, or another load, leaves all others where they are. The nemesis
 * executes them.
 */
import type { SeededRandom } from '../random.ts'
import type { FaultStep } from './script.ts'
import { faultKinds, type FaultKind, type SimulationSettings } from './settings.ts'

/** How long a fault of a kind lasts: uniform between the two, in ms. Those not named here are over at once. */
const durationsMs: Partial<Readonly<Record<FaultKind, readonly [least: number, most: number]>>> = {
  kill: [0, 20_000],
  // Until the second kill: a start takes some disk writes and a few messages.
  'kill-starting': [0, 200],
  // Until it is started again: most often that is before the others hold it down.
  'lose-disk': [0, 10_000],
  freeze: [0, 20_000],
  'freeze-long': [60_000, 240_000],
  remove: [0, 20_000],
  // Shorter ones are hardly noticed: a probe period and a suspicion have to pass first.
  isolate: [5_000, 30_000],
  halve: [5_000, 30_000],
  'one-way': [5_000, 30_000],
  scatter: [5_000, 30_000],
  bridge: [5_000, 30_000],
  clog: [1_000, 20_000],
  overload: [1_000, 20_000],
  'stop-clock': [1_000, 60_000],
  'full-disk': [1_000, 20_000],
  // A joiner that has been down for half a minute is dropped.
  'kill-joining': [0, 70_000],
  // Until the operator gets to it: the others must be held to be down.
  'lose-most': [10_000, 60_000],
  // The others must be held to be down before one of them is to be removed.
  'remove-cut-off': [40_000, 90_000],
  // How long it waits for the repair, to which somebody is missing then.
  damage: [100_000, 180_000],
  // How long it waits for its moment.
  ambush: [5_000, 30_000]
}

/** All faults of a run in order of time; none begins or lasts past the run's load. */
export function drawFaults(settings: SimulationSettings, random: SeededRandom): FaultStep[] {
  const endMs = settings.minutes * 60_000
  const steps: FaultStep[] = []
  for (const kind of faultKinds) {
    // Forked for each kind, also for one that does not happen in this run.
    const stream = random.fork(kind)
    const perMs = settings.faultsPerMinute[kind] / 60_000
    if (perMs === 0) continue
    for (let atMs = 0; ;) {
      atMs -= Math.log(1 - stream.float()) / perMs
      if (atMs >= endMs) break
      const durationMs = Math.min(durationOf(kind, stream), endMs - atMs)
      steps.push({ atMs, kind, draw: stream.float(), durationMs })
    }
  }
  return steps.sort((a, b) => a.atMs - b.atMs)
}

function durationOf(kind: FaultKind, random: SeededRandom): number {
  const [least, most] = durationsMs[kind] ?? [0, 0]
  return least + random.float() * (most - least)
}
