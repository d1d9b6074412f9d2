/**
 * How soon all know what the log decided: the parts of a peer that spread it (the log itself, requests that carry
 * epochs, the proposer that tells of its decision, and pings), without registers and movement and with disks that
 * take no time, so that a thousand of them fit. The entry is the one that lets a peer join.
 */
import { Liveness } from '../../../src/core/liveness/liveness.ts'
import type { RingMember } from '../../../src/core/member.ts'
import type { AddressBook } from '../../../src/core/ports.ts'
import { RemoteCalls } from '../../../src/core/requests/calls.ts'
import { CatchUp } from '../../../src/core/requests/catch-up.ts'
import { openAccess } from '../../../src/core/access.ts'
import { Dispatcher } from '../../../src/core/requests/dispatcher.ts'
import { Acceptor } from '../../../src/core/topology/acceptor.ts'
import { entryToWire, topologyToWire } from '../../../src/core/topology/codec.ts'
import { applyEntry, openEntry, type Entry } from '../../../src/core/topology/entry.ts'
import { TopologyLog } from '../../../src/core/topology/log.ts'
import { Proposer } from '../../../src/core/topology/proposer.ts'
import type { Topology } from '../../../src/core/topology/topology.ts'
import { FakeMetaStore, silent } from '../../core/topology/fakes.ts'
import { peerIdOf } from '../../support/peer-ids.ts'
import { VirtualClock, VirtualTime } from '../clock.ts'
import { SimulatedNetwork } from '../network.ts'
import { SeededRandom } from '../random.ts'
import { sampled, type Sampled } from './statistics.ts'

const clusterId = '0123456789abcdef0123456789abcdef'

/** Ms after which pings are under way everywhere. */
const settleMs = 10_000

/** The longest that the spreading may take, in ms. */
const limitMs = 120_000

export interface SpreadInit {
  readonly seed: number
  readonly peers: number
  /** Entries, one after the other, each measured. */
  readonly samples: number
  /** `told`: the proposer tells all. `pings`: it is lost as soon as one member knows, and pings alone carry it. */
  readonly by: 'told' | 'pings'
}

/** Ms from the moment at which the first member knows of an entry until all do. */
export async function spread(init: SpreadInit): Promise<Sampled> {
  const random = new SeededRandom(init.seed)
  const time = new VirtualTime(random.fork('time'))
  const network = new SimulatedNetwork({ time, random: random.fork('network') })
  const members = Array.from({ length: init.peers }, (_, index) => memberAt(index))
  const snapshot = topologyToWire(topologyOf(members))
  const peers = members.map(self => new LogPeer({ time, network, random: random.fork(self.peerId) }, self))
  await time.settle(Promise.all(peers.map(peer => peer.log.learn({ entries: [], snapshot }))))
  for (const peer of peers) peer.start(members)
  await time.run(settleMs)
  const values: number[] = []
  for (let sample = 0; sample < init.samples; sample++) {
    const { epoch } = peers[0]!.log
    // Joiners come and their join is closed in turn; none of them runs here.
    const entry: Entry =
      sample % 2 === 0
        ? openEntry(epoch + 1, { joins: [memberAt(init.peers + sample)] })
        : { kind: 'close', epoch: epoch + 1 }
    let firstMs: number | undefined
    const stop = peers.map(({ log }) => log.onChange(() => (firstMs ??= time.nowMs)))
    const first = init.by === 'told' ? proposerOf(peers) : random.pick(peers)
    if (init.by === 'told') void first.proposer.propose(entry)
    else await time.settle(first.log.learn({ entries: [entryToWire(entry)] }))
    await time.until(() => peers.every(({ log }) => log.epoch > epoch), limitMs, 'all know the entry')
    values.push(time.nowMs - firstMs!)
    for (const end of stop) end()
    await time.run(settleMs * random.float())
  }
  for (const peer of peers) peer.stop()
  return sampled(values)
}

/** The oldest acceptor: it proposes where nothing is amiss. */
function proposerOf(peers: readonly LogPeer[]): LogPeer {
  const { peerId } = peers[0]!.log.current!.acceptors[0]!
  return peers.find(({ self }) => self.peerId === peerId)!
}

/** One virtual node each: where records lie is of no concern here. */
function memberAt(index: number): RingMember {
  return { peerId: peerIdOf(index), life: '0000000000000001', vnodes: 1 }
}

function topologyOf([founder, ...joins]: readonly RingMember[]): Topology {
  const settings = { clusterId, network: 'figures', replicas: 3 }
  const founded = applyEntry(undefined, { kind: 'found', epoch: 1, ...settings, founder: founder! })
  return applyEntry(applyEntry(founded, openEntry(2, { joins })), { kind: 'close', epoch: 3 })
}

class LogPeer {
  readonly self: RingMember
  readonly log: TopologyLog
  readonly proposer: Proposer
  readonly #addresses: AddressBook
  readonly #liveness: Liveness

  constructor(
    world: { time: VirtualTime; network: SimulatedNetwork; random: SeededRandom },
    self: RingMember
  ) {
    const { random } = world
    const [clock, logger, boot, store] = [new VirtualClock(world.time), silent, 1, new FakeMetaStore()]
    const transport = world.network.transport(self.peerId)
    const log = new TopologyLog({ store, logger })
    const calls: RemoteCalls = new RemoteCalls(
      { transport, log, logger },
      {
        self,
        serveLocally: (request, options) =>
          dispatcher.serveLocally(request, { ...options, from, signal: new AbortController().signal })
      }
    )
    const acceptor = new Acceptor({ store, log }, { self })
    const { addresses } = transport
    const liveness = new Liveness({ clock, random, calls, addresses, logger }, { self, boot })
    const catchUp = new CatchUp({ calls, log, logger })
    const among = { atEpoch: false, roles: 'peers' } as const
    const dispatcher: Dispatcher = new Dispatcher(
      { log, catchUp, access: openAccess(), logger },
      {
        fetchLog: { ...among, serve: () => Promise.resolve({ done: {} }) },
        learn: {
          ...among,
          serve: async ({ log: slice }) => {
            if (slice !== undefined) await log.learn(slice)
            return { done: {} }
          }
        },
        prepare: { ...among, serve: (message, asked) => acceptor.handlePrepare(asked.from, message) },
        accept: { ...among, serve: (message, asked) => acceptor.handleAccept(asked.from, message) },
        ping: { ...among, serve: (message, asked) => liveness.handlePing(asked.from, message) },
        pingRequest: { ...among, serve: (message, asked) => liveness.handlePingRequest(asked.from, message) }
      }
    )
    const greeting = { network: 'figures', clusterId, generation: 1, role: 'peer', boot, epoch: 3 } as const
    const from = { ...greeting, peerId: self.peerId, life: self.life }
    void transport.start({
      greeting: () => from,
      admit: () => undefined,
      serve: (body, context) => dispatcher.serve(body, context),
      connected: () => {},
      disconnected: () => {}
    })
    this.self = self
    this.#addresses = addresses
    this.log = log
    this.proposer = new Proposer({ clock, random, calls, log, logger }, { self, boot })
    this.#liveness = liveness
  }

  /** Those who join later are not there to be pinged. Where all listen is known: only the log is measured. */
  start(members: readonly RingMember[]): void {
    for (const { peerId } of members) void this.#addresses.learn(new TextEncoder().encode(peerId))
    this.#liveness.setMembers(members)
    this.#liveness.start()
  }

  stop(): void {
    this.#liveness.stop()
    void this.proposer.stop()
  }
}
