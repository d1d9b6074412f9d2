/**
 * The answering side of requests: decodes, finds the one handler, keeps the rules about epochs and roles, and
 * puts the answer into an envelope with this peer's epoch, read when the answer is sent.
 */
import type { Request, Response } from '../../wire/generated/messages.ts'
import type { Access } from '../access.ts'
import type { CancelSignal } from '../canceller.ts'
import { ServeError, type Logger, type Remote, type ServeContext } from '../ports.ts'
import type { RequestBody, ResponseBody } from '../rpc-types.ts'
import type { TopologyLog } from '../topology/log.ts'
import type { CatchUp } from './catch-up.ts'
import { decodeRequest, encodeResponse } from './message-codec.ts'
import type { Refusals } from './refusals.ts'
import type { SentRecords } from './sent-records.ts'

/** What a handler is told of the request besides its message. */
export interface Asked {
  readonly from: Remote
  readonly signal: CancelSignal
  /** Ms that the requester still waits. */
  readonly timeoutMs: number
}

export interface Route<M> {
  /**
   * True for a request about keys or ranges: it is served only at the requester's epoch. Who is behind
   * catches up first; a requester that is behind gets the entries that it lacks instead of an answer.
   */
  readonly atEpoch: boolean
  /** Who may ask. */
  readonly roles: 'peers' | 'all'
  /** Whether this message changes something, so that not everybody who may ask it may do so. Left out: it never does. */
  readonly changes?: (message: M) => boolean
  readonly serve: (message: M, asked: Asked) => Promise<ResponseBody>
}

export type Routes = { readonly [K in keyof RequestBody]: Route<NonNullable<RequestBody[K]>> }

/** Requests that concern the peer as a whole rather than one of its parts. */
export type PeerRoutes = Pick<Routes, 'forward' | 'describe' | 'listKeys' | 'restore'>

/** All the others: they concern a part of one of its lives. */
export type LifeRoutes = Omit<Routes, keyof PeerRoutes>

export interface DispatcherComponents {
  readonly log: TopologyLog
  readonly catchUp: CatchUp
  /** Whose word is taken for what. */
  readonly access: Pick<Access, 'isMember' | 'mayChange'>
  readonly logger: Logger
  /** Told of all answers that leave; a client moves no records. */
  readonly sent?: SentRecords
  /** Told of all requests that make no sense or are not their sender's to ask. */
  readonly refusals?: Pick<Refusals, 'note'>
}

export class Dispatcher {
  readonly #components: DispatcherComponents
  readonly #routes: Routes

  constructor(components: DispatcherComponents, routes: Routes) {
    this.#components = components
    this.#routes = routes
  }

  /** The transport's `serve`. Throws ServeError. */
  async serve(body: Uint8Array, context: ServeContext): Promise<Uint8Array> {
    try {
      return await this.#serve(body, context)
    } catch (error) {
      if (error instanceof ServeError && error.blame !== undefined)
        this.#components.refusals?.note(context.from.peerId, error.blame, error.message)
      throw error
    }
  }

  async #serve(body: Uint8Array, context: ServeContext): Promise<Uint8Array> {
    const request = decoded(body)
    const answer = await this.#answer(request, context)
    const { log, sent } = this.#components
    sent?.answered(context.from.peerId, answer)
    // The epoch of a vote is the one in force now, after its write is on disk, not the one at its arrival.
    const response: Response = { ...answer, epoch: log.epoch }
    const lacks = request.fetchLog?.after ?? request.epoch
    if (lacks < log.epoch) {
      const slice = log.sliceAfter(lacks)
      if (slice !== undefined) response.log = slice
    }
    return encodeResponse(response)
  }

  /** Serves what this member asks of itself: the same handlers, with no epochs to compare. */
  async serveLocally(request: RequestBody, asked: Asked): Promise<ResponseBody> {
    const [route, message] = this.#route(request)
    return route.serve(message, asked)
  }

  async #answer(request: Request, asked: Asked): Promise<ResponseBody> {
    const { log, catchUp, access } = this.#components
    const { from } = asked
    const [route, message] = this.#route(request)
    if (route.roles === 'peers' && from.role !== 'peer') {
      throw new ServeError('bad-request', 'only peers may ask this', 'role')
    }
    if (route.changes?.(message) === true && !access.mayChange(from.peerId)) {
      throw new ServeError('forbidden', 'this client may only read', 'role')
    }
    // Who is not trusted as a member is no source of the log either: it comes from the members soon enough.
    const isAhead = request.epoch > log.epoch && access.isMember(from.peerId)
    if (!route.atEpoch) {
      if (isAhead) catchUp.soon(from, request.epoch)
      return route.serve(message, asked)
    }
    if (isAhead) await catchUp.to(from, request.epoch, asked)
    // Unequal epochs get no vote: the envelope says which, and brings what the requester lacks.
    if (request.epoch !== log.epoch) return {}
    return route.serve(message, asked)
  }

  #route(request: RequestBody): [Route<unknown>, unknown] {
    for (const name of Object.keys(this.#routes) as Array<keyof RequestBody>) {
      const message = request[name]
      // The table pairs each name with a route for that name's message, which the type cannot follow here.
      if (message !== undefined) return [this.#routes[name] as Route<unknown>, message]
    }
    throw new ServeError('bad-request', 'the request holds nothing that this version knows', 'unknown')
  }
}

function decoded(body: Uint8Array): Request {
  try {
    return decodeRequest(body)
  } catch (error) {
    throw new ServeError('bad-request', `the request does not decode: ${String(error)}`)
  }
}
