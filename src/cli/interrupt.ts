/** Ctrl-C and SIGTERM: the first asks a verb to end, a second ends the process at once. */
import { exitCodes } from './errors.ts'

const signals = ['SIGINT', 'SIGTERM'] as const

/**
 * Calls `first` at the first signal; at the next one the process exits at once. Returns what takes the
 * handlers away again. SIGHUP is left alone, so that nohup works.
 */
export function onInterrupt(first: () => void): () => void {
  let asked = false
  const listener = (): void => {
    if (asked) process.exit(exitCodes.interrupted)
    asked = true
    first()
  }
  for (const signal of signals) process.on(signal, listener)
  return () => {
    for (const signal of signals) process.off(signal, listener)
  }
}
