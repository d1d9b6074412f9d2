/**
 * A cluster of whole peers in the virtual world: the same core as over libp2p, on a simulated network, virtual
 * clocks and stores that outlive their processes. Scenarios are written against this.
 */
import { MemoryStore } from '../../src/storage/memory.ts'
import { ClientCore, type ClientCoreInit } from '../../src/core/client.ts'
import { PeerCore, type PeerCoreInit } from '../../src/core/peer.ts'
import type { Logger, Store } from '../../src/core/ports.ts'
import { formatVersion } from '../../src/core/record/version.ts'
import { formatPosition } from '../../src/core/ring/position.ts'
import { wholeRing } from '../../src/core/ring/range.ts'
import { peerIdOf } from '../support/peer-ids.ts'
import { VirtualClock, VirtualTime } from './clock.ts'
import { SimulatedNetwork, type NetworkInit } from './network.ts'
import { SeededRandom } from './random.ts'

/** One peer: its process may end and begin again, its disk stays. */
export interface SimulatedPeer {
  readonly index: number
  readonly peerId: string
  readonly address: string
  readonly clock: VirtualClock
  disk: Disk
  core: PeerCore
  isRunning: boolean
  /** It left for good: its disk counts no more. */
  hasLeft: boolean
}

export interface ClusterInit {
  readonly seed: number
  readonly network?: NetworkInit
  /** Virtual nodes of each peer; few keep a run quick. Default 16. */
  readonly vnodes?: number
  readonly replicas?: number
  /** Prints what the peers log. Default: the environment variable SIM_LOG. */
  readonly verbose?: boolean
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
    await cluster.ready(await cluster.add())
    await Promise.all(Array.from({ length: count - 1 }, () => cluster.add()))
    for (const peer of cluster.peers) await cluster.ready(peer)
    return cluster
  }

  /** Starts another peer, which joins through the first of them. */
  async add(init: Partial<PeerCoreInit> & { skewMs?: number } = {}): Promise<SimulatedPeer> {
    const index = this.peers.length
    const peerId = peerIdOf(index)
    const clock = new VirtualClock(this.time, { skewMs: init.skewMs ?? 0 })
    const place = { index, peerId, address: `sim:${peerId}`, clock, disk: new Disk(), hasLeft: false }
    const peer: SimulatedPeer = { ...place, core: this.#core(place, init), isRunning: true }
    this.peers.push(peer)
    await this.#start(peer)
    return peer
  }

  /** The process ends at once: nothing it was about to do happens. */
  kill(peer: SimulatedPeer): void {
    peer.isRunning = false
    this.network.host(peer.peerId)?.crash()
    peer.disk.cutOff()
    void peer.core.stop()
  }

  async restart(peer: SimulatedPeer, init: Partial<PeerCoreInit> = {}): Promise<void> {
    peer.core = this.#core(peer, init)
    peer.isRunning = true
    await this.#start(peer)
  }

  /** Starts again with an empty disk; a killed peer, or one that runs. */
  async restartEmpty(peer: SimulatedPeer): Promise<void> {
    peer.disk = new Disk()
    await this.restart(peer)
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

  /** Copies of records in all stores together, tombstones among them. */
  copies(): number {
    return this.peers.filter(({ isRunning }) => isRunning).reduce((sum, { disk }) => sum + disk.records, 0)
  }

  async stop(): Promise<void> {
    for (const peer of this.peers) if (peer.isRunning) await this.time.settle(peer.core.stop())
  }

  async #start(peer: SimulatedPeer): Promise<void> {
    peer.core.on('gone', ({ standing }) => {
      if (standing === 'left') peer.hasLeft = true
    })
    await peer.core.start()
  }

  #core(
    { peerId, clock, disk }: Omit<SimulatedPeer, 'core' | 'isRunning'>,
    init: Partial<PeerCoreInit>
  ): PeerCore {
    const { vnodes = 16, replicas } = this.#init
    const others = this.peers.filter(other => other.peerId !== peerId && !other.hasLeft)
    return new PeerCore(
      {
        clock,
        random: this.random.fork(peerId),
        transport: this.network.transport(peerId),
        store: disk.open(),
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
  }

  #logger(name: string): Logger {
    const isVerbose = this.#init.verbose ?? process.env['SIM_LOG'] !== undefined
    const write = (level: string) => (message: string, fields?: Record<string, unknown>) => {
      if (isVerbose) console.log(this.time.nowMs.toFixed(1), level, name, message, fields ?? '')
    }
    return { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') }
  }
}

/**
 * A disk, and the handle that one process has on it. When the process is killed its handle is cut off: what
 * still runs in it reaches the disk no more, which its successor opens.
 */
class Disk {
  readonly #contents = new MemoryStore()
  #cutOff = (): void => undefined

  get records(): number {
    return this.#contents.usage().records
  }

  /** What lies on it: position and version of each record, in hex, in ring order. */
  async contents(): Promise<string[]> {
    const heads = await this.#contents.heads(wholeRing, { limit: Infinity })
    return heads.map(({ position, version }) => `${formatPosition(position)} ${formatVersion(version)}`)
  }

  open(): Store {
    this.cutOff()
    let isCutOff = false
    this.#cutOff = () => void (isCutOff = true)
    return new Proxy<Store>(this.#contents, {
      get: (contents, name: keyof Store) => {
        if (name === 'close') return () => Promise.resolve()
        const value: unknown = Reflect.get(contents, name, contents)
        if (typeof value !== 'function') return value
        const method = value as (...args: unknown[]) => unknown
        return isCutOff
          ? () => new Promise(() => undefined)
          : (...args: unknown[]) => method.apply(contents, args)
      }
    })
  }

  cutOff(): void {
    this.#cutOff()
  }
}
