/** `annulus import`: stores every file under a folder, its relative path as the key. */
import type { Command } from 'commander'
import type { Consistency, KeyValueStore } from '../api.ts'
import { fileTimeout, filesAtOnce, forEachOf, isFatal, tryAgain } from './batch.ts'
import { addClientFlags, addConsistencyFlag, withClient, type ClientFlags } from './client.ts'
import { CommandError, exitCodes, reasonOf } from './errors.ts'
import { displayName, listFiles, readContents, type FoundFile, type Listing } from './files.ts'
import { startProgress, type Progress } from './progress.ts'
import { print, printJson } from './terminal.ts'
import { plural } from './units.ts'

interface ImportFlags extends ClientFlags {
  readonly consistency: Consistency
  readonly json?: boolean
}

export interface Imported {
  imported: number
  failed: number
}

export interface BatchOptions {
  readonly progress: Progress
  /** How long one file may take, with all its tries. */
  readonly timeoutMs: number
  readonly signal: AbortSignal
  readonly consistency: Consistency
}

export function defineImport(command: Command): void {
  command.argument('<dir>', 'the folder').option('--json', 'print {"imported","failed"}')
  addClientFlags(addConsistencyFlag(command), fileTimeout)
    .addHelpText(
      'after',
      `
Files over 4 MiB, paths over 1 KiB and files that cannot be read are named and counted as failed; the rest goes
on. Symbolic links are not followed.

Examples:
  annulus import ./site                   ./site/css/main.css becomes the key css/main.css`
    )
    .action((folder: string, _options: unknown, self: Command) => importVerb(folder, self.optsWithGlobals()))
}

async function importVerb(folder: string, flags: ImportFlags): Promise<void> {
  const listing = await listFiles(folder)
  const counts = await withClient(flags, async (client, signal) => {
    const progress = await startProgress('importing', listing.files.length)
    const { timeout: timeoutMs, consistency } = flags
    try {
      return await importFiles(client, listing, { progress, timeoutMs, signal, consistency })
    } finally {
      progress.end()
    }
  })
  if (flags.json === true) printJson(counts)
  else print(`${counts.imported} imported, ${counts.failed} failed`)
  if (counts.failed === 0) return
  const message = `${plural(counts.failed, 'file')} could not be imported`
  throw new CommandError(exitCodes.error, message, 'see their names above')
}

/** Stores the files of a listing. Throws only what ends the run as a whole. */
export async function importFiles(
  store: Pick<KeyValueStore, 'put'>,
  listing: Listing,
  options: BatchOptions
): Promise<Imported> {
  const { progress } = options
  const counts: Imported = { imported: 0, failed: listing.problems.length }
  nameProblems(listing, progress)
  await forEachOf(listing.files, filesAtOnce, async file => {
    try {
      await importFile(store, file, options)
      counts.imported++
    } catch (error) {
      if (isFatal(error)) throw error
      progress.say(`${displayName(file.key)} failed: ${reasonOf(error)}`)
      counts.failed++
    }
    progress.step()
  })
  return counts
}

async function importFile(
  store: Pick<KeyValueStore, 'put'>,
  file: FoundFile,
  { timeoutMs, signal, consistency }: BatchOptions
): Promise<void> {
  const contents = await readContents(file.path)
  // A put whose outcome is open is repeated as well. In general that is wrong: the first one may have taken
  // effect, been seen and been overwritten, and the second would bring the old value back. Here both carry the
  // same contents, and whoever runs an import means the key to hold them when it is done.
  await tryAgain(call => store.put(file.key, contents, { ...call, consistency }), { timeoutMs, signal })
}

/** Names what a listing leaves out, and why. */
export function nameProblems(listing: Listing, progress: Progress): void {
  for (const { name, reason } of listing.skipped) progress.say(`${name} is skipped: ${reason}`)
  for (const { name, reason } of listing.problems) progress.say(`${name} failed: ${reason}`)
}
