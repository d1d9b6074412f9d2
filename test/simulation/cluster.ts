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
import { peerIdOf } from '../support/peer-ids.ts'
import { VirtualClock, VirtualTime } from './clock.ts'
import { SimulatedDisk, type DiskInit } from './disk.ts'
import { SimulatedNetwork, type NetworkInit } from './network.ts'
import { SimulatedProcess } from './process.ts'
import { SeededRandom } from './random.ts'

/** One peer: its process may end and begin again, its disk stays. */
export interface SimulatedPeer {
  readonly index: number
  readonly peerId: string
  readonly address: string
  disk: SimulatedDisk
  clock: VirtualClock
  process: SimulatedProcess
  core: PeerCore
  /** It left for good: its disk counts no more. */
  hasLeft: boolean
}

export interface ClusterInit {
  readonly seed: number
  readonly network?: NetworkInit
  readonly disk?: DiskInit
  /** Virtual nodes of each peer; few keep a run quick. Default 16. */
  readonly vnodes?: number
  readonly replicas?: number
  /** Told of all that peers and clients log. Default: prints it where the environment has SIM_LOG. */
  readonly onLog?: (who: string, level: string, message: string, fields?: Record<string, unknown>) => void
}

export class SimulatedCluster {
  readonly time: VirtualTime
  readonly network: SimulatedNetwork
  readonly random: SeededRandom
  readonly peers: SimulatedPeer[] = []
  readonly #init: ClusterInit

  constructor(init: ClusterInit) {
    this.#init = init
    this.random = new SeededRandom(init.seed)
    this.time = new VirtualTime(this.random.fork('ties'))
    this.network = new SimulatedNetwork(
      { time: this.time, random: this.random.fork('network') },
      init.network
    )
  }

  /** Peers that found a cluster and join it, one after the other or at once; all of them ready. */
  static async of(count: number, init: ClusterInit): Promise<SimulatedCluster> {
    const cluster = new SimulatedCluster(init)
    await cluster.grow(count)
    return cluster
  }

  /** The first of these peers founds the cluster, and the others join it at once; all of them are ready then. */
  async grow(count: number): Promise<void> {
    await this.ready(await this.time.settle(this.add()))
    await this.time.settle(Promise.all(Array.from({ length: count - 1 }, () => this.add())))
    for (const peer of this.peers) await this.ready(peer)
  }

  /** Starts another peer, which joins through those that run. */
  async add(init: Partial<PeerCoreInit> & { skewMs?: number } = {}): Promise<SimulatedPeer> {
    const { skewMs = 0, ...coreInit } = init
    const index = this.peers.length
    const peerId = peerIdOf(index)
    const place = { index, peerId, address: `sim:${peerId}`, disk: this.#disk(), hasLeft: false }
    const peer: SimulatedPeer = { ...place, ...this.#begin(place, coreInit, skewMs) }
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
    Object.assign(peer, this.#begin(peer, init, peer.clock.skewMs))
    await this.#start(peer)
  }

  /** The same with an empty disk. */
  async restartEmpty(peer: SimulatedPeer): Promise<void> {
    this.kill(peer)
    peer.disk = this.#disk()
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
    await this.time.settle(peer.core.ready(), limitMs)
  }

  async client(init: Partial<ClientCoreInit> = {}): Promise<ClientCore> {
    const random = this.random.fork(`client ${this.peers.length}`)
    const transport = this.network.transport(peerIdOf(10_000 + random.integer(1_000_000)))
    const components = { clock: new VirtualClock(this.time), random, transport, store: new MemoryStore() }
    const client = new ClientCore(
      { ...components, logger: this.#logger('client') },
      { peers: this.peers.map(({ address }) => address), ...init }
    )
    await this.time.settle(client.start())
    return client
  }

  /** Those whose process runs, or stands still, and that have not left. */
  get running(): SimulatedPeer[] {
    return this.peers.filter(({ process, hasLeft }) => process.isAlive && !hasLeft)
  }

  /** Copies of records in all stores together, tombstones among them. */
  copies(): number {
    return this.running.reduce((sum, { disk }) => sum + disk.records, 0)
  }

  async stop(): Promise<void> {
    for (const peer of this.running) await this.time.settle(peer.core.stop())
  }

  async #start(peer: SimulatedPeer): Promise<void> {
    peer.core.on('gone', ({ standing }) => {
      if (standing === 'left') peer.hasLeft = true
    })
    try {
      await peer.core.start()
    } catch (error) {
      if (!(error instanceof StoreError)) throw error
      // As whatever supervises it would: a disk may fail to write while a peer starts, and work at the next try.
      await this.restart(peer)
    }
  }

  #disk(): SimulatedDisk {
    const random = this.random.fork('disk')
    return new SimulatedDisk({ time: this.time, random }, this.#init.disk)
  }

  /** A process on a peer's disk, not yet started. */
  #begin(
    { peerId, disk }: Pick<SimulatedPeer, 'peerId' | 'disk'>,
    init: Partial<PeerCoreInit>,
    skewMs: number
  ): Pick<SimulatedPeer, 'process' | 'clock' | 'core'> {
    const { vnodes = 16, replicas } = this.#init
    const process = new SimulatedProcess()
    const clock = new VirtualClock(this.time, { skewMs, process })
    const others = this.peers.filter(other => other.peerId !== peerId && !other.hasLeft)
    const core = new PeerCore(
      {
        clock,
        random: this.random.fork(peerId),
        transport: this.network.transport(peerId, process),
        store: disk.open(process),
        logger: this.#logger(`peer ${peerId.slice(-4)}`)
      },
      {
        vnodes,
        ...(replicas === undefined ? {} : { replicas }),
        join: others.map(({ address }) => address),
        version: 'test',
        ...init
      }
    )
    return { process, clock, core }
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
