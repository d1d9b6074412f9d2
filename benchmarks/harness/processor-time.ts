/**
 * Processor time, of this process and of others: on a machine that others use too, it says more of what an
 * operation costs than the time that passes.
 */
import { readFileSync } from 'node:fs'

/** Ms of a clock tick in /proc: Linux counts in hundredths of a second for every program to see. */
const tickMs = 10

/** Used by this process so far, in ms. */
export function ownProcessorMs(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}

/** Used by these processes so far, all threads, in ms; undefined where there is no /proc to tell. */
export function processorMsOf(pids: readonly number[]): number | undefined {
  try {
    return pids.reduce((sum, pid) => sum + ticksOf(pid) * tickMs, 0)
  } catch {
    return undefined
  }
}

/** User and system time are the 14th and 15th field; the second, the name in brackets, may hold blanks. */
function ticksOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return Number(fields[11]) + Number(fields[12])
}
