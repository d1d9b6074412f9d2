/**
 * The files of `--allow` and `--allow-clients`: reads them, and reads them anew when they change or at SIGHUP. Used
 * by `start` and `cluster`.
 */
import { unwatchFile, watchFile } from 'node:fs'
import type { AllowedClient, AllowLists } from '../api.ts'
import { describeError, usageError } from './errors.ts'
import { readNamedFile, type NamedFile } from './named-file.ts'
import type { ResolvedSettings } from './settings.ts'

/** How often the files are looked at, in ms. Looked at, not listened for: an editor may put another one in the place. */
const lookEveryMs = 1_000

/** How long they have to stand still before they are read, in ms: whoever writes one in parts gets to its end. */
const settleMs = 300

export interface AllowFiles {
  readonly allow?: NamedFile
  readonly allowClients?: NamedFile
}

export function allowFilesOf({ values, origins }: ResolvedSettings): AllowFiles {
  const { allow, allowClients } = values
  return {
    ...(allow !== undefined && { allow: { path: allow, origin: origins.allow ?? '--allow' } }),
    ...(allowClients !== undefined && {
      allowClients: { path: allowClients, origin: origins.allowClients ?? '--allow-clients' }
    })
  }
}

/** Throws a usage error with file and line. */
export async function readAllowLists({ allow, allowClients }: AllowFiles): Promise<AllowLists> {
  return {
    ...(allow !== undefined && { allow: (await readList(allow)).map(readMember) }),
    ...(allowClients !== undefined && { allowClients: readClients(await readList(allowClients)) })
  }
}

interface Line {
  /** File and number, for messages. */
  readonly place: string
  /** Without a comment; never empty. */
  readonly words: readonly string[]
  readonly toPeerId: (text: string) => string
}

async function readList(file: NamedFile): Promise<Line[]> {
  const text = (await readNamedFile(file)).toString('utf8')
  const { peerIdFromString } = await import('@libp2p/peer-id')
  const toPeerId = (word: string): string => peerIdFromString(word).toString()
  return text.split('\n').flatMap((line, index) => {
    const content = line.replace(/#.*/, '').trim()
    if (content === '') return []
    return [{ place: `${file.origin}: ${file.path}:${index + 1}`, words: content.split(/\s+/), toPeerId }]
  })
}

function readMember({ place, words, toPeerId }: Line): string {
  return readPeerId(words.join(' '), { place, toPeerId, form: 'write one peer id per line' })
}

function readClients(lines: readonly Line[]): AllowedClient[] {
  const rights = new Map<string, boolean>()
  for (const { place, words, toPeerId } of lines) {
    const form = 'write PEERID, or PEERID read-only, one per line'
    const [name, right, ...more] = words
    const peerId = readPeerId(name!, { place, toPeerId, form })
    if ((right !== undefined && right !== 'read-only') || more.length > 0) {
      throw usageError(`${place}: ${words.slice(1).join(' ')} is no right of a client`, form)
    }
    const readOnly = right !== undefined
    if ((rights.get(peerId) ?? readOnly) !== readOnly) {
      throw usageError(`${place}: ${peerId} stands there twice, once read-only`, 'write it once')
    }
    rights.set(peerId, readOnly)
  }
  return [...rights].map(([peerId, readOnly]) => ({ peerId, readOnly }))
}

function readPeerId(
  text: string,
  { place, toPeerId, form }: Pick<Line, 'place' | 'toPeerId'> & { readonly form: string }
): string {
  try {
    return toPeerId(text)
  } catch {
    throw usageError(`${place}: ${text} is no peer id`, form)
  }
}

export interface WatchInit {
  /** Takes new lists. May throw. */
  readonly take: (lists: AllowLists) => void
  /** Told what has become of them, for the terminal. */
  readonly say: (line: string) => void
  /** Those in force. */
  readonly lists: AllowLists
}

/**
 * Has the process live on at SIGHUP, until `watchAllowLists` heeds it: that reads the files anyway. Returns what ends it. Does
 * nothing where there are no files, so that nohup works.
 */
export function surviveHangup(files: AllowFiles): () => void {
  if (files.allow === undefined && files.allowClients === undefined) return () => undefined
  const listener = (): void => undefined
  process.on('SIGHUP', listener)
  return () => void process.off('SIGHUP', listener)
}

/**
 * Reads the files anew whenever one has changed, and at SIGHUP, and hands on what is in them. With a mistake in them
 * those in force stay. Returns what ends it. Does nothing where there are no files.
 */
export function watchAllowLists(files: AllowFiles, init: WatchInit): () => void {
  const paths = [files.allow?.path, files.allowClients?.path].filter(path => path !== undefined)
  if (paths.length === 0) return () => undefined
  const watch = new AllowWatch(files, init)
  const changed = (): void => watch.changed()
  const asked = (): void => watch.asked()
  for (const path of paths) watchFile(path, { interval: lookEveryMs, persistent: false }, changed)
  process.on('SIGHUP', asked)
  // They may have changed since they were read.
  watch.changed()
  return () => {
    for (const path of paths) unwatchFile(path, changed)
    process.off('SIGHUP', asked)
    watch.stop()
  }
}

/** One reading after the other, and the last one sees the latest. */
class AllowWatch {
  readonly #files: AllowFiles
  readonly #init: WatchInit
  #known: string
  #timer: NodeJS.Timeout | undefined
  #reading: Promise<void> = Promise.resolve()
  #isStopped = false

  constructor(files: AllowFiles, init: WatchInit) {
    this.#files = files
    this.#init = init
    const { allow, allowClients } = init.lists
    this.#known = JSON.stringify({ allow, allowClients })
  }

  changed(): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.#readSoon(false), settleMs)
  }

  /** An operator wants it now, and wants to hear of it. */
  asked(): void {
    this.#readSoon(true)
  }

  stop(): void {
    this.#isStopped = true
    clearTimeout(this.#timer)
  }

  #readSoon(isAsked: boolean): void {
    this.#reading = this.#reading.then(() => this.#read(isAsked))
  }

  async #read(isAsked: boolean): Promise<void> {
    const { take, say } = this.#init
    try {
      const lists = await readAllowLists(this.#files)
      const text = JSON.stringify(lists)
      if (this.#isStopped || (text === this.#known && !isAsked)) return
      take(lists)
      this.#known = text
      say(`took in the allow lists: ${describe(lists)}`)
    } catch (error) {
      // What comes next is said, even if it is what was there before.
      this.#known = ''
      say(`warn: the allow lists in force stay: ${describeError(error).line}`)
    }
  }
}

function describe({ allow, allowClients }: AllowLists): string {
  const parts = [
    ...(allow === undefined ? [] : [`${allow.length} members`]),
    ...(allowClients === undefined ? [] : [`${allowClients.length} clients`])
  ]
  return parts.join(', ')
}
