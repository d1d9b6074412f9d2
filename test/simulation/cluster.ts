/**
 * A cluster of whole peers in the virtual world: the same core as over libp2p, on a simulated network, virtual
 * clocks and stores that outlive their processes. Scenarios are written against this.
 */
import { silentLogger } from '../../src/silent-logger.ts'
import { MemoryStore } from '../../src/storage/memory.ts'
import { ClientCore, type ClientCoreInit } from '../../src/core/client.ts'
import { AnnulusError } from '../../src/core/errors.ts'
import { PeerCore, type PeerCoreInit } from '../../src/core/peer.ts'
import { StoreError, type Logger } from '../../src/core/ports.ts'
import type { StoredRecord } from '../../src/core/record/record.ts'
import { peerIdOf } from '../support/peer-ids.ts'
import { VirtualClock, VirtualTime } from './clock.ts'
import { SimulatedDisk, type DiskInit, type Dropped } from './disk.ts'
import { SimulatedNetwork, type NetworkInit } from './network.ts'
import { SimulatedProcess } from './process.ts'
import { SeededRandom } from './random.ts'
import { Wiretap } from './wiretap.ts'
import { Request } from '../../src/wire/generated/messages.ts'

/** One peer: its process may end and begin again, its disk stays. */
export interface SimulatedPeer {
  readonly index: number
  readonly peerId: string
  readonly address: string
  /** Whatever is drawn for this peer alone. */
  readonly random: SeededRandom
  /** Of its machine: a restart changes nothing of how it is off. */
  readonly clock: VirtualClock
  disk: SimulatedDisk
  process: SimulatedProcess
  core: PeerCore
  /** It left for good: its disk counts no more. */
  hasLeft: boolean
}

export interface ClusterInit {
  readonly seed: number
  readonly network?: NetworkInit
  readonly disk?: DiskInit
  /** Clocks go too fast or too slow by up to so much, in parts per million; timers less than the wall clock. */
  readonly maxDriftPpm?: number
  /** Virtual nodes of each peer; few keep a run quick. Default 16. */
  readonly vnodes?: number
  readonly replicas?: number
  /** How old tombstones are before a purge is tried, in ms. Default: the product's, longer than any run. */
  readonly tombstoneGraceMs?: number
  /** Told of all that peers and clients log. Default: prints it where the environment has SIM_LOG. */
  readonly onLog?: (who: string, level: string, message: string, fields?: Record<string, unknown>) => void
}

/** Peers that join at once while a cluster is built: so many, or as many as there are already. */
const waveJoins = 32

/** Timers go by an oscillator that nobody corrects, wall clocks by whatever corrects them: those may be off more. */
const timerDriftShare = 0.2

/** Until a process that could not start is started again, in ms. */
const restartPauseMs = 1_000

/** How often the start of a client is tried. */
const maxClientStarts = 5

export class SimulatedCluster {
  readonly time: VirtualTime
  readonly network: SimulatedNetwork
  readonly wiretap: Wiretap
  readonly random: SeededRandom
  readonly peers: SimulatedPeer[] = []
  /** Told of each record that a peer is to drop, before it does. */
  onDrop: ((peerId: string, dropped: Dropped) => void) | undefined
  /** Told of what becomes durable on a peer's disk, and of each damaged record that it is to replace, before that is. */
  onKeep: ((peerId: string, records: readonly StoredRecord[]) => void) | undefined
  onRepair: ((peerId: string, position: Uint8Array) => void) | undefined
  readonly #init: ClusterInit
  readonly #peerRandom: SeededRandom
  readonly #clientRandom: SeededRandom

  constructor(init: ClusterInit) {
    this.#init = init
    this.random = new SeededRandom(init.seed)
    this.time = new VirtualTime(this.random.fork('ties'))
    this.network = new SimulatedNetwork(
      { time: this.time, random: this.random.fork('network') },
      { mayRepeat, ...init.network }
    )
    this.wiretap = new Wiretap(this.network)
    this.#peerRandom = this.random.fork('peers')
    this.#clientRandom = this.random.fork('clients')
  }

  /** Peers that found a cluster and join it, one after the other or at once; all of them ready. */
  static async of(count: number, init: ClusterInit): Promise<SimulatedCluster> {
    const cluster = new SimulatedCluster(init)
    await cluster.grow(count)
    return cluster
  }

  /**
   * The first of these peers founds the cluster, and the others join it at once, in a large one in waves; all of
   * them are ready then.
   */
  async grow(count: number, init: Partial<PeerCoreInit> = {}): Promise<void> {
    await this.ready(await this.time.settle(this.add(init)))
    while (this.peers.length < count) {
      const { length } = this.peers
      const wave = Array.from({ length: Math.min(Math.max(waveJoins, length), count - length) }, () =>
        this.add(init)
      )
      for (const peer of await this.time.settle(Promise.all(wave))) await this.ready(peer)
    }
  }

  /** Starts another peer, which joins through those that run. */
  async add(init: Partial<PeerCoreInit> & { skewMs?: number } = {}): Promise<SimulatedPeer> {
    const { skewMs = 0, ...coreInit } = init
    const index = this.peers.length
    const peerId = peerIdOf(index)
    const random = this.#peerRandom.fork(peerId)
    const clock = this.#clock(random.fork('clock'), skewMs)
    const disk = this.#disk(random)
    const place = { index, peerId, address: `sim:${peerId}`, random, clock, disk, hasLeft: false }
    const peer: SimulatedPeer = { ...place, ...this.#begin(place, coreInit) }
    this.peers.push(peer)
    await this.#start(peer)
    return peer
  }

  /** The process ends at once: nothing it was about to do happens. */
  kill(peer: SimulatedPeer): void {
    peer.process.kill()
    this.network.host(peer.peerId)?.crash()
  }

  /** The process stands still, as by SIGSTOP, until it thaws. */
  freeze(peer: SimulatedPeer): void {
    peer.process.freeze()
  }

  thaw(peer: SimulatedPeer): void {
    peer.process.thaw()
  }

  /** Starts a killed peer, or one that runs, which is killed first, from its disk. */
  async restart(peer: SimulatedPeer, init: Partial<PeerCoreInit> = {}): Promise<void> {
    this.kill(peer)
    Object.assign(peer, this.#begin(peer, init))
    await this.#start(peer)
  }

  /** The same with an empty disk. */
  async restartEmpty(peer: SimulatedPeer): Promise<void> {
    this.kill(peer)
    peer.disk = this.#disk(peer.random)
    await this.restart(peer)
  }

  /**
   * The answer of a peer, or ERR_STOPPED when its process is killed first, as whoever runs in that process would
   * never learn of it: with an outcome that is open.
   */
  async ask<T>(peer: SimulatedPeer, call: (core: PeerCore) => Promise<T>): Promise<T> {
    const died = peer.process.died.then(() => {
      throw new AnnulusError('ERR_STOPPED', 'the process was killed', { indefinite: true })
    })
    // A process that stands still takes no calls either.
    const answer = new Promise<T>((resolve, reject) => {
      peer.process.enter(() => void call(peer.core).then(resolve, reject))
    })
    return Promise.race([answer, died])
  }

  async ready(peer: SimulatedPeer, limitMs = 120_000): Promise<void> {
    try {
      await this.time.settle(peer.core.ready(), limitMs)
    } catch (error) {
      if (!(error instanceof StoreError)) throw error
      // The first entry of the log, which the founder writes, has nobody else to write it.
      await this.time.settle(this.restart(peer))
      await this.ready(peer, limitMs)
    }
  }

  async client(init: Partial<ClientCoreInit> = {}): Promise<ClientCore> {
    const random = this.#clientRandom.fork('client')
    const transport = this.network.transport(peerIdOf(10_000 + random.integer(1_000_000)))
    const components = { clock: new VirtualClock(this.time), random, transport, store: new MemoryStore() }
    const client = new ClientCore(
      { ...components, logger: this.#logger('client') },
      { peers: this.peers.map(({ address }) => address), ...init }
    )
    await this.time.settle(this.#begun(client))
    return client
  }

  /** Its user tries again: where messages are lost, the first answer may be. */
  async #begun(client: ClientCore): Promise<void> {
    for (let tries = 1; ; tries++) {
      try {
        await client.start()
        return
      } catch (error) {
        if (!(error instanceof AnnulusError) || tries === maxClientStarts) throw error
      }
    }
  }

  /** Those whose process runs, or stands still, and that have not left. */
  get running(): SimulatedPeer[] {
    return this.peers.filter(({ process, hasLeft }) => process.isAlive && !hasLeft)
  }

  /** Copies of records in all stores together, tombstones among them. */
  copies(): number {
    return this.running.reduce((sum, { disk }) => sum + disk.records, 0)
  }

  /** Resolves so many ms of virtual time from now. */
  pause(ms: number): Promise<void> {
    return new Promise(resolve => this.time.after(ms, resolve))
  }

  /** Those that have left, too: they may be about to finish what they coordinate. */
  async stop(): Promise<void> {
    for (const { process, core } of this.peers) if (process.isAlive) await this.time.settle(core.stop())
  }

  async #start(peer: SimulatedPeer): Promise<void> {
    const { process, core } = peer
    core.on('gone', ({ standing }) => {
      // What a process finds out as it is killed, the one after it does not know.
      if (standing === 'left' && process.isAlive) peer.hasLeft = true
    })
    try {
      // Whoever kills a process that starts will start it again.
      await Promise.race([core.start(), process.died])
    } catch (error) {
      if (!(error instanceof StoreError)) throw error
      // As whatever supervises it would: a disk may fail to write while a peer starts, and work at a later try.
      this.kill(peer)
      await this.pause(restartPauseMs)
      if (peer.process === process) await this.restart(peer)
    }
  }

  #disk(random: SeededRandom): SimulatedDisk {
    return new SimulatedDisk({ time: this.time, random: random.fork('disk') }, this.#init.disk)
  }

  #clock(random: SeededRandom, skewMs: number): VirtualClock {
    const { maxDriftPpm = 0 } = this.#init
    const driftPpm = (2 * random.float() - 1) * maxDriftPpm
    const timerDriftPpm = (2 * random.float() - 1) * maxDriftPpm * timerDriftShare
    return new VirtualClock(this.time, { skewMs, driftPpm, timerDriftPpm })
  }

  /** A process on a peer's disk, not yet started. */
  #begin(
    { peerId, random, clock, disk }: Pick<SimulatedPeer, 'peerId' | 'random' | 'clock' | 'disk'>,
    init: Partial<PeerCoreInit>
  ): Pick<SimulatedPeer, 'process' | 'core'> {
    const { vnodes = 16, replicas, tombstoneGraceMs } = this.#init
    const process = new SimulatedProcess()
    disk.onDrop = dropped => this.onDrop?.(peerId, dropped)
    disk.onKeep = records => this.onKeep?.(peerId, records)
    disk.onRepair = position => this.onRepair?.(peerId, position)
    const others = this.peers.filter(other => other.peerId !== peerId && !other.hasLeft)
    const core = new PeerCore(
      {
        clock: clock.for(process),
        random: random.fork('process'),
        transport: this.network.transport(peerId, process),
        store: disk.open(process),
        logger: this.#logger(`peer ${peerId.slice(-4)}`)
      },
      {
        vnodes,
        ...(replicas === undefined ? {} : { replicas }),
        ...(tombstoneGraceMs === undefined ? {} : { tombstoneGraceMs }),
        join: others.map(({ address }) => address),
        version: 'test',
        ...init
      }
    )
    return { process, core }
  }

  #logger(name: string): Logger {
    const onLog = this.#init.onLog ?? (process.env['SIM_LOG'] === undefined ? undefined : this.#print)
    if (onLog === undefined) return silentLogger
    const at = (level: string) => (message: string, fields?: Record<string, unknown>) =>
      onLog(name, level, message, fields)
    return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
  }

  readonly #print: NonNullable<ClusterInit['onLog']> = (who, level, message, fields) => {
    console.log(this.time.nowMs.toFixed(1), level, who, message, fields ?? '')
  }
}

/**
 * All that peers ask each other may be served twice, except for an operation that one coordinates for another:
 * a second put would have a version of its own, so nothing may repeat it.
 */
function mayRepeat(request: Uint8Array): boolean {
  return Request.decode(request).forward === undefined
}
