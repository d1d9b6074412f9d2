/** The process of one mutant: breaks the core as it loads it, and runs seeds until a run shows it. */
import { mutantNamed } from '../mutants/all.ts'
import { install } from '../mutants/loader.ts'
import type { Mutant } from '../mutants/mutant.ts'
import type { Outcome, WorkOrder } from './mutants.ts'
import { settingsOf } from './settings.ts'

type Simulate = (typeof import('./simulate.ts'))['simulate']

let simulate: Simulate | undefined

// Whoever wanted to know has gone.
process.on('disconnect', () => process.exit())

process.on('message', (order: WorkOrder) => {
  void work(order).then(
    outcome => process.send!(outcome),
    (error: unknown) => {
      console.error(error)
      process.exit(1)
    }
  )
})

async function work(order: WorkOrder): Promise<Outcome> {
  const mutant = mutantNamed(order.mutant)
  simulate ??= await load(mutant)
  const startedAt = performance.now()
  const others: Record<string, number> = {}
  let virtualMs = 0
  for (let seeds = 1; seeds <= order.maxSeeds; seeds++) {
    const settings = settingsOf({ ...order.settings, seed: order.start + seeds - 1 })
    const { violations, virtualMs: ms } = await simulate(settings, { stopAtFirst: mutant.breaks })
    virtualMs += ms
    const caught = violations.find(({ guarantee }) => mutant.breaks.includes(guarantee))
    const base = { mutant: mutant.name, start: order.start, seeds, others, virtualMs }
    if (caught !== undefined) return { ...base, caught, realMs: performance.now() - startedAt }
    for (const { guarantee } of violations) others[guarantee] = (others[guarantee] ?? 0) + 1
  }
  const realMs = performance.now() - startedAt
  return {
    mutant: mutant.name,
    start: order.start,
    seeds: order.maxSeeds,
    caught: undefined,
    others,
    virtualMs,
    realMs
  }
}

async function load(mutant: Mutant): Promise<Simulate> {
  const ensureLoaded = install(mutant)
  const module = await import('./simulate.ts')
  ensureLoaded()
  return module.simulate
}
