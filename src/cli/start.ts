/** `annulus start`: runs a peer until it is stopped. */
import { setTimeout as sleep } from 'node:timers/promises'
import { Option, type Command } from 'commander'
import type { Peer, PeerInit } from '../api.ts'
import {
  defaultDataFolder,
  defaultListen,
  readAddresses,
  rememberPort,
  removeAddresses,
  writeAddresses
} from './data-folder.ts'
import { CommandError, exitCodes, usageError } from './errors.ts'
import { exposureWarning } from './exposure.ts'
import { allowFilesOf, surviveHangup, watchAllowLists } from './allow-lists.ts'
import { onInterrupt } from './interrupt.ts'
import { showJoining } from './joining.ts'
import { terminalLogger } from './logger.ts'
import { peerInit } from './peer-init.ts'
import { addSettings, readSettings, settingNames } from './settings.ts'
import { print, printJson, say } from './terminal.ts'
import { boundYoungSpace } from './young-space.ts'

interface StartFlags extends Record<string, unknown> {
  readonly verbose?: boolean
  readonly stopWithParent?: boolean
  /** How many times faster time goes. */
  readonly measuredAt?: string
}

/** What a peer tells the process that started it, where that is `annulus cluster`. */
export interface ListeningMessage {
  readonly event: 'listening'
  readonly multiaddrs: string[]
}

/** How long a peer that has left stays to answer whoever asked it to leave, in ms. */
const farewellMs = 1_000

export function defineStart(command: Command): void {
  addSettings(command, settingNames)
    // For `cluster`, which no peer may outlive, even if it is killed outright.
    .addOption(new Option('--stop-with-parent').hideHelp())
    // For `churn`, which is told what the peer sends and sees, and may have its time go faster.
    .addOption(new Option('--measured-at <pace>').hideHelp())
    .addHelpText(
      'after',
      `
Prints "ready MULTIADDR" when the peer serves. Ctrl-C or SIGTERM stops it cleanly, a second one at once; a stopped
peer stays a member, see annulus leave. The files of --allow and --allow-clients are read anew when they change, and at
SIGHUP. A flag counts before its [VARIABLE], and that before the config file.

Examples:
  annulus start                                       found a cluster, data in the default folder
  annulus start --data /var/lib/annulus --listen /ip4/0.0.0.0/tcp/4001
  annulus start --data /var/lib/annulus --join /ip4/192.0.2.1/tcp/4001
  annulus start --config annulus.json                 all of this from a file
  annulus start --memory                              nothing on disk`
    )
    .action((_options: unknown, self: Command) => start(self.optsWithGlobals()))
}

async function start(flags: StartFlags): Promise<void> {
  boundYoungSpace()
  const pace = flags.measuredAt === undefined ? undefined : await readPace(flags.measuredAt)
  const settings = await readSettings(flags)
  const { memory, data, json } = settings.values
  const letGo = surviveHangup(allowFilesOf(settings))
  const folder = memory === true ? undefined : (data ?? defaultDataFolder())
  const init = await peerInit(settings)
  init.listen ??= [await defaultListen(folder)]
  init.logger = terminalLogger({ verbose: flags.verbose === true })
  if (folder !== undefined) init.data = folder

  const ending = new Ending()
  const detach = onInterrupt(() => ending.ask())
  if (flags.stopWithParent === true) {
    process.once('disconnect', () => ending.ask())
    // It may have closed while we loaded.
    if (!process.connected) ending.ask()
  }
  try {
    if (folder !== undefined) await refuseIfAnswering(folder, init)
    const peer = await makePeer(init, pace)
    const warning = exposureWarning(init)
    if (warning !== undefined) say(warning)
    const stopWatching = watchAllowLists(allowFilesOf(settings), {
      take: lists => peer.setAllowed(lists),
      say,
      lists: init
    })
    try {
      await serve(peer, { folder, json: json === true, ending })
    } finally {
      stopWatching()
      await peer.stop()
    }
  } finally {
    detach()
    letGo()
  }
}

async function readPace(text: string): Promise<number> {
  const { maxPace } = await import('./churn/pace.ts')
  const pace = Number(text)
  if (/^\d{1,9}(\.\d{1,9})?$/.test(text) && pace >= 1 && pace <= maxPace) return pace
  throw usageError(`--measured-at is "${text}"`, `give a number from 1 to ${maxPace}`)
}

async function makePeer(init: PeerInit, pace: number | undefined): Promise<Peer> {
  const { createPeer } = await import('../index.ts')
  if (pace === undefined) return createPeer(init)
  const { Instruments } = await import('./churn/instruments.ts')
  const instruments = new Instruments({ pace, tell: message => process.send?.(message) })
  const peer = await createPeer(init, { ports: instruments.ports })
  instruments.watch(peer)
  return peer
}

/**
 * Throws where the peer of this folder answers already, though the folder may look free: it is a copy of one in
 * use. Only addresses that were left behind tell, by a copy or by a crash; the handshake proves who answers.
 * Other members find it out too, but the only peer of a cluster has none.
 */
async function refuseIfAnswering(folder: string, { network, networkKey }: PeerInit): Promise<void> {
  const addresses = (await readAddresses(folder)) ?? []
  if (addresses.length === 0) return
  const { createClient } = await import('../index.ts')
  const init = { ...(network !== undefined && { network }), ...(networkKey !== undefined && { networkKey }) }
  try {
    const client = await createClient({ ...init, peers: addresses })
    await client.close()
  } catch {
    return // nobody, or somebody else: as it should be
  }
  throw new CommandError(
    exitCodes.error,
    `the peer of ${folder} runs already, at ${addresses.join(', ')}`,
    'stop the other process, or give another folder with --data'
  )
}

/** How a peer's life ends: asked from outside, or by an error of its own. The first one counts. */
class Ending {
  readonly #asked = new AbortController()
  readonly #settled = Promise.withResolvers<undefined>()

  constructor() {
    // Nobody waits yet when a peer fails before it serves; that error is thrown where it happens.
    this.#settled.promise.catch(() => undefined)
  }

  /** Aborts when it is to end, however that came. */
  get signal(): AbortSignal {
    return this.#asked.signal
  }

  ask(): void {
    this.#asked.abort()
    this.#settled.resolve(undefined)
  }

  fail(error: unknown): void {
    this.#asked.abort()
    this.#settled.reject(error)
  }

  /** Resolves when asked to end; throws the error that ended it. */
  wait(): Promise<undefined> {
    return this.#settled.promise
  }
}

/** Tells what happens to a peer until it ends. Its addresses stand in its folder meanwhile. */
async function serve(
  peer: Peer,
  options: { readonly folder: string | undefined; readonly json: boolean; readonly ending: Ending }
): Promise<void> {
  const { folder, ending } = options
  tellEvents(peer, ending)
  const { multiaddrs } = peer
  process.send?.({ event: 'listening', multiaddrs } satisfies ListeningMessage)
  try {
    if (folder !== undefined) {
      await writeAddresses(folder, multiaddrs)
      await rememberPort(folder, multiaddrs)
    }
    showJoining(peer, ending.signal).then(
      () =>
        options.json
          ? printJson({ event: 'ready', peerId: peer.peerId, multiaddrs })
          : print(`ready ${multiaddrs[0] ?? peer.peerId}`),
      (error: unknown) => ending.fail(error)
    )
    await ending.wait()
  } finally {
    if (folder !== undefined) await removeAddresses(folder, multiaddrs)
  }
}

function tellEvents(peer: Peer, ending: Ending): void {
  let lastReason = ''
  peer.on('waiting', ({ reason }) => {
    if (reason !== lastReason) say(`waiting: ${reason}`)
    lastReason = reason
  })
  peer.on('failed', ({ error }) => ending.fail(error))
  peer.on('gone', ({ standing }) => {
    if (standing === 'removed') {
      say('the others removed this peer; it joins anew')
      return
    }
    say('this peer has left the cluster')
    void sleep(farewellMs).then(() => ending.ask())
  })
}
