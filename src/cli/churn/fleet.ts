/** The peers of a run, each a process of its own with a folder of its own, started and ended as the schedule says. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Client } from '../../api.ts'
import { ChildPeer } from '../child-peer.ts'
import { formatDuration } from '../units.ts'
import type { Chronicle } from './chronicle.ts'
import { isPeerMessage } from './messages.ts'

export const networkName = 'churn'

/** How long a process may take to end when it is asked to, in real ms, before it is ended. */
const stopTimeoutMs = 10_000

export interface FleetComponents {
  readonly chronicle: Chronicle
  readonly nowMs: () => number
  /** Takes what peers say on stderr. */
  readonly say: (line: string) => void
}

export interface FleetInit {
  readonly replicas: number
  readonly vnodes: number
  /** In ms of the cluster's time. */
  readonly removeAfterMs: number
  readonly pace: number
}

interface FleetPeer {
  readonly name: string
  /** Known once it has listened. */
  peerId: string | undefined
  addresses: readonly string[]
  child: ChildPeer | undefined
  /** What it was last told to do: one thing after the other. */
  last: Promise<void>
}

export class Fleet {
  readonly #components: FleetComponents
  readonly #init: FleetInit
  readonly #folder = mkdtempSync(join(tmpdir(), 'annulus-churn-'))
  readonly #peers = new Map<string, FleetPeer>()
  readonly #onExit = (): void => this.#discard()
  /** What peers said on stderr last, for when one does not start. */
  #lastWords: string[] = []

  constructor(components: FleetComponents, init: FleetInit) {
    this.#components = components
    this.#init = init
    process.on('exit', this.#onExit)
  }

  /** Where those that are up listen. */
  get addresses(): string[] {
    return [...this.#peers.values()].flatMap(({ child, addresses }) => (child === undefined ? [] : addresses))
  }

  /** Names of those that are down and were there before. */
  get down(): string[] {
    return [...this.#peers.values()].filter(({ child }) => child === undefined).map(({ name }) => name)
  }

  get upCount(): number {
    return this.addresses.length
  }

  peerIdOf(name: string): string | undefined {
    return this.#peers.get(name)?.peerId
  }

  /** Starts a peer, on its disk where it has one; resolves when it listens. Throws where it does not. */
  start(name: string): Promise<void> {
    return this.#next(name, peer => this.#start(peer))
  }

  /** Ends a process at once. */
  kill(name: string): Promise<void> {
    return this.#next(name, async peer => {
      peer.child?.kill()
      this.#ended(peer, peer.child)
      await peer.child?.ended
    })
  }

  /** Has a peer hand over what it holds; resolves when its process has ended. */
  leave(name: string, client: Client, signal: AbortSignal): Promise<void> {
    return this.#next(name, async peer => {
      const { child, peerId } = peer
      if (child === undefined || peerId === undefined) return
      await client.leave(peerId, { signal })
      await Promise.race([child.ended, sleep(stopTimeoutMs)])
      child.stop()
      await child.ended
    })
  }

  /** Ends all, and takes their folder away. */
  async stop(): Promise<void> {
    const children = [...this.#peers.values()].flatMap(({ child }) => child ?? [])
    for (const child of children) child.stop()
    const timer = setTimeout(() => children.forEach(child => child.kill()), stopTimeoutMs)
    await Promise.all(children.map(child => child.ended))
    clearTimeout(timer)
    this.#discard()
    process.off('exit', this.#onExit)
  }

  #next(name: string, work: (peer: FleetPeer) => Promise<void>): Promise<void> {
    const peer = this.#peers.get(name) ?? {
      name,
      peerId: undefined,
      addresses: [],
      child: undefined,
      last: Promise.resolve()
    }
    this.#peers.set(name, peer)
    const done = peer.last.then(() => work(peer))
    peer.last = done.catch(() => undefined)
    return done
  }

  async #start(peer: FleetPeer): Promise<void> {
    if (peer.child !== undefined) return
    const { chronicle, nowMs } = this.#components
    const child = new ChildPeer(
      {
        print: () => undefined,
        say: line => this.#heardLine(`peer ${peer.name}: ${line}`),
        tell: message => this.#heard(peer, message)
      },
      { args: this.#flags(peer.name) }
    )
    peer.child = child
    void child.ended.then(() => this.#ended(peer, child))
    const addresses = await child.listening
    if (addresses === undefined) {
      throw new Error(
        `peer ${peer.name} did not start (${await child.ended}): ${this.#lastWords.join(' / ')}`
      )
    }
    peer.addresses = addresses
    peer.peerId = addresses[0]?.split('/p2p/')[1]
    if (peer.peerId !== undefined) chronicle.began(peer.peerId, nowMs())
  }

  #ended(peer: FleetPeer, child: ChildPeer | undefined): void {
    if (child === undefined || peer.child !== child) return
    peer.child = undefined
    if (peer.peerId !== undefined) this.#components.chronicle.ended(peer.peerId, this.#components.nowMs())
  }

  #heard({ peerId, child }: FleetPeer, message: unknown): void {
    if (peerId === undefined || child === undefined || !isPeerMessage(message)) return
    const { chronicle, nowMs } = this.#components
    chronicle.heard(peerId, message, { atMs: nowMs(), pace: this.#init.pace })
  }

  #heardLine(line: string): void {
    this.#components.say(line)
    this.#lastWords = [...this.#lastWords.slice(-4), line]
  }

  #flags(name: string): string[] {
    const { replicas, vnodes, removeAfterMs, pace } = this.#init
    return [
      `--data=${join(this.#folder, encodeURIComponent(name))}`,
      '--listen=/ip4/127.0.0.1/tcp/0',
      `--network=${networkName}`,
      `--replicas=${replicas}`,
      `--vnodes=${vnodes}`,
      `--remove-after=${formatDuration(removeAfterMs)}`,
      `--measured-at=${pace}`,
      ...this.addresses.map(address => `--join=${address}`)
    ]
  }

  #discard(): void {
    for (const { child } of this.#peers.values()) child?.kill()
    // A process that was just killed may still be writing its last file.
    rmSync(this.#folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 })
  }
}
