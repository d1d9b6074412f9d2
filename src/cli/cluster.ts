/** `annulus cluster`: several peers on this machine, a process each, to try things out. */
import { join } from 'node:path'
import { InvalidArgumentError, type Command } from 'commander'
import { ChildPeer } from './child-peer.ts'
import { defaultDataFolder, rememberedPort, removeAddresses, writeAddresses } from './data-folder.ts'
import { CommandError, exitCodes, usageError } from './errors.ts'
import { onInterrupt } from './interrupt.ts'
import { peerInit } from './peer-init.ts'
import { addSettings, readSettings, settingNames, type ResolvedSettings, type Settings } from './settings.ts'
import { print, say } from './terminal.ts'
import { formatDuration } from './units.ts'

/** Most peers that one command starts: each is a process of about 100 MB. */
const maxPeers = 64

/** Which settings a cluster has: all but `announce`, as no two peers can have the same address. */
const clusterSettings = settingNames.filter(name => name !== 'announce')

export function defineCluster(command: Command): void {
  command.argument('<n>', `how many, 1 to ${maxPeers}`, readCount)
  addSettings(command, clusterSettings)
    .addHelpText(
      'after',
      `
Each peer is a process with a folder of its own, DIR/1 to DIR/N. Prints "ready MULTIADDR" for each when it serves.
Run again with the same --data, the same peers come back on the same ports. Ctrl-C stops them all.

Examples:
  annulus cluster 5                       five peers, data in the default folder
  annulus cluster 3 --memory              three peers, nothing on disk
  annulus cluster 5 --data ./ring         five peers, data in ./ring`
    )
    .action((count: number, _options: unknown, self: Command) => cluster(count, self.optsWithGlobals()))
}

function readCount(text: string): number {
  const count = /^\d{1,3}$/.test(text) ? Number(text) : 0
  if (count < 1 || count > maxPeers)
    throw new InvalidArgumentError(`Give a whole number from 1 to ${maxPeers}.`)
  return count
}

async function cluster(count: number, flags: Record<string, unknown>): Promise<void> {
  const settings = await readSettings(flags)
  await checkSettings(settings, count)
  const { memory, data } = settings.values
  const folder = memory === true ? undefined : (data ?? defaultDataFolder())
  const run = new ClusterRun({ count, folder, settings: settings.values, verbose: flags['verbose'] === true })
  const detach = onInterrupt(() => run.stop())
  // Nothing a second signal, or a fault of ours, may leave behind.
  process.on('exit', () => run.kill())
  try {
    await run.start()
    await run.ended()
    if (!run.stopping) throw new CommandError(exitCodes.error, 'no peer is left', 'see what they say above')
  } finally {
    run.stop()
    await run.ended()
    detach()
  }
}

async function checkSettings(settings: ResolvedSettings, count: number): Promise<void> {
  // Each peer would find the mistake too, and all would say so.
  await peerInit(settings)
  const { values, origins } = settings
  if (values.announce !== undefined) {
    throw usageError(`${origins.announce!} would be the same address for all peers`, 'leave it out')
  }
  const fixed = values.listen?.find(address => !/\/(tcp|udp)\/0(\/|$)/.test(address))
  if (count > 1 && fixed !== undefined) {
    throw usageError(
      `${origins.listen!}: ${count} peers cannot share ${fixed}`,
      'let the system pick: port 0'
    )
  }
}

interface ClusterInit {
  readonly count: number
  /** Undefined: all in memory. */
  readonly folder: string | undefined
  readonly settings: Partial<Settings>
  readonly verbose: boolean
}

/** One run of the command: the processes and what ties them together. */
class ClusterRun {
  readonly #init: ClusterInit
  readonly #children: ChildPeer[] = []
  /** Addresses by number, for the file that client verbs read. */
  readonly #addresses: string[][] = []
  #written: string[] = []
  #writing: Promise<void> = Promise.resolve()
  #stopping = false

  constructor(init: ClusterInit) {
    this.#init = init
  }

  /** Whether it ends because it was asked to. */
  get stopping(): boolean {
    return this.#stopping
  }

  /** Starts all peers. The first one to listen is whom the others join, if it is not theirs already. */
  async start(): Promise<void> {
    const { count, settings } = this.#init
    const first = await this.#firstToStart()
    const anchor = this.#launch(first, settings.join ?? [])
    const addresses = await anchor.listening
    if (this.#stopping) return
    if (addresses === undefined) {
      const message = `peer ${first}, which the others would join, did not start`
      throw new CommandError(anchor.exitCode ?? exitCodes.error, message, 'see what it says above')
    }
    for (let number = 1; number <= count; number++) {
      if (number !== first) this.#launch(number, settings.join ?? addresses)
    }
  }

  /** The first peer that ran before, as it knows its cluster; a peer that starts from nothing may found one. */
  async #firstToStart(): Promise<number> {
    const { count, folder } = this.#init
    for (let number = 1; folder !== undefined && number <= count; number++) {
      if ((await rememberedPort(join(folder, String(number)))) !== undefined) return number
    }
    return 1
  }

  #launch(number: number, joins: readonly string[]): ChildPeer {
    const { folder, settings, verbose } = this.#init
    const data = folder === undefined ? undefined : join(folder, String(number))
    const child = new ChildPeer(
      {
        print: line => print(line),
        say: line => process.stderr.write(`peer ${number}: ${line}\n`)
      },
      { args: startFlags(settings, { data, joins, verbose }) }
    )
    this.#children.push(child)
    void child.listening.then(addresses => this.#publish(number, addresses ?? []))
    void child.ended.then(how => {
      if (this.#stopping) return
      say(`peer ${number} ended by itself: ${how}; the others go on`)
      this.#publish(number, [])
    })
    return child
  }

  /** Keeps the file with the addresses of the peers that run. */
  #publish(number: number, addresses: string[]): void {
    const { folder } = this.#init
    this.#addresses[number] = addresses
    if (folder === undefined || this.#stopping) return
    this.#writing = this.#writing
      .then(async () => {
        this.#written = this.#addresses.flat()
        await writeAddresses(folder, this.#written)
      })
      .catch((error: unknown) => say(`the addresses cannot be written to ${folder}: ${String(error)}`))
  }

  /** Stops all peers cleanly. */
  stop(): void {
    this.#stopping = true
    for (const child of this.#children) child.stop()
  }

  /** Ends all peers at once. */
  kill(): void {
    for (const child of this.#children) child.kill()
  }

  /** Resolves when no peer is left. */
  async ended(): Promise<void> {
    await Promise.all(this.#children.map(child => child.ended))
    await this.#writing
    if (this.#init.folder !== undefined) await removeAddresses(this.#init.folder, this.#written)
  }
}

/** The flags of `start` for one peer of a cluster. */
export function startFlags(
  settings: Partial<Settings>,
  peer: { readonly data: string | undefined; readonly joins: readonly string[]; readonly verbose: boolean }
): string[] {
  const {
    listen = [],
    replicas,
    vnodes,
    network,
    networkKey,
    allow,
    allowClients,
    removeAfter,
    transferRate,
    scrubRate,
    maxDisk,
    json
  } = settings
  const flag = (name: string, value: string | number | undefined): string[] =>
    value === undefined ? [] : [`--${name}=${value}`]
  return [
    ...(peer.data === undefined ? ['--memory'] : flag('data', peer.data)),
    ...listen.flatMap(address => flag('listen', address)),
    ...peer.joins.flatMap(address => flag('join', address)),
    ...flag('replicas', replicas),
    ...flag('vnodes', vnodes),
    ...flag('network', network),
    ...flag('network-key', networkKey),
    ...flag('allow', allow),
    ...flag('allow-clients', allowClients),
    ...flag('remove-after', removeAfter === undefined ? undefined : formatDuration(removeAfter)),
    ...flag('transfer-rate', transferRate === undefined ? undefined : `${transferRate}B`),
    ...flag('scrub-rate', scrubRate === undefined ? undefined : `${scrubRate}B`),
    ...flag('max-disk', maxDisk === undefined ? undefined : `${maxDisk}B`),
    ...(json === true ? ['--json'] : []),
    ...(peer.verbose ? ['--verbose'] : [])
  ]
}
