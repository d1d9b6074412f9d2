/**
 * The asking side of requests between members: encodes, stamps the epoch, sends, decodes, and takes in what
 * the answer brings of the log, so that nobody above has to think of epochs spreading.
 */
import type { Response } from '../../wire/generated/messages.ts'
import { sameMember, type MemberId } from '../member.ts'
import { TransportError, type Logger, type Transport } from '../ports.ts'
import type { CallOptions, Calls, RequestBody, ResponseBody } from '../rpc-types.ts'
import { LogConflictError, type TopologyLog } from '../topology/log.ts'
import { MalformedError } from '../topology/shapes.ts'
import { decodeResponse, encodeRequest } from './message-codec.ts'
import type { Refusals } from './refusals.ts'
import type { SentRecords } from './sent-records.ts'

export interface RemoteCallsComponents {
  readonly transport: Transport
  readonly log: TopologyLog
  readonly logger: Logger
  /** Told of answers that make no sense. */
  readonly refusals?: Pick<Refusals, 'note'>
  /** Told of all requests that leave; a client moves no records. */
  readonly sent?: SentRecords
}

export interface RemoteCallsInit {
  /** The member that asks; undefined for a client. What it asks of itself is served here. */
  readonly self?: MemberId
  /** Serves what this member asks of itself. */
  readonly serveLocally?: (request: RequestBody, options: CallOptions) => Promise<ResponseBody>
  /** Told of each request that failed on the way. */
  readonly onFailure?: (to: MemberId, error: TransportError) => void
}

export class RemoteCalls implements Calls {
  readonly #components: RemoteCallsComponents
  readonly #init: RemoteCallsInit

  constructor(components: RemoteCallsComponents, init: RemoteCallsInit = {}) {
    this.#components = components
    this.#init = init
  }

  async call(to: MemberId, request: RequestBody, options: CallOptions): Promise<Response> {
    const { log, sent } = this.#components
    const { self, serveLocally } = this.#init
    if (self !== undefined && serveLocally !== undefined && sameMember(to, self)) {
      const body = await serveLocally(request, options)
      // Read after the work is on disk, as for any other vote.
      return { ...body, epoch: log.epoch }
    }
    sent?.asked(to.peerId, request)
    const response = await this.#ask(to, encodeRequest({ ...request, epoch: log.epoch }), options)
    await this.#learn(response, to)
    return response
  }

  async #ask(to: MemberId, body: Uint8Array, options: CallOptions): Promise<Response> {
    const { traffic } = options
    if (traffic !== undefined) traffic.sentBytes += body.length
    try {
      const answer = await this.#components.transport.request(to, body, options)
      if (traffic !== undefined) traffic.receivedBytes += answer.length
      return this.#decode(answer, to)
    } catch (error) {
      if (error instanceof TransportError) this.#init.onFailure?.(to, error)
      throw error
    }
  }

  async #learn(response: Response, from: MemberId): Promise<void> {
    if (response.log === undefined) return
    try {
      await this.#components.log.learn(response.log)
    } catch (error) {
      // The answer counts as one of another epoch, which the caller sees.
      const { refusals, logger } = this.#components
      const why = `the log that an answer brought: ${messageOf(error)}`
      if (error instanceof LogConflictError) refusals?.note(from.peerId, 'log', why)
      else if (error instanceof MalformedError) refusals?.note(from.peerId, 'malformed', why)
      else logger.warn('could not take in the log that an answer brought', { error: String(error) })
    }
  }

  #decode(body: Uint8Array, from: MemberId): Response {
    try {
      return decodeResponse(body)
    } catch (error) {
      const why = `an answer that does not decode: ${messageOf(error)}`
      this.#components.refusals?.note(from.peerId, 'malformed', why)
      throw new TransportError('internal', `${from.peerId} sent ${why}`, { delivered: true })
    }
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
