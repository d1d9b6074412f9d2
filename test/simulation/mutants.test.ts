import { readFile } from 'node:fs/promises'
import ts from 'typescript'
import { describe, expect, it } from 'vitest'
import { mutantNamed, mutants } from './mutants/all.ts'
import { mutated, StaleMutantError, type Mutant } from './mutants/mutant.ts'

const core = new URL('../../src/core/', import.meta.url)

const sourceOf = (file: string): Promise<string> => readFile(new URL(file, core), 'utf8')

describe('the mutants', () => {
  it.each(mutants.map(mutant => [mutant.name, mutant] as const))(
    '%s changes what it names, once, into what is still a program',
    async (_name, mutant) => {
      for (const file of Object.keys(mutant.edits)) {
        const source = await sourceOf(file)
        const broken = mutated(mutant, file, source)
        expect(broken).not.toBe(source)
        expect(syntaxErrors(broken)).toEqual([])
      }
    }
  )

  it('have names of their own and say what they break', () => {
    expect(new Set(mutants.map(({ name }) => name)).size).toBe(mutants.length)
    for (const { breaks } of mutants) expect(breaks.length).toBeGreaterThan(0)
  })

  it('are found by name, and a name that is none is answered with those there are', () => {
    expect(mutantNamed(mutants[0]!.name)).toBe(mutants[0])
    expect(() => mutantNamed('no-such-one')).toThrow(mutants[0]!.name)
  })
})

describe('a mutant', () => {
  const mutant: Mutant = {
    name: 'example',
    does: 'adds wrongly',
    breaks: ['G4'],
    edits: { 'sum.ts': [{ find: 'a + b', replace: 'a - b' }] }
  }

  it('leaves files alone that it does not name', () => {
    expect(mutated(mutant, 'other.ts', 'return a + b')).toBe('return a + b')
  })

  it('is refused where its text is not in the source, or is there twice', () => {
    expect(mutated(mutant, 'sum.ts', 'return a + b')).toBe('return a - b')
    expect(() => mutated(mutant, 'sum.ts', 'return b + a')).toThrow(StaleMutantError)
    expect(() => mutated(mutant, 'sum.ts', 'a + b, a + b')).toThrow(StaleMutantError)
  })
})

/** Those of the parser alone: a mutant may well offend against types. */
function syntaxErrors(source: string): string[] {
  const compilerOptions = { target: ts.ScriptTarget.ESNext, module: ts.ModuleKind.ESNext }
  const { diagnostics = [] } = ts.transpileModule(source, { reportDiagnostics: true, compilerOptions })
  return diagnostics.map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n'))
}
