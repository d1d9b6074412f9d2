/**
 * What the runs of one mutant have shown, and from it how many seeds it lived through from a start. Starts lie close
 * together, and a seed is run once for all starts at or before it. Used by mutants.ts.
 */
import type { Guarantee } from './checker.ts'

/** One seed of one mutant. */
export interface MutantRun {
  readonly mutant: string
  readonly seed: number
  /** Undefined: not caught. */
  readonly caught: { readonly guarantee: Guarantee; readonly what: string } | undefined
  /** Violations of guarantees that the mutant is not said to break. */
  readonly others: Readonly<Record<string, number>>
  readonly virtualMs: number
  readonly realMs: number
}

/** What became of a mutant from one start seed. */
export interface Outcome {
  readonly mutant: string
  readonly start: number
  /** Runs up to the catch, or to the limit. */
  readonly seeds: number
  readonly caught: MutantRun['caught']
  readonly others: Readonly<Record<string, number>>
  readonly virtualMs: number
  readonly realMs: number
}

export class MutantRuns {
  readonly #runs = new Map<number, MutantRun>()

  add(run: MutantRun): void {
    this.#runs.set(run.seed, run)
  }

  /** The outcome from this start, or which seeds have to be run for it next: from `first` on to before `end`. */
  from(start: number, maxSeeds: number): Outcome | { readonly first: number; readonly end: number } {
    const runs: MutantRun[] = []
    for (let seed = start; seed < start + maxSeeds; seed++) {
      const run = this.#runs.get(seed)
      if (run === undefined) return { first: seed, end: this.#nextKnown(seed, start + maxSeeds) }
      runs.push(run)
      if (run.caught !== undefined) break
    }
    return outcomeOf(start, runs)
  }

  /** The first seed after this one that has been run, at most `end`. */
  #nextKnown(after: number, end: number): number {
    let seed = after + 1
    while (seed < end && !this.#runs.has(seed)) seed++
    return seed
  }
}

function outcomeOf(start: number, runs: readonly MutantRun[]): Outcome {
  const others: Record<string, number> = {}
  for (const run of runs) {
    for (const [name, count] of Object.entries(run.others)) others[name] = (others[name] ?? 0) + count
  }
  return {
    mutant: runs[0]!.mutant,
    start,
    seeds: runs.length,
    caught: runs.at(-1)!.caught,
    others,
    virtualMs: runs.reduce((sum, { virtualMs }) => sum + virtualMs, 0),
    realMs: runs.reduce((sum, { realMs }) => sum + realMs, 0)
  }
}
