/**
 * Two members that reconcile: a begins sessions, b answers as a real one does. What they ask and answer is
 * encoded, counted, and fails where a test wants it to.
 */
import { Admission } from '../../../src/core/movement/admission.ts'
import { Domain } from '../../../src/core/movement/domain.ts'
import type { DomainKind } from '../../../src/core/movement/domains.ts'
import { NodeSums } from '../../../src/core/movement/node-sums.ts'
import { noProgress } from '../../../src/core/movement/progress.ts'
import { ReconcileResponder } from '../../../src/core/movement/reconcile-responder.ts'
import { reconcile, type SessionInit, type SessionResult } from '../../../src/core/movement/session.ts'
import { MovementSource } from '../../../src/core/movement/source.ts'
import { Throttle } from '../../../src/core/movement/throttle.ts'
import { ServeError, TransportError, type Store, type TransportFailure } from '../../../src/core/ports.ts'
import { wholeRing, type Range } from '../../../src/core/ring/range.ts'
import type { CallOptions, Calls, RequestBody, ResponseBody } from '../../../src/core/rpc-types.ts'
import { silentLogger } from '../../../src/silent-logger.ts'
import { Request, Response } from '../../../src/wire/generated/messages.ts'
import { VirtualClock, VirtualTime } from '../../simulation/clock.ts'
import { SeededRandom } from '../../simulation/random.ts'
import { id } from '../topology/script.ts'
import { DamageableStore } from './world.ts'

const names = [
  'compareNodes',
  'listNodes',
  'streamNodes',
  'fetchRecords',
  'offerVersions',
  'pushRecords'
] as const
export type Asked = (typeof names)[number]

export interface PairInit<S extends Store> {
  readonly a: S
  readonly b: S
  readonly ranges?: readonly Range[]
  readonly kind?: DomainKind
  /** Of a's throttle, and of b's. */
  readonly bytesPerSecond?: number
  readonly theirBytesPerSecond?: number
}

export class Pair<S extends Store = DamageableStore> implements Calls {
  readonly time = new VirtualTime()
  readonly clock = new VirtualClock(this.time)
  readonly a: S
  readonly b: S
  readonly progress = noProgress()
  readonly responder: ReconcileResponder
  readonly throttle: Throttle
  /** What was asked, in order. */
  readonly asked: Asked[] = []
  /** Bytes of all messages both ways, as encoded. */
  bytes = 0
  /** That b is at. */
  epoch = 1
  /** That a is at. */
  ownEpoch = 1
  /** Says how a request, counted from 0, fails: before b has it, or after b has acted. */
  failing:
    ((count: number, asked: Asked) => readonly [TransportFailure, 'before' | 'after'] | undefined) | undefined
  /** Runs before b serves. */
  beforeServing: ((asked: Asked) => void | Promise<void>) | undefined
  readonly #kind: DomainKind
  readonly #domain: Domain
  readonly #sums: NodeSums
  readonly #source: MovementSource
  readonly #stop = new AbortController()

  constructor({
    a,
    b,
    ranges = [wholeRing],
    kind = 'shared',
    bytesPerSecond = 1e9,
    theirBytesPerSecond = 1e9
  }: PairInit<S>) {
    this.a = a
    this.b = b
    this.#kind = kind
    this.#domain = new Domain(ranges)
    this.#sums = new NodeSums({ store: a })
    this.throttle = new Throttle({ clock: this.clock }, { bytesPerSecond })
    const admission = new Admission({
      throttle: new Throttle({ clock: this.clock }, { bytesPerSecond: theirBytesPerSecond })
    })
    this.#source = new MovementSource({ store: b, admission })
    // Made of the same ranges, but not the same: b works them out by itself.
    const theirs = new Domain(ranges)
    this.responder = new ReconcileResponder({
      store: b,
      sums: new NodeSums({ store: b }),
      admission,
      domains: () => ({
        sharedWith: () => (kind === 'shared' ? theirs : undefined),
        takenBy: () => (kind === 'taken' ? theirs : undefined),
        handedOverBy: () => (kind === 'handed-over' ? theirs : undefined)
      })
    })
  }

  /** One session, begun by a. */
  run(rest: Partial<SessionInit> = {}): Promise<SessionResult> {
    return this.time.settle(this.begin(rest))
  }

  begin(rest: Partial<SessionInit> = {}): Promise<SessionResult> {
    const { throttle, clock } = this
    return reconcile(
      {
        calls: this,
        store: this.a,
        sums: this.#sums,
        throttle,
        clock,
        random: new SeededRandom(1),
        logger: silentLogger,
        epoch: () => this.ownEpoch
      },
      {
        member: id('b'),
        kind: this.#kind,
        domain: this.#domain,
        epoch: 1,
        signal: this.#stop.signal,
        progress: this.progress,
        ...rest
      }
    )
  }

  async call(_to: unknown, body: RequestBody, options: CallOptions): Promise<Response> {
    const asked = names.find(name => body[name] !== undefined)!
    const [failure, when] = this.failing?.(this.asked.length, asked) ?? []
    this.asked.push(asked)
    await this.#moment(options)
    if (failure !== undefined && when === 'before') throw failed(failure)
    const encoded = Request.encode({ ...body, epoch: 1 })
    await this.beforeServing?.(asked)
    const answer = Response.encode({
      ...(await this.#serve(Request.decode(encoded), options)),
      epoch: this.epoch
    })
    this.bytes += encoded.length + answer.length
    if (failure !== undefined) throw failed(failure)
    return Response.decode(answer)
  }

  async #serve(request: Request, { signal }: CallOptions): Promise<ResponseBody> {
    const asked = { from: id('a'), signal: signal ?? this.#stop.signal }
    try {
      if (request.compareNodes !== undefined)
        return await this.responder.compareNodes(request.compareNodes, asked)
      if (request.listNodes !== undefined) return await this.responder.listNodes(request.listNodes, asked)
      if (request.streamNodes !== undefined)
        return await this.responder.streamNodes(request.streamNodes, asked)
      if (request.fetchRecords !== undefined)
        return await this.#source.fetchRecords(request.fetchRecords, asked)
      if (request.offerVersions !== undefined) return await this.#source.offerVersions(request.offerVersions)
      return await this.#source.pushRecords(request.pushRecords!, asked)
    } catch (error) {
      if (error instanceof ServeError) throw failed(error.code, error.message)
      throw error
    }
  }

  /** A request takes a millisecond. */
  #moment({ signal }: CallOptions): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = this.time.after(1, resolve)
      signal?.addEventListener('abort', () => {
        timer.cancel()
        reject(failed('aborted'))
      })
    })
  }
}

function failed(failure: TransportFailure, message: string = failure): TransportError {
  return new TransportError(failure, message, { delivered: failure !== 'unreachable' })
}
