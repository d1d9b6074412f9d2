/**
 * A small world for tests of movement: members with memory stores, of which one asks and the others answer as real
 * ones do, and calls that encode and decode what they carry, take a moment, and remember what was asked of whom.
 */
import { memberKey, type MemberId } from '../../../src/core/member.ts'
import { Admission } from '../../../src/core/movement/admission.ts'
import { Domains } from '../../../src/core/movement/domains.ts'
import { NodeSums } from '../../../src/core/movement/node-sums.ts'
import {
  ReconcileResponder,
  type ReconcileResponderComponents,
  type SessionAsked
} from '../../../src/core/movement/reconcile-responder.ts'
import type { SessionComponents } from '../../../src/core/movement/session.ts'
import { MovementSource } from '../../../src/core/movement/source.ts'
import { Throttle } from '../../../src/core/movement/throttle.ts'
import {
  DamagedRecordError,
  ServeError,
  TransportError,
  type TransportFailure
} from '../../../src/core/ports.ts'
import { encodeRecord, type RecordFields } from '../../../src/core/record/codec.ts'
import type { StoredRecord } from '../../../src/core/record/record.ts'
import { formatPosition, positionOf } from '../../../src/core/ring/position.ts'
import { wholeRing } from '../../../src/core/ring/range.ts'
import type { CallOptions, Calls, RequestBody, ResponseBody } from '../../../src/core/rpc-types.ts'
import { MemoryStore } from '../../../src/storage/memory.ts'
import { Request, Response } from '../../../src/wire/generated/messages.ts'
import { VirtualClock, VirtualTime } from '../../simulation/clock.ts'
import { rootNode } from '../../../src/core/movement/slot-tree.ts'
import { Replica } from '../../../src/core/register/replica.ts'
import type { Topology } from '../../../src/core/topology/topology.ts'
import { SeededRandom } from '../../simulation/random.ts'
import { silent } from '../topology/fakes.ts'
import { id, nameOf } from '../topology/script.ts'

export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

/** The record of a key, written at `time`. */
export function recordOf(key: string, time = 1, rest: Partial<RecordFields> = {}): StoredRecord {
  const version = { time, writer: new Uint8Array(16).fill(1), rmw: 0 }
  // Not a Buffer, as which a hash comes: equal positions are to look equal.
  const position = new Uint8Array(positionOf(bytes(key)))
  const value = bytes(key)
  return encodeRecord({ key: bytes(key), position, version, kind: 'value', expiresAt: 0, value, ...rest })
}

export function recordsOf(count: number, time = 1): StoredRecord[] {
  return Array.from({ length: count }, (_, i) => recordOf(`key ${i}`, time))
}

export function sizeOf(records: readonly StoredRecord[]): number {
  return records.reduce((sum, { size }) => sum + size, 0)
}

/** A store in which records can be damaged, and that remembers nothing else than the one in memory. */
export class DamageableStore extends MemoryStore {
  /** Positions, in hex, of records whose row, or only whose value, is damaged. */
  readonly damagedRows = new Set<string>()
  readonly damagedValues = new Set<string>()
  /** Runs before a record is dropped. */
  beforeDrop: (() => Promise<void>) | undefined

  override async head(position: Uint8Array): ReturnType<MemoryStore['head']> {
    this.#check(position, this.damagedRows)
    return super.head(position)
  }

  override async read(position: Uint8Array): ReturnType<MemoryStore['read']> {
    this.#check(position, this.damagedRows)
    this.#check(position, this.damagedValues)
    return super.read(position)
  }

  override async mergeAll(records: readonly StoredRecord[]): Promise<void> {
    const isDamaged = ({ position }: StoredRecord): boolean => this.damagedRows.has(formatPosition(position))
    await super.mergeAll(records.filter(record => !isDamaged(record)))
    for (const { position } of records.filter(isDamaged)) this.#check(position, this.damagedRows)
  }

  override async drop(...args: Parameters<MemoryStore['drop']>): Promise<boolean> {
    await this.beforeDrop?.()
    return super.drop(...args)
  }

  override async heads(...args: Parameters<MemoryStore['heads']>): ReturnType<MemoryStore['heads']> {
    const [range, options] = args
    const limit = options.limit + this.damagedRows.size
    const heads = await super.heads(range, { ...options, limit })
    const sound = heads.filter(({ position }) => {
      const isDamaged = this.damagedRows.has(formatPosition(position))
      if (isDamaged) options.onDamaged?.(position)
      return !isDamaged
    })
    return sound.slice(0, options.limit)
  }

  override async repair(...args: Parameters<MemoryStore['repair']>): Promise<boolean> {
    const isRepaired = await super.repair(...args)
    if (isRepaired) this.damagedRows.delete(formatPosition(args[0]))
    return isRepaired
  }

  /** Damages a record that it holds, and knows of it at once. */
  async damage(position: Uint8Array): Promise<void> {
    const head = await super.head(position)
    this.damagedRows.add(formatPosition(position))
    if (head !== undefined) this.fingerprints.damage(head)
  }

  /** `time` of each record by its key, damaged ones too. */
  async times(): Promise<Record<string, number>> {
    const times: Record<string, number> = {}
    for (const { position } of await super.heads(wholeRing, { limit: Infinity })) {
      const record = await super.read(position)
      times[new TextDecoder().decode(record!.key)] = record!.version.time
    }
    return times
  }

  #check(position: Uint8Array, damaged: ReadonlySet<string>): void {
    if (damaged.has(formatPosition(position))) throw new DamagedRecordError(position, 'a test wants it so')
  }
}

export interface HostInit {
  readonly clock: VirtualClock
  readonly asker: () => MemberId
}

export class Host {
  readonly name: string
  readonly member: MemberId
  readonly store = new DamageableStore()
  readonly sums = new NodeSums({ store: this.store })
  readonly throttle: Throttle
  readonly source: MovementSource
  readonly responder: ReconcileResponder
  readonly replica = new Replica({ store: this.store, logger: silent })
  epoch = 1
  isAlive = true
  /** Of the topology in force, as it sees it. */
  domains: ReturnType<ReconcileResponderComponents['domains']>
  /** Whom it found to be equal, by name. */
  readonly equal: string[] = []
  /** How requests to it fail; undefined: they do not. */
  failing: TransportFailure | undefined
  /** Runs between the work for a request and the sending of its answer. */
  beforeAnswer: ((kind: Kind) => void | Promise<void>) | undefined
  readonly #asker: () => MemberId

  constructor(name: string, { clock, asker }: HostInit) {
    this.name = name
    this.member = id(name)
    this.#asker = asker
    this.throttle = new Throttle({ clock }, { bytesPerSecond: 1e9 })
    const { store, sums, throttle } = this
    const admission = new Admission({ throttle })
    this.source = new MovementSource({ store, admission })
    this.responder = new ReconcileResponder({
      store,
      sums,
      admission,
      domains: () => this.domains,
      onEqual: member => this.equal.push(nameOf(member))
    })
  }

  async serve(request: Request): Promise<ResponseBody> {
    const asked: SessionAsked = { from: this.#asker(), signal: new AbortController().signal }
    const { source, responder, replica } = this
    if (request.readRecord !== undefined) return replica.readRecord(request.readRecord)
    if (request.fetchRecords !== undefined) return source.fetchRecords(request.fetchRecords, asked)
    if (request.offerVersions !== undefined) return source.offerVersions(request.offerVersions)
    if (request.pushRecords !== undefined) return source.pushRecords(request.pushRecords, asked)
    if (request.compareNodes !== undefined) return responder.compareNodes(request.compareNodes, asked)
    if (request.listNodes !== undefined) return responder.listNodes(request.listNodes, asked)
    if (request.streamNodes !== undefined) return responder.streamNodes(request.streamNodes, asked)
    throw new ServeError('bad-request', 'nothing of movement')
  }
}

const kinds = [
  'readRecord',
  'fetchRecords',
  'offerVersions',
  'pushRecords',
  'compareNodes',
  'listNodes',
  'streamNodes'
] as const
export type Kind = (typeof kinds)[number]

export interface Sent {
  readonly to: string
  readonly kind: Kind
  readonly atMs: number
  readonly request: RequestBody
  readonly answer: Response
  /** Bytes of both messages as encoded. */
  readonly bytes: number
}

export class World implements Calls {
  readonly time = new VirtualTime()
  readonly clock = new VirtualClock(this.time)
  /** What was asked and answered, in the order of the answers. */
  readonly sent: Sent[] = []
  /** Who asks. */
  asker: string
  readonly #hosts: ReadonlyMap<string, Host>
  /** Requests under way, and the most there ever were at once. */
  underWay = 0
  mostUnderWay = 0

  constructor(names: string, asker: string) {
    this.asker = asker
    const init = { clock: this.clock, asker: () => id(this.asker) }
    this.#hosts = new Map(names.split(' ').map(name => [memberKey(id(name)), new Host(name, init)]))
  }

  host(name: string): Host {
    return this.of(id(name))
  }

  of(member: MemberId): Host {
    return this.#hosts.get(memberKey(member))!
  }

  /** All of them learn of an epoch. */
  moveTo(epoch: number): void {
    for (const host of this.#hosts.values()) host.epoch = epoch
  }

  /** All of them learn of a topology. */
  follow(topology: Topology): void {
    for (const host of this.#hosts.values()) {
      host.epoch = topology.epoch
      host.domains = new Domains(topology, host.member)
    }
  }

  isAlive = (member: MemberId): boolean => this.of(member).isAlive

  /** What sessions that this host begins are made of. */
  components(name: string): SessionComponents & { readonly isAlive: (member: MemberId) => boolean } {
    const { store, sums, throttle } = this.host(name)
    const { clock, isAlive } = this
    const random = new SeededRandom(1)
    const epoch = (): number => this.host(name).epoch
    return { calls: this, store, sums, throttle, clock, random, logger: silent, epoch, isAlive }
  }

  /** Who was asked this, in order. */
  asked(kind: Kind): string {
    return this.sent
      .filter(sent => sent.kind === kind)
      .map(({ to }) => to)
      .join(' ')
  }

  /** With whom sessions were begun, in order: who was asked to compare the root's children. */
  get begun(): string {
    const roots = this.sent.filter(({ request }) => request.compareNodes?.parents[0] === rootNode)
    return roots.map(({ to }) => to).join(' ')
  }

  /** Records that were sent, either way, and their bytes as encoded. */
  get moved(): { readonly records: number; readonly bytes: number } {
    const records = this.sent.flatMap(({ request, answer }) => [
      ...(request.pushRecords?.records ?? []),
      ...(answer.recordPage?.records ?? []),
      ...(answer.recordStream?.records ?? [])
    ])
    return { records: records.length, bytes: records.reduce((sum, { length }) => sum + length, 0) }
  }

  async call(to: MemberId, request: RequestBody, options: CallOptions): Promise<Response> {
    const host = this.of(to)
    this.mostUnderWay = Math.max(this.mostUnderWay, ++this.underWay)
    try {
      await this.#latency(options)
      if (host.failing !== undefined) throw failed(host.failing)
      const encoded = Request.encode({ ...request, epoch: 0 })
      const answer = Response.encode({ ...(await this.#served(host, encoded)), epoch: host.epoch })
      const size = encoded.length + answer.length
      const decoded = Response.decode(answer)
      const sent = { to: host.name, kind: kindOf(request), atMs: this.time.nowMs, request, bytes: size }
      this.sent.push({ ...sent, answer: decoded })
      return decoded
    } finally {
      this.underWay--
    }
  }

  async #served(host: Host, encoded: Uint8Array): Promise<ResponseBody> {
    const request = Request.decode(encoded)
    try {
      // Where the epochs differ the dispatcher answers without a body.
      const answer = host.epoch === this.host(this.asker).epoch ? await host.serve(request) : {}
      await host.beforeAnswer?.(kindOf(request))
      return answer
    } catch (error) {
      throw failed(error instanceof ServeError ? error.code : 'internal', String(error))
    }
  }

  #latency({ signal }: CallOptions): Promise<void> {
    return new Promise((resolve, reject) => {
      const abort = (): void => {
        timer.cancel()
        reject(failed('aborted'))
      }
      const timer = this.time.after(1, () => {
        signal?.removeEventListener('abort', abort)
        resolve()
      })
      signal?.addEventListener('abort', abort)
    })
  }

  /** Runs until a promise settles, and gives its outcome. */
  settle<T>(promise: Promise<T>): Promise<T> {
    return this.time.settle(promise)
  }
}

function kindOf(request: RequestBody): Kind {
  return kinds.find(kind => request[kind] !== undefined)!
}

function failed(failure: TransportFailure, message: string = failure): TransportError {
  return new TransportError(failure, message, { delivered: failure !== 'unreachable' })
}
