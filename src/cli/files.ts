/**
 * The files of a folder as keys and values: what `import` and `verify` read, and where `export` may write. Names
 * are bytes throughout, because a file system's names need not be text.
 */
import { constants } from 'node:fs'
import { open, readdir } from 'node:fs/promises'
import { maxKeyBytes, maxValueBytes } from '../core/limits.ts'
import { CommandError, exitCodes, isSystemError, reasonOf } from './errors.ts'
import { formatCount } from './units.ts'

export interface FoundFile {
  /** Its path below the folder, with `/` between names: its key. */
  readonly key: Buffer
  readonly path: Buffer
}

export interface Problem {
  readonly name: string
  readonly reason: string
}

export interface Listing {
  /** By the bytes of their names, folder by folder. */
  readonly files: FoundFile[]
  /** Files and folders that cannot be a key or be read. */
  readonly problems: Problem[]
  /** Symbolic links, sockets and the like, which have no contents of their own to store. */
  readonly skipped: Problem[]
}

const slash = Buffer.from('/')

/** Every file under a folder. Symbolic links are not followed: they may lead out of it, or in a circle. */
export async function listFiles(folder: string): Promise<Listing> {
  const listing: Listing = { files: [], problems: [], skipped: [] }
  const root = Buffer.from(folder)
  const pending: FoundFile[] = [{ key: Buffer.alloc(0), path: root }]
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const subfolders = await listFolder(next, listing)
    pending.push(...subfolders.reverse())
  }
  return listing
}

/** Adds what is in one folder to the listing; returns its subfolders. */
async function listFolder({ key, path }: FoundFile, listing: Listing): Promise<FoundFile[]> {
  const subfolders: FoundFile[] = []
  for (const entry of await readFolder({ key, path }, listing)) {
    const found = {
      key: key.length === 0 ? entry.name : Buffer.concat([key, slash, entry.name]),
      path: Buffer.concat([path, slash, entry.name])
    }
    const name = displayName(found.key)
    if (entry.isDirectory()) subfolders.push(found)
    else if (entry.isSymbolicLink()) listing.skipped.push({ name, reason: 'a symbolic link' })
    else if (!entry.isFile()) listing.skipped.push({ name, reason: 'not a regular file' })
    else if (found.key.length <= maxKeyBytes) listing.files.push(found)
    else {
      const reason = `its path has ${found.key.length} bytes, and a key at most ${maxKeyBytes}`
      listing.problems.push({ name, reason })
    }
  }
  return subfolders
}

async function readFolder({ key, path }: FoundFile, listing: Listing) {
  try {
    const entries = await readdir(path, { withFileTypes: true, encoding: 'buffer' })
    return entries.sort((a, b) => Buffer.compare(a.name, b.name))
  } catch (error) {
    if (key.length === 0) {
      const reason = `the folder ${displayName(path)} cannot be read: ${reasonOf(error)}`
      throw new CommandError(exitCodes.error, reason, 'check the path and its permissions')
    }
    listing.problems.push({ name: displayName(key), reason: reasonOf(error) })
    return []
  }
}

/** The contents of a file. Throws where it cannot be read or is no value, a message without its name. */
export async function readContents(path: Buffer): Promise<Uint8Array> {
  // A symbolic link or a pipe may have taken the file's place since it was listed: neither follow nor wait.
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  try {
    const stats = await file.stat()
    // An empty pipe would pass for an empty file, and a device may never end.
    if (!stats.isFile()) throw new Error('it is not a regular file any more')
    checkSize(stats.size)
    const contents = await file.readFile()
    checkSize(contents.length)
    return contents
  } finally {
    await file.close()
  }
}

function checkSize(bytes: number): void {
  if (bytes <= maxValueBytes) return
  throw new Error(`it has ${formatCount(bytes)} bytes, and a value at most ${formatCount(maxValueBytes)}`)
}

/**
 * Why a key cannot be written as a file below a folder, or undefined where it can. A key is any bytes, so it
 * may try to leave the folder.
 */
export function whyNoFileName(key: Uint8Array, separator: '/' | '\\'): string | undefined {
  const bytes = Buffer.from(key)
  if (bytes.includes(0)) return 'it holds a zero byte'
  // Latin-1 keeps every byte as it is, and the characters looked for are ASCII.
  const names = bytes.toString('latin1').split('/')
  if (names[0] === '') return 'it is an absolute path'
  if (names.includes('')) return 'it has an empty name in its path'
  if (names.includes('..') || names.includes('.')) return 'it would leave the folder'
  if (separator === '\\' && /[\\:]/.test(bytes.toString('latin1')))
    return 'it means another path on this system'
  return undefined
}

/** A name for messages: on one line, whatever its bytes. */
export function displayName(bytes: Uint8Array): string {
  return Buffer.from(bytes)
    .toString()
    .replace(/\p{Cc}/gu, '\ufffd')
}

/** Whether two errors of the file system are the kind that means: there is no such thing. */
export function isMissing(error: unknown): boolean {
  return isSystemError(error) && error.code === 'ENOENT'
}
