/** `annulus verify`: reads back what `import` stored, and compares it byte for byte. */
import type { Command } from 'commander'
import type { Consistency, KeyValueStore } from '../api.ts'
import { fileTimeout, filesAtOnce, forEachOf, isFatal, tryAgain } from './batch.ts'
import { addClientFlags, addConsistencyFlag, withClient, type ClientFlags } from './client.ts'
import { CommandError, exitCodes, reasonOf } from './errors.ts'
import { displayName, listFiles, readContents, type FoundFile, type Listing } from './files.ts'
import { nameProblems, type BatchOptions } from './import.ts'
import { startProgress } from './progress.ts'
import { print, printJson } from './terminal.ts'
import { plural } from './units.ts'

interface VerifyFlags extends ClientFlags {
  readonly consistency: Consistency
  readonly json?: boolean
}

export interface Verified {
  identical: number
  differing: number
  missing: number
  /** Files that could not be compared: unreadable here, or not answered for there. */
  failed: number
}

export function defineVerify(command: Command): void {
  command
    .argument('<dir>', 'the folder that was imported')
    .option('--json', 'print {"identical","differing","missing","failed"}')
  addClientFlags(addConsistencyFlag(command), fileTimeout)
    .addHelpText(
      'after',
      `
Exits with 1 unless all files are identical; those that are not are named.

Examples:
  annulus verify ./site                   read back through the peer that runs here
  annulus verify ./site --peer MULTIADDR  and through another`
    )
    .action((folder: string, _options: unknown, self: Command) => verify(folder, self.optsWithGlobals()))
}

async function verify(folder: string, flags: VerifyFlags): Promise<void> {
  const listing = await listFiles(folder)
  const counts = await withClient(flags, async (client, signal) => {
    const progress = await startProgress('verifying', listing.files.length)
    const { timeout: timeoutMs, consistency } = flags
    try {
      return await verifyFiles(client, listing, { progress, timeoutMs, signal, consistency })
    } finally {
      progress.end()
    }
  })
  if (flags.json === true) printJson(counts)
  else print(formatVerified(counts))
  const wrong = counts.differing + counts.missing + counts.failed
  if (wrong === 0) return
  const message = `${plural(wrong, 'file')} of ${wrong + counts.identical} not found identical`
  throw new CommandError(exitCodes.error, message, 'see their names above; annulus import stores them anew')
}

/** Failed ones are mentioned only where there are any: scripts wait for the first three. */
export function formatVerified({ identical, differing, missing, failed }: Verified): string {
  const counts = `${identical} identical, ${differing} differing, ${missing} missing`
  return failed === 0 ? counts : `${counts}, ${failed} failed`
}

/** Compares the files of a listing with what is stored. Throws only what ends the run as a whole. */
export async function verifyFiles(
  store: Pick<KeyValueStore, 'get'>,
  listing: Listing,
  options: BatchOptions
): Promise<Verified> {
  const { progress } = options
  const counts: Verified = { identical: 0, differing: 0, missing: 0, failed: listing.problems.length }
  nameProblems(listing, progress)
  await forEachOf(listing.files, filesAtOnce, async file => {
    const name = displayName(file.key)
    try {
      const outcome = await compareFile(store, file, options)
      counts[outcome]++
      if (outcome !== 'identical') progress.say(`${name} is ${outcome}`)
    } catch (error) {
      if (isFatal(error)) throw error
      progress.say(`${name} failed: ${reasonOf(error)}`)
      counts.failed++
    }
    progress.step()
  })
  return counts
}

async function compareFile(
  store: Pick<KeyValueStore, 'get'>,
  file: FoundFile,
  { timeoutMs, signal, consistency }: BatchOptions
): Promise<'identical' | 'differing' | 'missing'> {
  const contents = await readContents(file.path)
  const found = await tryAgain(call => store.get(file.key, { ...call, consistency }), { timeoutMs, signal })
  if (found === undefined) return 'missing'
  return Buffer.compare(found.value, contents) === 0 ? 'identical' : 'differing'
}
