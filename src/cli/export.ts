/** `annulus export`: writes every key back as a file, the reverse of `import`. */
import { randomUUID } from 'node:crypto'
import { lstat, mkdir, realpath, rename, rm, writeFile } from 'node:fs/promises'
import { sep } from 'node:path'
import type { Command } from 'commander'
import type { Consistency, KeyValueStore } from '../api.ts'
import { makeFolder } from '../storage/make-folder.ts'
import { fileTimeout, filesAtOnce, forEachOf, isFatal, tryAgain } from './batch.ts'
import { addClientFlags, addConsistencyFlag, withClient, type ClientFlags } from './client.ts'
import { CommandError, exitCodes, reasonOf } from './errors.ts'
import { displayName, isMissing, whyNoFileName } from './files.ts'
import type { BatchOptions } from './import.ts'
import { onlyMessages } from './progress.ts'
import { print, printJson } from './terminal.ts'
import { plural } from './units.ts'

interface ExportFlags extends ClientFlags {
  readonly consistency: Consistency
  readonly json?: boolean
}

export interface Exported {
  exported: number
  failed: number
}

export function defineExport(command: Command): void {
  command
    .argument('<dir>', 'the folder; made if missing, files of the same names are replaced')
    .option('--json', 'print {"exported","failed"}')
  addClientFlags(addConsistencyFlag(command), fileTimeout)
    .addHelpText(
      'after',
      `
A key that is no path inside the folder ("../x", "/x", "a//b") is named and counted as failed; the rest goes on.
Each value is as new as its key's; together they are a listing, not a snapshot of one moment.

Examples:
  annulus export ./copy                   the key css/main.css becomes ./copy/css/main.css`
    )
    .action((folder: string, _options: unknown, self: Command) => exportVerb(folder, self.optsWithGlobals()))
}

async function exportVerb(folder: string, flags: ExportFlags): Promise<void> {
  makeFolder(folder)
  const counts = await withClient(flags, async (client, signal) => {
    const { timeout: timeoutMs, consistency } = flags
    // How many keys there are is known only at the end of the listing, so there is no bar.
    return exportKeys(client, folder, { progress: onlyMessages, timeoutMs, signal, consistency })
  })
  if (flags.json === true) printJson(counts)
  else print(`${counts.exported} exported, ${counts.failed} failed`)
  if (counts.failed === 0) return
  throw new CommandError(
    exitCodes.error,
    `${plural(counts.failed, 'key')} could not be exported`,
    'see them above'
  )
}

/** Writes all keys of a store under a folder. Throws only what ends the run as a whole. */
export async function exportKeys(
  store: Pick<KeyValueStore, 'get' | 'keys'>,
  folder: string,
  options: BatchOptions
): Promise<Exported> {
  const counts: Exported = { exported: 0, failed: 0 }
  const root = Buffer.from(await realpath(folder))
  await forEachOf(store.keys({ signal: options.signal }), filesAtOnce, async key => {
    try {
      if (await exportKey(store, root, Buffer.from(key), options)) counts.exported++
    } catch (error) {
      if (isFatal(error)) throw error
      options.progress.say(`${displayName(key)} failed: ${reasonOf(error)}`)
      counts.failed++
    }
    options.progress.step()
  })
  return counts
}

/** False where the key was deleted since it was listed. */
async function exportKey(
  store: Pick<KeyValueStore, 'get'>,
  root: Buffer,
  key: Buffer,
  { timeoutMs, signal, consistency }: BatchOptions
): Promise<boolean> {
  const problem = whyNoFileName(key, sep)
  if (problem !== undefined) throw new Error(problem)
  const found = await tryAgain(call => store.get(key, { ...call, consistency }), { timeoutMs, signal })
  if (found === undefined) return false
  await writeBelow(root, key, found.value)
  return true
}

/** Makes the folders of a path one by one, none of them a way out of the root, and replaces the file at once. */
async function writeBelow(root: Buffer, key: Buffer, contents: Uint8Array): Promise<void> {
  for (let end = key.indexOf('/'); end !== -1; end = key.indexOf('/', end + 1)) {
    await makeFolderBelow(below(root, key.subarray(0, end)))
  }
  const path = below(root, key)
  const parent = key.subarray(0, key.lastIndexOf('/') + 1)
  // A short name of its own: the file's name may be as long as names can be.
  const temporary = below(root, Buffer.concat([parent, Buffer.from(`.annulus-${randomUUID()}`)]))
  try {
    await writeFile(temporary, contents, { flag: 'wx' })
    await rename(temporary, path)
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
}

/** A folder that is there already must be one: a symbolic link may lead anywhere. */
async function makeFolderBelow(path: Buffer): Promise<void> {
  try {
    await mkdir(path)
  } catch (error) {
    const there = await lstat(path).catch((problem: unknown) => {
      throw isMissing(problem) ? error : problem
    })
    if (!there.isDirectory()) throw new Error(`${displayName(path)} is in the way`, { cause: error })
  }
}

function below(root: Buffer, key: Buffer): Buffer {
  return Buffer.concat([root, Buffer.from('/'), key])
}
