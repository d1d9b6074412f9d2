/**
 * The folder of a store on disk, before any database in it is opened:
 *
 *     FORMAT    "annulus store 1": whose folder this is, and the format of what is in it
 *     DURABLE   the number of the last durable batch; see watermark.ts
 *     LOSS      there only where something was lost: what, in words
 *     level/    the database
 *
 * FORMAT comes first and DURABLE last, so that a folder whose making was interrupted is told from one that
 * lost a file.
 */
import {
  closeSync,
  existsSync,
  fsyncSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync
} from 'node:fs'
import { join } from 'node:path'

import { AnnulusError } from '../core/errors.ts'
import { makeFolder } from './make-folder.ts'

const formatFile = 'FORMAT'
/** What FORMAT is written as and then renamed from, so that it is never there in part. */
const unfinishedFile = 'FORMAT.new'
const lossFile = 'LOSS'
const formatName = 'annulus store'
/** Raised when a folder written from now on can no longer be read by the versions before. */
const formatVersion = 1

/**
 * Makes the folder where it is missing and sees that this version of the program can use it. Throws
 * AnnulusError ERR_STORE, saying why not in a line.
 */
export function prepareFolder(folder: string): void {
  try {
    makeFolder(folder)
    if (existsSync(join(folder, formatFile))) assertFormat(folder)
    else takeFolder(folder)
  } catch (error) {
    throw storeUnusable(folder, error)
  }
}

export function databaseFolder(folder: string): string {
  return join(folder, 'level')
}

/** Any failure to use a folder as the error that users get. */
export function storeUnusable(folder: string, error: unknown): AnnulusError {
  if (error instanceof AnnulusError) return error
  const reason = (error instanceof Error ? error.message : String(error)).split('\n', 1)[0]!
  return new AnnulusError('ERR_STORE', `the data folder ${folder} cannot be used: ${reason}`, {
    cause: error
  })
}

/** What was found lost by this or an earlier opening, and not yet made good by a clear. Throws AnnulusError ERR_STORE. */
export function readLoss(folder: string): string | undefined {
  try {
    return existsSync(join(folder, lossFile)) ? readText(folder, lossFile) : undefined
  } catch (error) {
    throw storeUnusable(folder, error)
  }
}

/** Keeps a loss in mind, before anything is written that could hide it; the first one stays. */
export function rememberLoss(folder: string, loss: string): void {
  if (existsSync(join(folder, lossFile))) return
  writeFileSync(join(folder, lossFile), loss, { flush: true })
  syncFolder(folder)
}

export function forgetLoss(folder: string): void {
  rmSync(join(folder, lossFile), { force: true })
  syncFolder(folder)
}

function assertFormat(folder: string): void {
  const text = readText(folder, formatFile).trim()
  const version = new RegExp(`^${formatName} (\\d{1,9})$`).exec(text)?.[1]
  if (version === undefined) throw new Error(`its file ${formatFile} is damaged or not of Annulus`)
  if (Number(version) > formatVersion) {
    throw new Error(
      `it has format ${version}, and this version of Annulus reads up to format ${formatVersion}; use a newer one`
    )
  }
}

/** The system's own words do not always name the file. */
function readText(folder: string, name: string): string {
  try {
    return readFileSync(join(folder, name), 'utf8')
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new Error(`its file ${name} cannot be read: ${reason}`, { cause: error })
  }
}

function takeFolder(folder: string): void {
  if (readdirSync(folder).some(name => name !== unfinishedFile)) {
    throw new Error(`it is not empty and has no file ${formatFile}, so it is not of Annulus`)
  }
  const unfinished = join(folder, unfinishedFile)
  writeFileSync(unfinished, `${formatName} ${formatVersion}\n`, { flush: true })
  renameSync(unfinished, join(folder, formatFile))
  syncFolder(folder)
}

/** Makes the names in a folder durable. Windows has no such thing, and needs none. */
export function syncFolder(folder: string): void {
  if (process.platform === 'win32') return
  const handle = openSync(folder, 'r')
  try {
    fsyncSync(handle)
  } finally {
    closeSync(handle)
  }
}
