/**
 * Puts a mutant into this process: the core's files are broken as they are loaded, so nothing of it is ever on
 * disk. It must come before the first import of the core, and there is one mutant to a process.
 */
import { readFile } from 'node:fs/promises'
import { registerHooks } from 'node:module'
import { mutated, StaleMutantError, type Mutant } from './mutant.ts'

const coreUrl = new URL('../../../src/core/', import.meta.url).href

/** Gives a function that throws StaleMutantError where a file that the mutant breaks has not been loaded. */
export function install(mutant: Mutant): () => void {
  const missing = new Set(Object.keys(mutant.edits))
  registerHooks({
    load: (url, context, nextLoad) => {
      const loaded = nextLoad(url, context)
      const file = url.startsWith(coreUrl) ? url.slice(coreUrl.length) : undefined
      if (file === undefined || mutant.edits[file] === undefined) return loaded
      missing.delete(file)
      return { ...loaded, source: mutated(mutant, file, textOf(loaded.source)) }
    }
  })
  return () => {
    if (missing.size === 0) return
    throw new StaleMutantError(`mutant ${mutant.name}: nothing loaded ${[...missing].join(', ')}`)
  }
}

/** Throws StaleMutantError where the sources on disk are not those that the mutant was written for. */
export async function ensureFresh(mutant: Mutant): Promise<void> {
  for (const file of Object.keys(mutant.edits)) {
    mutated(mutant, file, await readFile(new URL(file, coreUrl), 'utf8'))
  }
}

function textOf(source: string | ArrayBuffer | NodeJS.TypedArray | null | undefined): string {
  if (source === null || source === undefined) throw new Error('a module of the core came without its source')
  return typeof source === 'string' ? source : new TextDecoder().decode(source)
}
