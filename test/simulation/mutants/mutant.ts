/**
 * A mutant: one small breakage of the core with a name, made in the source's text as it is loaded. The simulator
 * has to catch each of them, or what it says of the unbroken core is worth little (mutation analysis: DeMillo,
 * Lipton and Sayward, "Hints on Test Data Selection", 1978).
 */
import type { Guarantee } from '../run/checker.ts'

/** One text in the place of another, which must be there exactly once. */
export interface Edit {
  readonly find: string
  readonly replace: string
}

export interface Mutant {
  /** What one types to have it: words with hyphens. */
  readonly name: string
  /** What the broken core does, in words. */
  readonly does: string
  /** The guarantees that it breaks: a violation of any of them catches it. */
  readonly breaks: readonly Guarantee[]
  /** By the file's path under src/core. */
  readonly edits: Readonly<Record<string, readonly Edit[]>>
}

/** A mutant's text is not in the source exactly once: the source has changed, and the mutant must follow. */
export class StaleMutantError extends Error {
  override readonly name = 'StaleMutantError'
}

/** The source of a file with a mutant's edits made. Throws StaleMutantError. */
export function mutated(mutant: Mutant, file: string, source: string): string {
  let text = source
  for (const { find, replace } of mutant.edits[file] ?? []) {
    const pieces = text.split(find)
    if (pieces.length !== 2) {
      throw new StaleMutantError(
        `mutant ${mutant.name}: src/core/${file} has ${pieces.length - 1} times, instead of once:\n${find}`
      )
    }
    text = pieces.join(replace)
  }
  return text
}
