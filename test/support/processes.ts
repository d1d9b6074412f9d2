/**
 * The command as a process, for tests: what a test starts and leaves running is ended after it, by its own process
 * id. What several tests share they start by command.ts, and end themselves.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach } from 'vitest'
import { start as startCommand, type RunningCommand, type RunOptions } from './command.ts'

export { command, run, RunningCommand, type Outcome, type RunOptions } from './command.ts'

const started: RunningCommand[] = []
const folders: string[] = []

afterEach(async () => {
  const left = started.splice(0)
  for (const process of left) process.kill('SIGKILL')
  await Promise.all(left.map(process => process.ended))
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true, force: true, maxRetries: 3 })
})

/** Starts the command and leaves it running until the test ends. */
export function start(args: readonly string[], options: RunOptions = {}): RunningCommand {
  const process = startCommand(args, options)
  started.push(process)
  return process
}

/** A folder that is removed after the test. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'annulus-test-'))
  folders.push(folder)
  return folder
}
