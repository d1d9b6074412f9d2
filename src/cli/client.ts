/**
 * What the verbs that talk to a running peer share: the flags that say which one, finding it, and a client that
 * is closed whatever happens and gives up at Ctrl-C.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { InvalidArgumentError, Option, type Command } from 'commander'
import type { Client, ClientInit, Consistency } from '../api.ts'
import { AnnulusError } from '../core/errors.ts'
import { maxDeadlineMs, maxKeyBytes } from '../core/limits.ts'
import { defaultDataFolder, readAddresses } from './data-folder.ts'
import { CommandError, exitCodes, usageError } from './errors.ts'
import { onInterrupt } from './interrupt.ts'
import { terminalLogger } from './logger.ts'
import { checkAddresses, readNetworkKey } from './peer-init.ts'
import { collect } from './settings.ts'
import { durationExample, formatDuration, parseDuration } from './units.ts'

/** What commander parses of the flags that `addClientFlags` adds, and of the global ones. */
export interface ClientFlags {
  readonly peer?: string[]
  readonly data?: string
  readonly network?: string
  readonly networkKey?: string
  readonly identity?: string
  /** In ms. */
  readonly timeout: number
  readonly verbose?: boolean
}

/** How long a verb waits for one operation unless told, in ms: the library's own default. */
const defaultTimeoutMs = 10_000

export interface TimeoutFlag {
  readonly about: string
  readonly defaultMs: number
  readonly mostMs: number
}

const operationTimeout: TimeoutFlag = {
  about: 'how long to wait',
  defaultMs: defaultTimeoutMs,
  mostMs: maxDeadlineMs
}

export function addClientFlags(command: Command, timeout: TimeoutFlag = operationTimeout): Command {
  return command
    .option('--peer <multiaddr>', 'the peer to ask; may be repeated, tried in order [ANNULUS_PEER]', collect)
    .option('--data <dir>', 'ask the peer that runs in this data folder [ANNULUS_DATA]')
    .option('--network <name>', 'name of the network, where it is not "annulus" [ANNULUS_NETWORK]')
    .option('--network-key <file>', 'the key of a private network [ANNULUS_NETWORK_KEY]')
    .option(
      '--identity <file>',
      'whose peer id to have, for peers that list their clients; see annulus help identity [ANNULUS_IDENTITY]'
    )
    .addOption(
      new Option('--timeout <duration>', timeout.about)
        .argParser(durationFlag(1, timeout.mostMs))
        .default(timeout.defaultMs, formatDuration(timeout.defaultMs))
    )
}

/** A parser for flags that take a duration. */
export function durationFlag(leastMs: number, mostMs: number): (text: string) => number {
  return text => {
    const ms = parseDuration(text)
    if (ms === undefined) throw new InvalidArgumentError(`Give ${durationExample}.`)
    if (ms < leastMs || ms > mostMs) {
      throw new InvalidArgumentError(`Give ${formatDuration(leastMs)} to ${formatDuration(mostMs)}.`)
    }
    return ms
  }
}

export function addConsistencyFlag(command: Command): Command {
  const levels: readonly Consistency[] = ['one', 'quorum', 'all']
  return command.addOption(
    new Option('--consistency <level>', 'how many replicas must take part').choices(levels).default('quorum')
  )
}

/** Throws a usage error for a key that no peer would take. */
export function checkKey(key: string): void {
  const bytes = Buffer.byteLength(key)
  if (bytes === 0) throw usageError('the key is empty', 'give a key of at least one byte')
  if (bytes > maxKeyBytes)
    throw usageError(`the key has ${bytes} bytes`, `give one of at most ${maxKeyBytes}`)
}

/** Connects, runs, closes. `signal` aborts at Ctrl-C, and then this throws even if `run` does not end. */
export async function withClient<T>(
  flags: ClientFlags,
  run: (client: Client, signal: AbortSignal) => Promise<T>
): Promise<T> {
  const { init, origin } = await clientInit(flags)
  const interrupted = new AbortController()
  const detach = onInterrupt(() => interrupted.abort())
  try {
    const client = await orInterrupt(connect(init, origin, flags.timeout), interrupted.signal)
    try {
      return await run(client, interrupted.signal)
    } finally {
      await client.close()
    }
  } catch (error) {
    throw interrupted.signal.aborted ? interruption(error) : error
  } finally {
    detach()
  }
}

async function connect(init: ClientInit, origin: string, timeoutMs: number): Promise<Client> {
  const { createClient } = await import('../index.ts')
  const done = new AbortController()
  try {
    return await Promise.race([createClient(init), tooLate(timeoutMs, done.signal)])
  } catch (error) {
    if (!(error instanceof AnnulusError) || error.code !== 'ERR_UNREACHABLE') throw error
    throw new CommandError(
      exitCodes.unreachable,
      `no peer answers at ${init.peers.join(', ')} (from ${origin})${why(error)}`,
      'start one with annulus start, or name one that runs with --peer',
      { cause: error }
    )
  } finally {
    done.abort()
  }
}

/** Throws after so long; whoever asked for less than the library allows a client to connect is not to wait longer. */
async function tooLate(timeoutMs: number, done: AbortSignal): Promise<never> {
  await sleep(timeoutMs, undefined, { signal: done })
  const cause = new Error(`nothing within ${formatDuration(timeoutMs)}`)
  throw new AnnulusError('ERR_UNREACHABLE', cause.message, { cause })
}

/** What became of the last try: it may be this client that is kept out. */
function why({ cause }: AnnulusError): string {
  return cause instanceof Error ? `: ${cause.message}` : ''
}

/** The client's settings by flag, then environment, and where its addresses come from. */
async function clientInit(flags: ClientFlags): Promise<{ init: ClientInit; origin: string }> {
  const { peers, origin } = await findPeers(flags, process.env)
  await checkAddresses(peers, origin)
  const network = flags.network ?? given(process.env['ANNULUS_NETWORK'])
  const keyFile = flags.networkKey ?? given(process.env['ANNULUS_NETWORK_KEY'])
  const identityFile = flags.identity ?? given(process.env['ANNULUS_IDENTITY'])
  const init: ClientInit = {
    peers,
    // What is asked for is this peer's answer: `verify --peer X` must not go around X.
    mode: 'forward',
    logger: terminalLogger({ verbose: flags.verbose === true }),
    ...(network !== undefined && { network }),
    ...(keyFile !== undefined && { networkKey: await readNetworkKey(keyFile, 'the network key') }),
    ...(identityFile !== undefined && { identityFile })
  }
  return { init, origin }
}

/** --peer, else ANNULUS_PEER, else the peer whose address stands in the data folder. Exit code 4 for none. */
export async function findPeers(
  flags: Pick<ClientFlags, 'peer' | 'data'>,
  env: NodeJS.ProcessEnv
): Promise<{ peers: string[]; origin: string }> {
  if (flags.peer !== undefined) return { peers: flags.peer, origin: '--peer' }
  const fromEnv = given(env['ANNULUS_PEER'])
  // A folder that was named by a flag is nearer to the user than a variable.
  if (flags.data === undefined && fromEnv !== undefined) {
    return { peers: fromEnv.split(',').map(address => address.trim()), origin: 'ANNULUS_PEER' }
  }
  const folder = flags.data ?? given(env['ANNULUS_DATA']) ?? defaultDataFolder(env)
  const peers = await readAddresses(folder)
  if (peers !== undefined) return { peers, origin: folder }
  throw new CommandError(
    exitCodes.unreachable,
    `no peer runs in ${folder}, and none is named`,
    'start one with annulus start, or name one that runs with --peer or ANNULUS_PEER'
  )
}

function given(text: string | undefined): string | undefined {
  return text === '' ? undefined : text
}

/** Rejects at once when the signal aborts; for what takes no signal itself. */
function orInterrupt<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    signal.addEventListener('abort', () => reject(new AnnulusError('ERR_ABORTED', 'interrupted')), {
      once: true
    })
    promise.then(resolve, reject)
  })
}

/** What is said after Ctrl-C: whether what was under way may have taken effect. */
function interruption(error: unknown): CommandError {
  const open = error instanceof AnnulusError && error.indefinite
  return new CommandError(
    exitCodes.interrupted,
    open ? 'interrupted; whether it took effect is not known' : 'interrupted',
    open ? 'read it back, or do it again' : 'run it again to start over',
    { cause: error }
  )
}
