/** One run of `annulus churn`: a cluster of processes under load, whose members come and go. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Client } from '../../api.ts'
import { createClient } from '../../create-client.ts'
import type { Operation } from '../../judge/operation.ts'
import { Chronicle } from './chronicle.ts'
import { drawsFrom } from './draws.ts'
import { Fleet, networkName } from './fleet.ts'
import { Load, type LoadClient } from './load.ts'
import { trafficKinds, type Traffic } from './meter.ts'
import { Replication } from './replication.ts'
import type { ChurnSettings } from './settings.ts'
import { summarise, type ChurnSummary, type MemberBalance } from './summary.ts'
import { isInitial, type ChurnEvent } from './trace.ts'

/** Half of the clients coordinate themselves, half have a peer do it. */
const clientCount = 4

/** How long the cluster may take to be whole, before and after the load, in real ms. */
const wholeLimitMs = 180_000

const pollMs = 50

export type Phase = 'starting' | 'filling' | 'churning' | 'healing' | 'reading back' | 'stopping'

export interface ChurnProgress {
  readonly phase: Phase
  /** Since the load began, in ms of the cluster's time. */
  readonly atMs: number
  readonly up: number
  readonly operations: number
  readonly failed: number
  /** What has just come or gone. */
  readonly event?: ChurnEvent
}

export interface ChurnInit {
  readonly settings: ChurnSettings
  readonly schedule: readonly ChurnEvent[]
  readonly signal: AbortSignal
  /** Takes what peers say on stderr. */
  readonly say: (line: string) => void
  readonly onProgress: (progress: ChurnProgress) => void
}

export interface ChurnResult {
  readonly summary: ChurnSummary
  readonly operations: readonly Operation[]
}

/** Throws where the cluster does not start, and the signal's reason when that aborts. */
export async function runChurn(init: ChurnInit): Promise<ChurnResult> {
  const run = new Run(init)
  try {
    await run.begin()
    await run.churn()
    return await run.end()
  } finally {
    await run.stop()
  }
}

class Run {
  readonly #init: ChurnInit
  readonly #chronicle = new Chronicle()
  readonly #replication = new Replication(this.#chronicle)
  readonly #fleet: Fleet
  readonly #clients: Client[] = []
  readonly #leaving = new AbortController()
  readonly #events = new Set<Promise<void>>()
  readonly #timer: NodeJS.Timeout
  #load: Load | undefined
  #phase: Phase = 'starting'
  readonly #beganAt = performance.now()
  #sentBefore: Traffic | undefined
  /** When the load began, and when it was over. */
  #loadFromMs = 0
  #loadToMs = 0

  constructor(init: ChurnInit) {
    this.#init = init
    this.#fleet = new Fleet(
      { chronicle: this.#chronicle, nowMs: () => this.#nowMs(), say: init.say },
      init.settings
    )
    this.#timer = setInterval(() => {
      this.#replication.look(this.#nowMs())
      this.#tell()
    }, pollMs)
  }

  /** Starts the peers that are there from the start, and puts each key. */
  async begin(): Promise<void> {
    const { schedule, settings } = this.#init
    const [founder, ...others] = schedule.filter(isInitial)
    if (founder === undefined) throw new Error('no peer is there from the start')
    await this.#fleet.start(founder.peer)
    await Promise.all(others.map(({ peer }) => this.#fleet.start(peer)))
    await this.#whole(others.length + 1)
    const clients = await this.#connect()
    const load = new Load(
      { draws: drawsFrom(settings.seed + 1), nowMs: () => this.#nowMs(), clients },
      settings
    )
    this.#load = load
    this.#enter('filling')
    await load.fill()
    await this.#whole(others.length + 1)
    this.#loadFromMs = this.#nowMs()
    this.#sentBefore = this.#chronicle.sent
    Object.assign(this.#chronicle.falseSuspicions, { suspected: 0, takenForDown: 0 })
  }

  /** All that the schedule says, under load. */
  async churn(): Promise<void> {
    const { schedule, settings, signal } = this.#init
    this.#enter('churning')
    const events = schedule.filter(event => !isInitial(event) && event.atMs < settings.durationMs)
    await Promise.all([
      this.#load!.run(this.#loadFromMs + settings.durationMs, signal),
      (async () => {
        for (const event of events) {
          const dueInMs = this.#loadFromMs + event.atMs - this.#nowMs()
          await sleep(Math.max(0, dueInMs / settings.pace), undefined, { signal })
          this.#begun(event)
        }
      })()
    ])
    signal.throwIfAborted()
    this.#loadToMs = this.#nowMs()
  }

  /** Brings back who is still a member, waits until all is whole, and reads all back. */
  async end(): Promise<ChurnResult> {
    this.#enter('healing')
    const broughtBack = await this.#heal()
    const traffic = subtract(this.#chronicle.sent, this.#sentBefore!)
    const falseSuspicions = { ...this.#chronicle.falseSuspicions }
    this.#enter('reading back')
    const balance = await this.#balance()
    const load = this.#load!
    const readBack = { operations: await load.readBack(), broughtBack }
    const summary = summarise({
      settings: this.#init.settings,
      chronicle: this.#chronicle,
      operations: load.operations,
      readBack,
      skipped: load.skipped,
      traffic,
      falseSuspicions,
      events: this.#replication.outcomes,
      balance,
      loadFromMs: this.#loadFromMs,
      loadToMs: this.#loadToMs
    })
    return { summary, operations: load.operations }
  }

  async stop(): Promise<void> {
    this.#enter('stopping')
    clearInterval(this.#timer)
    this.#leaving.abort()
    await Promise.allSettled(this.#clients.map(client => client.close()))
    await this.#fleet.stop()
    await Promise.allSettled(this.#events)
  }

  async #connect(): Promise<LoadClient[]> {
    const peers = this.#fleet.addresses
    const modes = Array.from({ length: clientCount }, (_, i) => (i % 2 === 0 ? 'direct' : 'forward'))
    const clients = await Promise.all(
      modes.map((mode, i) =>
        // Each begins with another one.
        createClient({ peers: [...peers.slice(i % peers.length), ...peers], mode, network: networkName })
      )
    )
    this.#clients.push(...clients)
    return clients.map((store, i) => ({ name: `the ${modes[i]!} client ${i}`, store }))
  }

  #begun(event: ChurnEvent): void {
    const outcome = this.#replication.add(event)
    this.#tell(event)
    const done = this.#carryOut(event)
      .then(() => (outcome.doneMs = this.#nowMs()))
      .catch((error: unknown) => (outcome.error = error instanceof Error ? error.message : String(error)))
      .then(() => {
        outcome.peerId = this.#fleet.peerIdOf(event.peer)
        this.#events.delete(done)
      })
    this.#events.add(done)
  }

  async #carryOut({ kind, peer }: ChurnEvent): Promise<void> {
    if (kind === 'kill') await this.#fleet.kill(peer)
    else if (kind === 'leave') await this.#fleet.leave(peer, this.#control(), this.#leaving.signal)
    else await this.#fleet.start(peer)
  }

  /** Who asks for leaves, through whichever peer answers. */
  #control(): Client {
    return this.#clients.at(-1)!
  }

  /** How many were brought back. What does not become whole in time shows in the events and in what is read. */
  async #heal(): Promise<number> {
    await Promise.race([Promise.allSettled(this.#events), this.#patience()])
    const members = new Set(this.#chronicle.topology?.current.map(({ peerId }) => peerId))
    const missing = this.#fleet.down.filter(name => members.has(this.#fleet.peerIdOf(name) ?? ''))
    await Promise.all(missing.map(name => this.#fleet.start(name)))
    const sinceMs = this.#nowMs()
    await this.#until(() => this.#chronicle.isReplicatedSince(sinceMs)).catch(() => undefined)
    this.#replication.look(this.#nowMs())
    return missing.length
  }

  /** Those that leave have no more time than this while others are missing. */
  async #patience(): Promise<void> {
    await sleep(30_000 / this.#init.settings.pace)
  }

  async #balance(): Promise<MemberBalance[]> {
    const { members } = await this.#control().status()
    return members.map(({ peerId, share, records }) => ({ peerId, share, records }))
  }

  /** Waits until so many members are on the ring and each record is on all of its replicas. */
  async #whole(members: number): Promise<void> {
    await this.#until(() => {
      return (
        this.#chronicle.topology?.current.length === members && this.#chronicle.isReplicatedSince(-Infinity)
      )
    })
  }

  async #until(isSo: () => boolean): Promise<void> {
    const limitMs = performance.now() + wholeLimitMs
    while (!isSo()) {
      if (performance.now() > limitMs) throw new Error('the cluster did not become whole in time')
      await sleep(pollMs, undefined, { signal: this.#init.signal })
    }
  }

  /** Ms of the cluster's time since the run began. */
  #nowMs(): number {
    return (performance.now() - this.#beganAt) * this.#init.settings.pace
  }

  #enter(phase: Phase): void {
    this.#phase = phase
    this.#tell()
  }

  #tell(event?: ChurnEvent): void {
    const operations = this.#load?.operations ?? []
    this.#init.onProgress({
      phase: this.#phase,
      atMs: this.#loadFromMs === 0 ? 0 : this.#nowMs() - this.#loadFromMs,
      up: this.#fleet.upCount,
      operations: operations.length,
      failed: this.#load?.failed ?? 0,
      ...(event === undefined ? {} : { event })
    })
  }
}

function subtract(sent: Traffic, before: Traffic): Traffic {
  const difference = { ...sent }
  for (const kind of trafficKinds) difference[kind] -= before[kind]
  return difference
}
