/**
 * A small world for tests of movement: members with memory stores that answer as real ones do, and calls that
 * encode and decode what they carry, take a moment, and remember what was asked of whom.
 */
import { memberKey, type MemberId } from '../../../src/core/member.ts'
import type { Progress } from '../../../src/core/movement/progress.ts'
import { MovementSource } from '../../../src/core/movement/source.ts'
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
import { id } from '../topology/script.ts'

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

export function noProgress(): Progress {
  return { records: 0, bytes: 0, waitsFor: undefined }
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
    const [, { onDamaged }] = args
    const heads = await super.heads(...args)
    return heads.filter(({ position }) => {
      const isDamaged = this.damagedRows.has(formatPosition(position))
      if (isDamaged) onDamaged?.(position)
      return !isDamaged
    })
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

export class Host {
  readonly name: string
  readonly member: MemberId
  readonly store = new DamageableStore()
  readonly source = new MovementSource({ store: this.store })
  epoch = 1
  isAlive = true
  /** How requests to it fail; undefined: they do not. */
  failing: TransportFailure | undefined
  /** Runs between the work for a request and the sending of its answer. */
  beforeAnswer: ((kind: Kind) => void | Promise<void>) | undefined

  constructor(name: string) {
    this.name = name
    this.member = id(name)
  }

  async serve(request: Request): Promise<ResponseBody> {
    if (request.listVersions !== undefined) return this.source.listVersions(request.listVersions)
    if (request.fetchRecords !== undefined) return this.source.fetchRecords(request.fetchRecords)
    if (request.offerVersions !== undefined) return this.source.offerVersions(request.offerVersions)
    if (request.pushRecords !== undefined) return this.source.pushRecords(request.pushRecords)
    throw new ServeError('bad-request', 'nothing of movement')
  }
}

export type Kind = 'listVersions' | 'fetchRecords' | 'offerVersions' | 'pushRecords'

export interface Sent {
  readonly to: string
  readonly kind: Kind
  readonly atMs: number
  readonly request: RequestBody
  /** Bytes of both messages as encoded. */
  readonly bytes: number
}

export class World implements Calls {
  readonly time = new VirtualTime()
  readonly clock = new VirtualClock(this.time)
  /** What was asked and answered, in the order of the answers. */
  readonly sent: Sent[] = []
  readonly #hosts: ReadonlyMap<string, Host>
  /** Requests under way, and the most there ever were at once. */
  underWay = 0
  mostUnderWay = 0

  constructor(names: string) {
    this.#hosts = new Map(names.split(' ').map(name => [memberKey(id(name)), new Host(name)]))
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

  isAlive = (member: MemberId): boolean => this.of(member).isAlive

  /** Who was asked this, in order. */
  asked(kind: Kind): string {
    return this.sent
      .filter(sent => sent.kind === kind)
      .map(({ to }) => to)
      .join(' ')
  }

  /** Bytes of messages of this kind, to one host or to all. */
  bytesOf(kind: Kind, to?: string): number {
    const those = this.sent.filter(sent => sent.kind === kind && (to === undefined || sent.to === to))
    return those.reduce((sum, sent) => sum + sent.bytes, 0)
  }

  async call(to: MemberId, request: RequestBody, options: CallOptions): Promise<Response> {
    const host = this.of(to)
    this.mostUnderWay = Math.max(this.mostUnderWay, ++this.underWay)
    try {
      await this.#latency(options)
      if (host.failing !== undefined) throw failed(host.failing)
      const encoded = Request.encode({ ...request, epoch: 0 })
      const answer = Response.encode({ ...(await this.#served(host, encoded)), epoch: host.epoch })
      const kind = kindOf(request)
      const size = encoded.length + answer.length
      this.sent.push({ to: host.name, kind, atMs: this.time.nowMs, request, bytes: size })
      return Response.decode(answer)
    } finally {
      this.underWay--
    }
  }

  async #served(host: Host, encoded: Uint8Array): Promise<ResponseBody> {
    const request = Request.decode(encoded)
    try {
      const answer = await host.serve(request)
      await host.beforeAnswer?.(kindOf(request))
      return answer
    } catch (error) {
      throw failed(error instanceof ServeError ? error.code : 'internal', String(error))
    }
  }

  #latency({ signal }: CallOptions): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = this.time.after(1, resolve)
      signal?.addEventListener('abort', () => {
        timer.cancel()
        reject(failed('aborted'))
      })
    })
  }

  /** Runs until a promise settles, and gives its outcome. */
  settle<T>(promise: Promise<T>): Promise<T> {
    return this.time.settle(promise)
  }
}

function kindOf(request: RequestBody): Kind {
  const kinds = ['listVersions', 'fetchRecords', 'offerVersions', 'pushRecords'] as const
  return kinds.find(kind => request[kind] !== undefined)!
}

function failed(failure: TransportFailure, message: string = failure): TransportError {
  return new TransportError(failure, message, { delivered: failure !== 'unreachable' })
}
