/**
 * Peers as processes that are killed, paused and brought back: each keeps its data folder and with it its
 * identity and port. Used by the tests of failures and by scripts/acceptance.ts.
 */
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { MemberStatus, Status } from '../../src/api.ts'
import { run, start, type Outcome, type RunningCommand, type RunOptions } from './command.ts'

/** Pause between two looks at something that is waited for, in ms. */
const lookEveryMs = 200

export class PeerProcess {
  readonly data: string
  #running: RunningCommand | undefined
  #address = ''

  constructor(data: string) {
    this.data = data
  }

  get running(): RunningCommand {
    if (this.#running === undefined) throw new Error(`the peer of ${this.data} has not been started`)
    return this.#running
  }

  /** Where it listens; the same after a restart. */
  get address(): string {
    return this.#address
  }

  get peerId(): string {
    return this.#address.split('/p2p/')[1]!
  }

  /** Starts the process and does not wait. */
  launch(flags: readonly string[] = [], options: RunOptions = {}): RunningCommand {
    this.#running = start(['start', `--data=${this.data}`, ...flags], options)
    return this.#running
  }

  /** Starts the process and waits until it serves; one that joins takes over its share before that. */
  async start(
    flags: readonly string[] = [],
    { readyTimeoutMs, ...options }: RunOptions & { readonly readyTimeoutMs?: number } = {}
  ): Promise<void> {
    const [address] = await this.launch(flags, options).ready(1, readyTimeoutMs)
    this.#address = address!
  }

  /** Ends the process, at once unless told otherwise, and waits until it is gone. */
  async end(signal: NodeJS.Signals = 'SIGKILL'): Promise<Outcome> {
    this.running.kill(signal)
    return this.running.ended
  }

  /** Stops the process where it stands: its sockets stay open, and nothing answers on them. */
  pause(): void {
    this.running.kill('SIGSTOP')
  }

  resume(): void {
    this.running.kill('SIGCONT')
  }

  /** Runs a verb through this peer. */
  run(args: readonly string[], options: RunOptions = {}): Promise<Outcome> {
    return run([...args, '--peer', this.address], options)
  }

  /** The cluster as this peer sees it. */
  async status(): Promise<Status> {
    const { code, stdout, stderr } = await this.run(['status', '--json'])
    if (code !== 0) throw new Error(`no status from ${this.address}: ${stderr}`)
    return JSON.parse(stdout) as Status
  }

  /** Another member as this peer sees it. */
  async viewOf(other: PeerProcess): Promise<MemberStatus | undefined> {
    const { members } = await this.status()
    return members.find(({ peerId }) => peerId === other.peerId)
  }
}

/** Starts so many peers, the first one alone, with folders under `folder`. */
export async function startPeers(folder: string, count: number): Promise<PeerProcess[]> {
  const peers = Array.from({ length: count }, (_, i) => new PeerProcess(join(folder, `peer-${i + 1}`)))
  const [first, ...others] = peers
  await first!.start()
  await Promise.all(others.map(peer => peer.start([`--join=${first!.address}`])))
  return peers
}

/** Looks until `look` gives something; throws after `timeoutMs` with what was waited for. Gives the ms it took. */
export async function until(
  what: string,
  look: () => Promise<boolean>,
  { timeoutMs = 30_000 }: { readonly timeoutMs?: number } = {}
): Promise<number> {
  const began = performance.now()
  for (;;) {
    if (await look()) return performance.now() - began
    if (performance.now() - began > timeoutMs) throw new Error(`waited ${timeoutMs} ms for ${what}, in vain`)
    await sleep(lookEveryMs)
  }
}
