/** What the mutants' runner shows: a line while it goes on, and a table at its end. */
import type { Outcome } from './mutant-runs.ts'
import type { MutantResult, Progress } from './mutants.ts'

/** The latest start that is done, and when all will be. */
export function progressLine({ mutant, seeds, caught }: Outcome, { done, of, startedAt }: Progress): string {
  const leftSeconds = ((performance.now() - startedAt) / 1000 / done) * (of - done)
  const how =
    caught === undefined ? `not caught in ${seeds} seeds` : `caught by ${caught.guarantee}, seed ${seeds}`
  return `${done} of ${of}, ${Math.ceil(leftSeconds / 60)} min left: ${mutant} ${how}\n`
}

const columns = ['mutant', 'caught', 'median', 'worst', 'by', 'also seen', 'virtual s', 'real s'] as const

/** A row for each mutant: seeds until it was caught, and what a catch takes on average. */
export function mutantTable(results: readonly MutantResult[]): string {
  const rows = [columns, ...results.map(rowOf)]
  const widths = columns.map((_, i) => Math.max(...rows.map(row => row[i]!.length)))
  return rows
    .map(row =>
      row
        .map((cell, i) => cell.padEnd(widths[i]!))
        .join('  ')
        .trimEnd()
    )
    .join('\n')
}

function rowOf({ mutant, outcomes }: MutantResult): readonly string[] {
  const caught = outcomes.filter(outcome => outcome.caught !== undefined)
  const seeds = outcomes.map(outcome => (outcome.caught === undefined ? Infinity : outcome.seeds))
  const mean = (of: (outcome: Outcome) => number): string =>
    (outcomes.reduce((sum, outcome) => sum + of(outcome), 0) / 1000 / Math.max(1, caught.length)).toFixed(1)
  return [
    mutant.name,
    `${caught.length} of ${outcomes.length}`,
    textOf(medianOf(seeds)),
    textOf(Math.max(...seeds)),
    counted(caught.map(outcome => outcome.caught?.guarantee ?? '')),
    counted(
      outcomes.flatMap(({ others }) =>
        Object.entries(others).flatMap(([name, n]) => Array<string>(n).fill(name))
      )
    ),
    mean(({ virtualMs }) => virtualMs),
    mean(({ realMs }) => realMs)
  ]
}

/** Of an even number, the upper of the two in the middle. */
export function medianOf(numbers: readonly number[]): number {
  return [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? Infinity
}

function textOf(seeds: number): string {
  return seeds === Infinity ? '-' : String(seeds)
}

/** Each name with how often it is there, the most frequent first. */
function counted(names: readonly string[]): string {
  return [...Map.groupBy(names, name => name)]
    .sort(([, a], [, b]) => b.length - a.length)
    .map(([name, same]) => `${name} ${same.length}`)
    .join(', ')
}
