/** A run written down in a file, to be replayed: its settings and the script that was found. */
import { readFile, writeFile } from 'node:fs/promises'
import type { Script } from './script.ts'
import type { SimulationSettings } from './settings.ts'

export interface SavedRun {
  readonly settings: SimulationSettings
  readonly script: Script
}

const format = 'annulus simulator script 1'

export async function saveRun(file: string, { settings, script }: SavedRun): Promise<void> {
  const lines = (steps: readonly object[]): string =>
    steps.map(step => `    ${JSON.stringify(step)}`).join(',\n')
  const text = [
    '{',
    `  "format": ${JSON.stringify(format)},`,
    `  "settings": ${JSON.stringify(settings)},`,
    `  "script": {\n  "faults": [\n${lines(script.faults)}\n  ],`,
    `  "operations": [\n${lines(script.operations)}\n  ]}`,
    '}'
  ]
  await writeFile(file, `${text.join('\n')}\n`)
}

/** Throws an Error where the file is none of `saveRun`'s. */
export async function loadRun(file: string): Promise<SavedRun> {
  const found: unknown = JSON.parse(await readFile(file, 'utf8'))
  if (typeof found !== 'object' || found === null || !('format' in found) || found.format !== format)
    throw new Error(`${file} is no script of the simulator`)
  // Written by this program, and read by its developers: the format's name is all that is checked.
  const { settings, script } = found as unknown as SavedRun
  // JSON has no undefined.
  const operations = script.operations.map(step => ({ ...step, ttlMs: step.ttlMs ?? undefined }))
  return { settings, script: { faults: script.faults, operations } }
}
