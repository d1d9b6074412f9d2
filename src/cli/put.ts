/** `annulus put`: stores a value. */
import { readFile, stat } from 'node:fs/promises'
import type { Command } from 'commander'
import type { Consistency } from '../api.ts'
import { maxValueBytes } from '../core/limits.ts'
import {
  addClientFlags,
  addConsistencyFlag,
  checkKey,
  durationFlag,
  withClient,
  type ClientFlags
} from './client.ts'
import { usageError } from './errors.ts'
import { print, printJson } from './terminal.ts'
import { formatBytes, parseDuration, plural } from './units.ts'

interface PutFlags extends ClientFlags {
  readonly file?: string
  /** In ms. */
  readonly ttl?: number
  readonly consistency: Consistency
  readonly json?: boolean
}

/** The longest time to live that the command takes, in ms: beyond it is a slip of the pen. */
const maxTtlMs = parseDuration('36500d')!

export function definePut(command: Command): void {
  command
    .argument('<key>', 'the key, up to 1 KiB')
    .argument('[value]', 'the value as text, or - to read standard input; up to 4 MiB')
    .option('--file <file>', 'store the contents of this file')
    .option('--ttl <duration>', 'let the value expire after so long', durationFlag(1, maxTtlMs))
    .option('--json', 'print {"key","version","replicas"}')
  addClientFlags(addConsistencyFlag(command))
    .addHelpText(
      'after',
      `
Prints the version of the value and how many replicas have it on disk.

Examples:
  annulus put greeting hello              store the text "hello"
  annulus put photo --file cat.jpg        store a file
  tar c src | annulus put backup -        store standard input
  annulus put session abc --ttl 10m       store a value for ten minutes
  annulus put -- -5 -7                    after --, nothing is a flag`
    )
    .action((key: string, value: string | undefined, _options: unknown, self: Command) =>
      put(key, value, self.optsWithGlobals())
    )
}

async function put(key: string, argument: string | undefined, flags: PutFlags): Promise<void> {
  checkKey(key)
  const value = await readValue(argument, flags.file)
  const { timeout, consistency, ttl } = flags
  const { version, replicas } = await withClient(flags, (client, signal) =>
    client.put(key, value, { deadline: timeout, signal, consistency, ...(ttl !== undefined && { ttl }) })
  )
  if (flags.json === true) printJson({ key, version, replicas })
  else print(`${version} on ${plural(replicas, 'replica')}`)
}

async function readValue(argument: string | undefined, file: string | undefined): Promise<Uint8Array> {
  if ((argument === undefined) === (file === undefined)) {
    throw usageError(
      argument === undefined ? 'there is no value' : 'a value and --file contradict each other',
      'give a value, - for standard input, or --file'
    )
  }
  if (file !== undefined) return readWholeFile(file)
  if (argument === '-') return readStandardInput()
  const value = Buffer.from(argument!) // one of the two is given
  checkSize(value.length)
  return value
}

async function readWholeFile(path: string): Promise<Uint8Array> {
  // Asked first, so that a huge file is not read only to be refused.
  checkSize((await stat(path)).size)
  const value = await readFile(path)
  checkSize(value.length)
  return value
}

async function readStandardInput(): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of process.stdin as AsyncIterable<Uint8Array>) {
    size += chunk.length
    checkSize(size)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

function checkSize(bytes: number): void {
  if (bytes <= maxValueBytes) return
  throw usageError(
    `the value is larger than ${formatBytes(maxValueBytes)}`,
    'store it in parts under keys of their own'
  )
}
