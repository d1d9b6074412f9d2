/** The logger that the command line gives to peers and clients: a line per entry to stderr. */
import type { Logger } from '../api.ts'
import { sayLine } from './terminal.ts'

type Level = keyof Logger

/** Logs warnings and errors, and everything where the user asked for it with --verbose. */
export function terminalLogger(init: { verbose: boolean; write?: (line: string) => void }): Logger {
  const write = init.write ?? sayLine
  const at =
    (level: Level) =>
    (message: string, fields?: Record<string, unknown>): void =>
      write(formatEntry(level, message, fields))
  const nothing = (): void => undefined
  return {
    debug: init.verbose ? at('debug') : nothing,
    info: init.verbose ? at('info') : nothing,
    warn: at('warn'),
    error: at('error')
  }
}

function formatEntry(level: Level, message: string, fields: Record<string, unknown> | undefined): string {
  const shown = Object.entries(fields ?? {}).map(([name, value]) => ` ${name}=${formatField(value)}`)
  return `annulus: ${level}: ${message}${shown.join('')}`
}

function formatField(value: unknown): string {
  if (value instanceof Error) return JSON.stringify(value.message)
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex')
  if (typeof value === 'string' && /^[\w./:+-]+$/.test(value)) return value
  // JSON has no bigint.
  return JSON.stringify(value, (_key, part: unknown) => (typeof part === 'bigint' ? String(part) : part))
}
