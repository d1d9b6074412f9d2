/** The process of one mutant: breaks the core as it loads it, and runs seeds until a run shows it. */
import { mutantNamed } from '../mutants/all.ts'
import { install } from '../mutants/loader.ts'
import type { Mutant } from '../mutants/mutant.ts'
import type { MutantRun } from './mutant-runs.ts'
import type { WorkOrder } from './mutants.ts'
import { settingsOf, type SimulationSettings } from './settings.ts'

type Simulate = (typeof import('./simulate.ts'))['simulate']

let simulate: Simulate | undefined

// All is said, or whoever wanted to know has gone.
process.on('disconnect', () => process.exit())

process.on('message', (order: WorkOrder) => {
  void work(order).then(
    () => process.disconnect(),
    (error: unknown) => {
      console.error(error)
      process.exit(1)
    }
  )
})

async function work(order: WorkOrder): Promise<void> {
  const mutant = mutantNamed(order.mutant)
  simulate ??= await load(mutant)
  for (let seed = order.first; seed < order.end; seed++) {
    const run = await runOf(mutant, settingsOf({ ...order.settings, seed }), simulate)
    process.send!(run)
    if (run.caught !== undefined) return
  }
}

async function runOf(mutant: Mutant, settings: SimulationSettings, simulate: Simulate): Promise<MutantRun> {
  const startedAt = performance.now()
  const { violations, virtualMs } = await simulate(settings, { stopAtFirst: mutant.breaks })
  const caught = violations.find(({ guarantee }) => mutant.breaks.includes(guarantee))
  const others: Record<string, number> = {}
  if (caught === undefined) {
    for (const { guarantee } of violations) others[guarantee] = (others[guarantee] ?? 0) + 1
  }
  const realMs = performance.now() - startedAt
  return { mutant: mutant.name, seed: settings.seed, caught, others, virtualMs, realMs }
}

async function load(mutant: Mutant): Promise<Simulate> {
  const ensureLoaded = install(mutant)
  const module = await import('./simulate.ts')
  ensureLoaded()
  return module.simulate
}
