/** Whether there is room on the disk to open a database anew that failed. Used by checked-level.ts. */
import { readdirSync, statfsSync, statSync } from 'node:fs'
import { join } from 'node:path'

/** Bytes beside those of the logs: what LevelDB needs for the first writes after it. */
const marginBytes = 4 * 1024 * 1024

/**
 * Why there is none, in words; undefined where there is, or nobody knows. Opening writes what is in the logs into
 * tables before it removes them, so it takes as much as they do.
 */
export function whyNoRoom(location: string): string | undefined {
  const neededBytes = logBytes(location) + marginBytes
  const freeBytes = freeBytesAt(location)
  if (freeBytes >= neededBytes) return undefined
  return `its disk is full: ${freeBytes} bytes are free, and it needs ${neededBytes} to go on writing`
}

function logBytes(location: string): number {
  const logs = readdirSync(location).filter(name => name.endsWith('.log'))
  return logs.reduce((sum, name) => sum + statSync(join(location, name)).size, 0)
}

function freeBytesAt(location: string): number {
  try {
    const { bavail, bsize } = statfsSync(location)
    return bavail * bsize
  } catch {
    return Infinity
  }
}
