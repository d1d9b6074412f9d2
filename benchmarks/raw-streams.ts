/**
 * The floor: rounds of bare frames to echo processes, each over a libp2p stream that stays open. What a put
 * or a get would cost if messages were all there is to it.
 */
import { fileURLToPath } from 'node:url'
import type { Libp2p } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import type { Belongings } from './belongings.ts'
import { echoProtocol, FrameStream } from './frames.ts'
import { createRawNode } from './raw-node.ts'

const echoServer = fileURLToPath(new URL('./echo-server.ts', import.meta.url))

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
    const servers = Array.from({ length: count }, () => belongings.spawn(echoServer, []))
    const addresses = await Promise.all(servers.map(server => server.says('ready')))
    const inFlight = new Map<number, () => void>()
    const answered = (id: number): void => {
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
    return this.#round(0, 1)
  }

  /** A frame each to `fanOut` of the processes at once, in turn as a ring spreads keys, and all back. */
  toSome(fanOut: number): Promise<void> {
    const first = this.#next
    this.#next = (first + 1) % this.#streams.length
    return this.#round(first, fanOut)
  }

  #round(first: number, fanOut: number): Promise<void> {
    return new Promise(resolve => {
      let missing = fanOut
      const answered = (): void => {
        if (--missing === 0) resolve()
      }
      for (let i = 0; i < fanOut; i++) {
        this.#lastId = (this.#lastId + 1) >>> 0
        this.#inFlight.set(this.#lastId, answered)
        this.#streams[(first + i) % this.#streams.length]!.send(this.#lastId)
      }
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#node.stop()
  }
}
