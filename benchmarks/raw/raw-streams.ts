/**
 * The floor: rounds of bare frames to echo processes, each over a libp2p stream that stays open. What a put
 * or a get would cost if messages were all there is to it.
 */
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Libp2p } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import type { Belongings } from '../harness/belongings.ts'
import { echoProtocol, FrameStream, type Frame } from './frames.ts'
import { createRawNode } from './raw-node.ts'

const echoServer = fileURLToPath(new URL('./echo-server.ts', import.meta.url))

export interface Round {
  /** To so many of the processes at once, in turn as a ring spreads keys. */
  readonly to: number
  /** Done when so many have answered; left out: all. */
  readonly need?: number
  /** They answer when it is on their disk; default no. */
  readonly toDisk?: boolean
}

export class RawStreams implements AsyncDisposable {
  readonly #node: Libp2p
  readonly #streams: readonly FrameStream[]
  readonly #inFlight: Map<number, () => void>
  #lastId = 0
  #next = 0

  constructor(node: Libp2p, streams: readonly FrameStream[], inFlight: Map<number, () => void>) {
    this.#node = node
    this.#streams = streams
    this.#inFlight = inFlight
  }

  /** Starts `count` echo processes and opens a stream to each. */
  static async open(belongings: Belongings, count: number): Promise<RawStreams> {
    const servers = Array.from({ length: count }, (_, i) =>
      belongings.spawn(echoServer, [join(belongings.folder, `raw-${i}`)])
    )
    const addresses = await Promise.all(servers.map(server => server.says('ready')))
    const inFlight = new Map<number, () => void>()
    const answered = ({ id }: Frame): void => {
      inFlight.get(id)?.()
      inFlight.delete(id)
    }
    const node = await createRawNode([])
    const streams: FrameStream[] = []
    for (const address of addresses) {
      streams.push(new FrameStream(await node.dialProtocol(multiaddr(address), echoProtocol), answered))
    }
    return new RawStreams(node, streams, inFlight)
  }

  /** A frame to the first of the processes and back. */
  toOne(): Promise<void> {
    return this.#send(0, { to: 1 })
  }

  /** A frame each to some of the processes at once, and back. */
  round(round: Round): Promise<void> {
    const first = this.#next
    this.#next = (first + 1) % this.#streams.length
    return this.#send(first, round)
  }

  #send(first: number, { to, need = to, toDisk = false }: Round): Promise<void> {
    return new Promise(resolve => {
      let missing = need
      const answered = (): void => {
        if (--missing === 0) resolve()
      }
      for (let i = 0; i < to; i++) {
        this.#lastId = (this.#lastId + 1) >>> 0
        this.#inFlight.set(this.#lastId, answered)
        this.#streams[(first + i) % this.#streams.length]!.send({ id: this.#lastId, toDisk })
      }
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#node.stop()
  }
}
