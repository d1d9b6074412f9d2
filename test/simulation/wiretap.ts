/**
 * Listens to all requests and answers of a simulated network, decoded, at the moment when they are sent. What
 * watches the protocol at work (run/log-rules.ts) or waits for its moment to strike (run/ambush.ts) hears of them here.
 */
import { Request, Response } from '../../src/wire/generated/messages.ts'
import type { MemberId } from '../../src/core/member.ts'
import type { Carried, SimulatedNetwork } from './network.ts'

/** A request on its way, or the answer to one. */
export interface Message {
  /** Peer id of who asks; it need not be a member. */
  readonly from: string
  /** Who is asked, and is the one that answers. */
  readonly to: MemberId
  readonly request: Request
  /** Undefined where it is the request that is on its way. */
  readonly answer: Response | undefined
}

/** The names of the requests, as on the wire. */
export type RequestKind = Exclude<keyof Request, 'epoch'>

export class Wiretap {
  readonly #listeners = new Set<(message: Message) => void>()
  /** By their bytes, so that a request is not decoded a second time with its answer. */
  readonly #requests = new WeakMap<Uint8Array, Request>()

  constructor(network: SimulatedNetwork) {
    network.intercept = carried => {
      if (this.#listeners.size === 0) return false
      const message = this.#decoded(carried)
      for (const listener of [...this.#listeners]) listener(message)
      return false
    }
  }

  /** Gives what ends the listening. */
  listen(listener: (message: Message) => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  #decoded({ from, to, life, request, answer }: Carried): Message {
    return {
      from,
      to: { peerId: to, life },
      request: this.#request(request),
      answer: answer === undefined ? undefined : Response.decode(answer)
    }
  }

  #request(bytes: Uint8Array): Request {
    const known = this.#requests.get(bytes)
    if (known !== undefined) return known
    const request = Request.decode(bytes)
    this.#requests.set(bytes, request)
    return request
  }
}
