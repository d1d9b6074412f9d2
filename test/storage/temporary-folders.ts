/** Folders for the tests of stores on disk, deleted after each test file. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll } from 'vitest'

const made: string[] = []

/** An empty folder of its own. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'annulus-store-'))
  made.push(folder)
  return folder
}

afterAll(() => {
  for (const folder of made.splice(0)) rmSync(folder, { recursive: true, force: true })
})
