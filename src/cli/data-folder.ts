/**
 * What the command line keeps in a data folder beside the peer's own files: `address`, where the peer that runs
 * there can be reached now, which client verbs read; and `port`, the loopback port it had last, so that a
 * peer that restarts is found where it was.
 */
import { readFile, rename, rm, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { createServer } from 'node:net'
import { makeFolder } from '../storage/make-folder.ts'
import { CommandError, exitCodes, isSystemError, reasonOf } from './errors.ts'

const addressFile = 'address'
const portFile = 'port'

/** `$XDG_DATA_HOME/annulus`, or `~/.local/share/annulus` (XDG Base Directory Specification). */
export function defaultDataFolder(env: NodeJS.ProcessEnv = process.env): string {
  const base = env['XDG_DATA_HOME']
  return join(base === undefined || base === '' ? join(homedir(), '.local', 'share') : base, 'annulus')
}

/** Multiaddrs of the peer that runs in this folder; undefined where none does. */
export async function readAddresses(folder: string): Promise<string[] | undefined> {
  const text = await readIfThere(join(folder, addressFile))
  const addresses = text?.split('\n').filter(line => line !== '') ?? []
  return addresses.length === 0 ? undefined : addresses
}

export async function writeAddresses(folder: string, multiaddrs: readonly string[]): Promise<void> {
  await replaceFile(folder, addressFile, multiaddrs.map(address => `${address}\n`).join(''))
}

/** Takes the addresses away, unless another peer has written its own since. */
export async function removeAddresses(folder: string, multiaddrs: readonly string[]): Promise<void> {
  const found = await readAddresses(folder)
  if (found?.join('\n') === multiaddrs.join('\n')) await rm(join(folder, addressFile), { force: true })
}

/** Keeps the first TCP port among these addresses for the next start. */
export async function rememberPort(folder: string, multiaddrs: readonly string[]): Promise<void> {
  const port = multiaddrs.map(address => /^\/ip4\/127\.0\.0\.1\/tcp\/(\d+)/.exec(address)?.[1]).find(Boolean)
  if (port !== undefined) await replaceFile(folder, portFile, `${port}\n`)
}

/** The loopback port that the peer of this folder had last; undefined where there was none. */
export async function rememberedPort(folder: string): Promise<number | undefined> {
  const port = Number(await readIfThere(join(folder, portFile)))
  return Number.isInteger(port) && port > 0 && port < 65_536 ? port : undefined
}

/** Where to listen when nobody said: on the port of last time if it is free, else on one the system picks. */
export async function defaultListen(folder: string | undefined): Promise<string> {
  const port = folder === undefined ? undefined : await rememberedPort(folder)
  return `/ip4/127.0.0.1/tcp/${port !== undefined && (await isFree(port)) ? port : 0}`
}

/** Whether a loopback port can be listened on: by doing so for a moment. */
async function isFree(port: number): Promise<boolean> {
  const server = createServer()
  try {
    return await new Promise(resolve => {
      server.once('error', () => resolve(false))
      server.listen(port, '127.0.0.1', () => resolve(true))
    })
  } finally {
    await new Promise(resolve => server.close(resolve))
  }
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if (isSystemError(error) && (error.code === 'ENOENT' || error.code === 'ENOTDIR')) return undefined
    // The system's own words do not always name the file.
    throw new CommandError(
      exitCodes.error,
      `${path} cannot be read: ${reasonOf(error)}`,
      'a peer writes that file anew at its start: if it is no file of yours, take it away'
    )
  }
}

/** Writes beside and renames, so that a reader finds the old file or the new one and never a half. */
async function replaceFile(folder: string, name: string, text: string): Promise<void> {
  makeFolder(folder)
  const temporary = join(folder, `${name}.${process.pid}.new`)
  await writeFile(temporary, text)
  await rename(temporary, join(folder, name))
}
