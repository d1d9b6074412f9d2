/**
 * Opens the LevelDB of a store, repairs it where LevelDB finds it damaged, and says in which words it failed.
 */
import { ClassicLevel } from 'classic-level'

import { AnnulusError } from '../core/errors.ts'
import type { Logger } from '../core/ports.ts'
import { databaseFolder, readLoss, rememberLoss, storeUnusable } from './data-folder.ts'

export type Level = ClassicLevel<Uint8Array, Uint8Array>
export type OpenLevel = (location: string, options: { readonly createIfMissing: boolean }) => Promise<Level>

/**
 * LevelDB's default, in bytes. Larger ones make longer logs to replay, and a longer trail necessary
 * (checked-level.ts).
 */
const writeBufferSize = 4 * 1024 * 1024
/** Bytes of uncompressed blocks in memory: `getSync` holds up the event loop where it has to read a file. */
const cacheSize = 32 * 1024 * 1024

/** How a loss begins that was found in the tables of a database that was open: opening does not look at them all. */
const unreadableLoss = 'a part of the database could not be read'

/** Whether that was found: then the next opening repairs the database. */
export function isUnreadable(folder: string): boolean {
  return readLoss(folder)?.startsWith(unreadableLoss) === true
}

export async function openLevel(location: string, options: { createIfMissing: boolean }): Promise<Level> {
  const level: Level = new ClassicLevel(location, { keyEncoding: 'view', valueEncoding: 'view' })
  await level.open({ ...options, writeBufferSize, cacheSize })
  return level
}

/** Keeps it in mind where that is what an error says; gives whether it is. */
export function rememberUnreadable(folder: string, error: unknown): boolean {
  const { code, reason } = describeLevelError(error)
  if (code !== 'LEVEL_CORRUPTION') return false
  rememberLoss(folder, `${unreadableLoss} (${reason})`)
  return true
}

export interface OpenOrRepairInit {
  readonly open: OpenLevel
  readonly createIfMissing: boolean
  readonly logger: Logger
}

/**
 * Opens the database, repairing it where it is damaged: identity and metadata mostly survive that, while
 * what else does is anybody's guess, so the damage is remembered as a loss first. Throws AnnulusError.
 */
export async function openOrRepair(folder: string, init: OpenOrRepairInit): Promise<Level> {
  const { open, createIfMissing, logger } = init
  const location = databaseFolder(folder)
  const isKnownDamaged = isUnreadable(folder)
  try {
    if (!isKnownDamaged) return await open(location, { createIfMissing })
  } catch (error) {
    const { code, reason } = describeLevelError(error)
    if (code === 'LEVEL_LOCKED') {
      throw new AnnulusError('ERR_STORE_LOCKED', `another process uses the data folder ${folder}`, {
        cause: error
      })
    }
    if (code === 'LEVEL_IO_ERROR' && !/No such file/.test(reason))
      throw storeUnusable(folder, new Error(reason, { cause: error }))
    // Else it is corrupted or lacks a file; a database that lacks all of them comes without a code.
    rememberLoss(folder, `the database was damaged (${reason}) and had to be repaired`)
    logger.warn('the database is damaged; repairing it', { folder, reason })
  }
  try {
    await ClassicLevel.repair(location)
    return await open(location, { createIfMissing: false })
  } catch (error) {
    const { reason } = describeLevelError(error)
    throw storeUnusable(
      folder,
      new Error(`the database is damaged beyond repair: ${reason}`, { cause: error })
    )
  }
}

/** The code and message of LevelDB's own error, which is the cause of the one thrown when opening fails. */
export function describeLevelError(error: unknown): { code: string | undefined; reason: string } {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
  if (!(cause instanceof Error)) return { code: undefined, reason: String(cause) }
  const code = 'code' in cause && typeof cause.code === 'string' ? cause.code : undefined
  return { code, reason: cause.message }
}
