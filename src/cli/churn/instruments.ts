/** What is put around a peer and into it so that `annulus churn` can watch it: `start` does so where it is told. */
import type { Peer } from '../../api.ts'
import { PeerCore, type PeerComponents } from '../../core/peer.ts'
import type { Clock } from '../../core/ports.ts'
import type { MeasuredMessage, PeerMessage } from './messages.ts'
import { Meter } from './meter.ts'
import { pacedClock, pacedTransport } from './pace.ts'

/** How often a peer tells what it measures, in real ms: what it sends after the last time is lost when it is killed. */
const tellEveryMs = 100

export interface InstrumentsInit {
  /** How many times faster time goes for the peer. */
  readonly pace: number
  readonly tell: (message: PeerMessage) => void
}

export class Instruments {
  readonly #init: InstrumentsInit
  readonly #meter = new Meter()
  #clock: Clock | undefined
  #last = ''

  constructor(init: InstrumentsInit) {
    this.#init = init
  }

  /** The ports that the peer is to be given instead of these. */
  readonly ports = ({
    clock,
    transport
  }: Pick<PeerComponents, 'clock' | 'transport'>): Pick<PeerComponents, 'clock' | 'transport'> => {
    const { pace } = this.#init
    this.#clock = pacedClock(clock, pace)
    return { clock: this.#clock, transport: this.#meter.around(pacedTransport(transport, pace)) }
  }

  /** Tells of the peer from now on, until the function returned is called. */
  watch(peer: Peer): () => void {
    const { tell } = this.#init
    if (!(peer instanceof PeerCore)) throw new Error('only a peer of this library can be watched')
    const tellTopology = (): void => {
      const { topologyNow: topology } = peer
      if (topology === undefined) return
      const { epoch, generation, clusterId, network, replicas } = topology
      const { members, transition, purgedBefore, fence } = topology
      const state = {
        epoch,
        generation,
        clusterId,
        network,
        replicas,
        members,
        transition,
        purgedBefore,
        fence
      }
      tell({ event: 'topology', state, life: peer.memberNow.life })
    }
    tellTopology()
    const ends = [
      peer.on('topology', tellTopology),
      peer.on('liveness', ({ peerId, liveness }) => tell({ event: 'saw', peerId, liveness }))
    ]
    const timer = setInterval(() => this.#measure(peer), tellEveryMs)
    return () => {
      clearInterval(timer)
      for (const end of ends) end()
      this.#measure(peer)
    }
  }

  #measure(peer: PeerCore): void {
    const { reconciledNow } = peer
    const sent = this.#meter.sent
    const known = JSON.stringify([sent, reconciledNow])
    if (known === this.#last) return
    this.#last = known
    const ageMs = (sinceMs: number): number =>
      ((this.#clock?.monotonic() ?? sinceMs) - sinceMs) / this.#init.pace
    const reconciled =
      reconciledNow === undefined ? null : { epoch: reconciledNow.epoch, ageMs: ageMs(reconciledNow.sinceMs) }
    this.#init.tell({ event: 'measured', sent, reconciled } satisfies MeasuredMessage)
  }
}
