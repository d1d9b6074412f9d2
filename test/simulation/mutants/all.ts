/** All mutants, by name. Used by the runner and by the test that holds them against the source. */
import type { Mutant } from './mutant.ts'
import { movementMutants } from './movement.ts'
import { registerMutants } from './register.ts'
import { topologyMutants } from './topology.ts'

export const mutants: readonly Mutant[] = [...registerMutants, ...topologyMutants, ...movementMutants]

/** Throws RangeError, naming those there are, where there is none of that name. */
export function mutantNamed(name: string): Mutant {
  const mutant = mutants.find(candidate => candidate.name === name)
  if (mutant !== undefined) return mutant
  throw new RangeError(`there is no mutant "${name}", but ${mutants.map(one => one.name).join(', ')}`)
}
