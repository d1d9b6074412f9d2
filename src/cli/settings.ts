/**
 * The settings of `start` and `cluster`: each is a flag, an environment variable and a key of the config file,
 * and the first of these three that is given counts. One table says all of it.
 */
import { readFile } from 'node:fs/promises'
import type { Command } from 'commander'
import { minDiskBytes } from '../core/quota.ts'
import { maxReplicas, maxVnodes, minTransferBytesPerSecond } from '../core/limits.ts'
import { usageError } from './errors.ts'
import { bytesExample, durationExample, parseBytes, parseDuration } from './units.ts'

export interface Settings {
  listen: string[]
  announce: string[]
  join: string[]
  data: string
  memory: boolean
  replicas: number
  vnodes: number
  network: string
  /** Path of the key file. */
  networkKey: string
  /** Path of the file of the members' peer ids. */
  allow: string
  /** Path of the file of the clients' peer ids. */
  allowClients: string
  /** In ms; 0: never. */
  removeAfter: number
  /** In bytes per second. */
  transferRate: number
  /** In bytes per second; 0: never. */
  scrubRate: number
  /** In bytes. */
  maxDisk: number
  json: boolean
}

/** UTF-16 units of a wrong value that an error repeats. */
const maxShownLength = 80

export type SettingName = keyof Settings

interface Setting<T> {
  /** As commander wants it; the long flag in camel case is the setting's name. */
  readonly flag: string
  readonly about: string
  /** Reads what was given: text from a flag or the environment, any JSON from a file. Throws what is wrong. */
  readonly read: (given: unknown) => T
}

export const settingTable: { readonly [K in SettingName]: Setting<Settings[K]> } = {
  listen: {
    flag: '--listen <multiaddr>',
    about: 'where to listen; may be repeated (default: /ip4/127.0.0.1, the port of last time or a free one)',
    read: readList
  },
  announce: {
    flag: '--announce <multiaddr>',
    about: 'what to tell others instead of the addresses listened on; may be repeated',
    read: readList
  },
  join: {
    flag: '--join <multiaddr>',
    about: 'a peer of the cluster to join; may be repeated (default: found a cluster)',
    read: readList
  },
  data: {
    flag: '--data <dir>',
    about: 'the data folder (default: $XDG_DATA_HOME/annulus or ~/.local/share/annulus)',
    read: readText
  },
  memory: { flag: '--memory', about: 'keep everything in memory, nothing on disk', read: readBoolean },
  replicas: {
    flag: '--replicas <n>',
    about: 'copies of each record, the same for all peers of a cluster (default: 3, or what the cluster has)',
    read: readInteger(1, maxReplicas)
  },
  vnodes: {
    flag: '--vnodes <n>',
    about: 'virtual nodes of this peer: its weight on the ring (default: 128)',
    read: readInteger(1, maxVnodes)
  },
  network: { flag: '--network <name>', about: 'name of the network (default: annulus)', read: readText },
  networkKey: {
    flag: '--network-key <file>',
    about: 'the key of a private network: only peers with the same one can connect',
    read: readText
  },
  allow: {
    flag: '--allow <file>',
    about:
      'peer ids of the members, one per line, read anew when it changes; no other member gets in, nor any client that ' +
      '--allow-clients does not name (default: whoever can connect)',
    read: readText
  },
  allowClients: {
    flag: '--allow-clients <file>',
    about:
      'peer ids of the clients, one per line, "PEERID read-only" for one that may not change anything; no other client ' +
      'gets in, nor any member that --allow does not name; see annulus help identity',
    read: readText
  },
  removeAfter: {
    flag: '--remove-after <duration>',
    about: 'remove a member that was down for so long; 0: never (default: 10m)',
    read: readDuration
  },
  transferRate: {
    flag: '--transfer-rate <bytes>',
    about: 'what moving records may take, in bytes per second (default: 32MiB)',
    read: readBytes(minTransferBytesPerSecond)
  },
  scrubRate: {
    flag: '--scrub-rate <bytes>',
    about:
      'how fast records are read to find what has gone bad on disk, in bytes per second; 0: never (default: 1MiB)',
    read: readBytes(0)
  },
  maxDisk: {
    flag: '--max-disk <bytes>',
    about: 'how much of records this peer may hold; then it refuses new values (default: no limit)',
    read: readBytes(minDiskBytes)
  },
  json: { flag: '--json', about: 'print JSON', read: readBoolean }
}

export const settingNames = Object.keys(settingTable) as SettingName[] // the table's type has just these keys

/** The environment variable of a setting: networkKey is ANNULUS_NETWORK_KEY. */
export function environmentName(name: SettingName | 'config'): string {
  return `ANNULUS_${name.replace(/[A-Z]/g, letter => `_${letter}`).toUpperCase()}`
}

/** Adds the flags of these settings, and --config, to a command; their values are read by `readSettings`. */
export function addSettings(command: Command, names: readonly SettingName[]): Command {
  for (const name of names) {
    const { flag, about } = settingTable[name]
    const described = `${about} [${environmentName(name)}]`
    if (isList(name)) command.option(flag, described, collect)
    else command.option(flag, described)
  }
  return command.option(
    '--config <file>',
    'JSON file with these settings, by flag name in camel case [ANNULUS_CONFIG]'
  )
}

/** Gathers the values of a repeatable option. */
export function collect(value: string, earlier: readonly string[] = []): string[] {
  return [...earlier, value]
}

/** Settings, each with where it came from, for messages: "--replicas", "ANNULUS_REPLICAS", "replicas in FILE". */
export interface ResolvedSettings {
  readonly values: Partial<Settings>
  readonly origins: Readonly<Partial<Record<SettingName, string>>>
}

export interface SettingSources {
  /** What commander parsed. */
  readonly flags: Readonly<Record<string, unknown>>
  readonly env: NodeJS.ProcessEnv
  /** The parsed config file and its path. */
  readonly file?: { readonly path: string; readonly content: unknown }
}

/** Reads the config file, if one is named, and resolves all settings. Throws usage errors. */
export async function readSettings(flags: Readonly<Record<string, unknown>>): Promise<ResolvedSettings> {
  const path = flags['config'] ?? process.env[environmentName('config')]
  if (typeof path !== 'string' || path === '') return resolveSettings({ flags, env: process.env })
  return resolveSettings({ flags, env: process.env, file: { path, content: await readJson(path) } })
}

/** Picks each setting from flag, environment or file, in that order, and reads it. Throws usage errors. */
export function resolveSettings(sources: SettingSources): ResolvedSettings {
  const file = checkFile(sources.file)
  const values: Partial<Settings> = {}
  const origins: Partial<Record<SettingName, string>> = {}
  // eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters -- it ties the reader to the value
  const take = <K extends SettingName>(name: K, given: unknown, origin: string): void => {
    const setting: Setting<Settings[K]> = settingTable[name]
    try {
      values[name] = setting.read(given)
    } catch (error) {
      const problem = error instanceof Error ? error.message : String(error)
      throw usageError(`${origin} is ${shown(given)}`, `give ${problem}`)
    }
    origins[name] = origin
  }
  for (const name of settingNames) {
    const variable = environmentName(name)
    const fromEnv = sources.env[variable]
    const longFlag = settingTable[name].flag.split(' ')[0]!
    if (sources.flags[name] !== undefined) take(name, sources.flags[name], longFlag)
    else if (fromEnv !== undefined && fromEnv !== '') take(name, fromEnv, variable)
    else if (file.content[name] !== undefined) take(name, file.content[name], `"${name}" in ${file.path}`)
  }
  if (values.memory === true && values.data !== undefined) {
    throw usageError(`${origins.memory!} and ${origins.data!} contradict each other`, 'give one of them')
  }
  return { values, origins }
}

/** A config file may hold anything, however long and deep: enough of it to know it by. */
function shown(given: unknown): string {
  try {
    const text = JSON.stringify(given)
    return text.length <= maxShownLength ? text : `${text.slice(0, maxShownLength)}…`
  } catch {
    return 'nested too deeply'
  }
}

function checkFile(file: SettingSources['file']): { path: string; content: Record<string, unknown> } {
  if (file === undefined) return { path: '', content: {} }
  const { path, content } = file
  if (typeof content !== 'object' || content === null || Array.isArray(content)) {
    throw usageError(`${path} does not hold a JSON object`, 'write one such as {"replicas": 3}')
  }
  for (const key of Object.keys(content)) {
    if (!Object.hasOwn(settingTable, key)) {
      throw usageError(
        `${path} has an unknown key ${shown(key)}`,
        `the known ones are ${settingNames.join(', ')}`
      )
    }
  }
  return { path, content: { ...content } }
}

async function readJson(path: string): Promise<unknown> {
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    throw usageError(
      `the config file cannot be read: ${(error as Error).message}`,
      'name another with --config'
    ) // fs throws Errors
  })
  try {
    return JSON.parse(text)
  } catch (error) {
    throw usageError(`${path} is not JSON: ${(error as Error).message}`, 'correct it') // JSON.parse throws SyntaxErrors
  }
}

function isList(name: SettingName): boolean {
  return settingTable[name].read === readList
}

function readList(given: unknown): string[] {
  const items: unknown[] =
    typeof given === 'string' ? given.split(',') : Array.isArray(given) ? given : [given]
  return items.map(item => {
    if (typeof item !== 'string' || item.trim() === '') throw new Error('a list of texts, none of them empty')
    return item.trim()
  })
}

function readText(given: unknown): string {
  if (typeof given !== 'string' || given === '') throw new Error('a text that is not empty')
  return given
}

function readBoolean(given: unknown): boolean {
  if (given === true || given === 'true' || given === '1') return true
  if (given === false || given === 'false' || given === '0') return false
  throw new Error('true or false')
}

function readInteger(least: number, most: number): (given: unknown) => number {
  return given => {
    const text = typeof given === 'number' ? String(given) : given
    const value = typeof text === 'string' && /^\d{1,15}$/.test(text) ? Number(text) : NaN
    if (!(value >= least && value <= most)) throw new Error(`a whole number from ${least} to ${most}`)
    return value
  }
}

function readDuration(given: unknown): number {
  const ms = given === 0 ? 0 : typeof given === 'string' ? parseDuration(given) : undefined
  if (ms === undefined) throw new Error(durationExample)
  return ms
}

function readBytes(least: number): (given: unknown) => number {
  return given => {
    const bytes = typeof given === 'string' ? parseBytes(given) : given === 0 ? 0 : undefined
    if (bytes === undefined) throw new Error(bytesExample)
    if (bytes < least) throw new Error(`at least ${least}B`)
    return bytes
  }
}
