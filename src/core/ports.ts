/**
 * The ports of the protocol core: everything that it takes from outside. In a process they are libp2p,
 * LevelDB and the machine's clock; in the simulator a virtual network, simulated disks and virtual time.
 */
import type { LimitUse, RefusalKind } from '../api.ts'
import type { CancelSignal } from './canceller.ts'
import type { MemberId } from './member.ts'
import type { FingerprintIndex } from './record/fingerprints.ts'
import type { StoredRecord, RecordHead } from './record/record.ts'
import type { Version } from './record/version.ts'
import type { Range } from './ring/range.ts'

/** A timer that has been set; cancelling one that fired or was cancelled does nothing. */
export interface Timer {
  cancel(): void
}

export interface Clock {
  /** Wall-clock time in ms since 1970. May stand, step and disagree with other peers' clocks. */
  now(): number
  /** Ms since some fixed moment; never goes back. For measuring and for timers. */
  monotonic(): number
  /** Calls `fire` once, `delayMs` ms from now. */
  after(delayMs: number, fire: () => void): Timer
}

export interface Random {
  /** Uniform in [0, 1). */
  float(): number
  /** `count` uniform bytes, fit for identifiers. */
  bytes(count: number): Uint8Array
}

/** Structured, levelled logging; `fields` are small and printable. */
export interface Logger {
  debug(message: string, fields?: Record<string, unknown>): void
  info(message: string, fields?: Record<string, unknown>): void
  warn(message: string, fields?: Record<string, unknown>): void
  error(message: string, fields?: Record<string, unknown>): void
}

/** What this end says of itself when a channel opens. Read anew at each opening. */
export interface Greeting {
  readonly network: string
  /** 32 hex digits, or empty while no cluster is known. */
  readonly clusterId: string
  readonly generation: number
  readonly role: 'peer' | 'client'
  /** 16 hex digits; empty for a client. */
  readonly life: string
  readonly boot: number
  readonly epoch: number
}

/** The other end of a channel, as it greeted. */
export interface Remote extends Greeting, MemberId {}

export interface RequestOptions {
  /** After this many ms the request fails with `timeout` and is cancelled on the other side. */
  readonly timeoutMs: number
  readonly signal?: CancelSignal
  /** Use the lane for bulk transfer, so that this request delays no other. */
  readonly bulk?: boolean
}

export interface ServeContext {
  readonly from: Remote
  /** Aborts when the requester cancels, its deadline passes or its channel closes. */
  readonly signal: CancelSignal
  /** What is left of the requester's deadline when the request arrives, in ms. */
  readonly timeoutMs: number
}

/** What the core does for the transport. */
export interface TransportHandlers {
  greeting(): Greeting
  /** Says why a channel with this remote must not open, or undefined. */
  admit(remote: Remote): Refusal | undefined
  /** Answers a request. A thrown `ServeError` reaches the requester with its code. */
  serve(body: Uint8Array, context: ServeContext): Promise<Uint8Array>
  /** A channel is open and greeted both ways. */
  connected(remote: Remote): void
  disconnected(remote: Remote): void
  /** A peer or client has said something before or beside its requests that is not taken. */
  refused?(peerId: string, kind: RefusalKind, words: string): void
}

export interface Refusal {
  readonly code: 'protocol' | 'network' | 'cluster' | 'duplicate' | 'busy' | 'role'
  readonly reason: string
}

/** A message service between peers: requests with deadlines over one channel per pair. */
export interface Transport {
  /** This peer's id. */
  readonly peerId: string
  start(handlers: TransportHandlers): Promise<void>
  /** Closes all channels; nothing is served or sent after it resolves. */
  stop(): Promise<void>
  /**
   * Sends a request to a member and resolves with the response's body. Opens a channel where none is open,
   * by the addresses learnt. Fails with a `TransportError`; never reaches another life of that peer.
   */
  request(to: MemberId, body: Uint8Array, options: RequestOptions): Promise<Uint8Array>
  /** Opens a channel to whoever listens at a multiaddr. Fails with a `TransportError`. */
  connect(address: string, options: RequestOptions): Promise<Remote>
  /** Closes the channels to a peer. They open anew at the next request. */
  disconnect(peerId: string): void
  /** The remotes with an open channel. */
  remotes(): Remote[]
  readonly addresses: AddressBook
  /** How its limits stand, by their names; left out where it has none to tell of. */
  limits?(): Readonly<Record<string, LimitUse>>
}

/** Where peers listen: address records signed by their owners, of which the newest counts. */
export interface AddressBook {
  /** This peer's own signed record, current. */
  own(): Promise<Uint8Array>
  /**
   * Takes in a record; false where it is no newer than what is known, or no record that its owner has signed, of which
   * `refused` is told.
   */
  learn(signed: Uint8Array, refused?: (words: string) => void): Promise<boolean>
  /** The signed record of a peer, if one is known. */
  of(peerId: string): Uint8Array | undefined
  /** Multiaddrs of a peer; empty when unknown. */
  multiaddrs(peerId: string): string[]
}

export type TransportFailure =
  | 'unreachable' // no channel could be opened: not delivered
  | 'other-life' // the peer that answers has another life: not delivered
  | 'refused' // the other end refused the channel: not delivered
  | 'overloaded' // the other end, or this one, is over a limit: not begun
  | 'not-ready' // the other end is starting or stopping: not begun
  | 'bad-request' // the other end did not understand: not begun
  | 'forbidden' // the other end does not let this one do it: not begun
  | 'aborted' // by the caller's signal
  | 'timeout' // no answer in time
  | 'lost' // the channel closed before the answer
  | 'internal' // the other end failed while at it

/** How a request failed, and whether the other end may have acted on it. */
export class TransportError extends Error {
  override readonly name = 'TransportError'
  readonly failure: TransportFailure
  /** False where the other end surely did not act on the request. */
  readonly delivered: boolean
  readonly refusal: Refusal | undefined

  constructor(failure: TransportFailure, message: string, init: { delivered: boolean; refusal?: Refusal }) {
    super(message)
    this.failure = failure
    this.delivered = init.delivered
    this.refusal = init.refusal
  }
}

/** Thrown by a handler to answer a request with an error. */
export class ServeError extends Error {
  override readonly name = 'ServeError'
  readonly code: 'overloaded' | 'bad-request' | 'internal' | 'not-ready' | 'forbidden'
  /** What a bad request is counted as, and one that is forbidden; undefined where whoever asked may have done nothing wrong. */
  readonly blame: RefusalKind | undefined

  constructor(code: ServeError['code'], message: string, blame: RefusalKind | 'nobody' = 'malformed') {
    super(message)
    this.code = code
    if (code === 'forbidden') this.blame = 'role'
    else this.blame = code === 'bad-request' && blame !== 'nobody' ? blame : undefined
  }
}

export interface HeadsOptions {
  readonly limit: number
  readonly after?: Uint8Array
  /** Told the position of each damaged record that is passed over. */
  readonly onDamaged?: (position: Uint8Array) => void
}

/** What a store has read so far of its records, since it last told of that. */
export interface ScrubbedPart {
  readonly records: number
  readonly bytes: number
}

/** What a store found when it read its records anew. */
export interface Scrubbed {
  /** Records found damaged that were not known to be. */
  readonly damaged: number
  /** Slots whose fingerprints were not those of what is there, and are now. */
  readonly miscounted: number
}

/** One change of the store's metadata; an undefined value deletes the entry. */
export type MetaChange = readonly [name: string, value: Uint8Array | undefined]

/**
 * The disk of one peer: records by position, and named metadata. A change is durable when its promise
 * resolves, and no read shows one that is not yet durable. Every implementation runs the conformance suite
 * in test/storage/store.conformance.ts.
 */
export interface Store {
  /** The version, kind, expiry and size of a record; never reads a large value. Throws DamagedRecordError. */
  head(position: Uint8Array): Promise<RecordHead | undefined>
  /** A whole record, its checksums verified. Throws DamagedRecordError. */
  read(position: Uint8Array): Promise<StoredRecord | undefined>
  /**
   * Keeps the newer of this record and the one held, by version. Resolves when one at least as new as it is
   * durable. Throws DamagedRecordError where the record held is damaged, StoreError where the disk fails.
   */
  merge(record: StoredRecord): Promise<void>
  /** `merge` for many, in one batch. Where some held are damaged, throws after the others are durable. */
  mergeAll(records: readonly StoredRecord[]): Promise<void>
  /** Deletes a record if it still has this version; false where it has not. */
  drop(position: Uint8Array, version: Version): Promise<boolean>
  /**
   * Puts this record, or nothing, in the place of one that is damaged, whatever that was; false, and nothing is
   * changed, where none is. Whoever calls knows that no acknowledged write is newer.
   */
  repair(position: Uint8Array, record: StoredRecord | undefined): Promise<boolean>
  /**
   * Up to `limit` heads in a range, in ring order, from the first one after `after` (in the range). Passes over
   * damaged ones, of which it tells.
   */
  heads(range: Range, options: HeadsOptions): Promise<RecordHead[]>
  /**
   * Reads the records in the slots from `first` to before `end` whole, from the disk, and verifies them: damaged ones
   * count as such from then on, as if they had been read. Where the fingerprints are not those of what is there, as a
   * record went without a trace, they are made so. Reads on when `pace` resolves, which is told of each part that
   * was read; writes do not wait.
   */
  scrub(first: number, end: number, pace: (read: ScrubbedPart) => Promise<void>): Promise<Scrubbed>
  /** Records (tombstones among them) and their encoded bytes held. */
  usage(): { records: number; bytes: number }
  /**
   * The fingerprints of all records that are held and not known to be damaged, and where damaged ones lie: as it
   * stands after each change that is durable.
   */
  readonly fingerprints: FingerprintIndex

  readMeta(name: string): Promise<Uint8Array | undefined>
  /** All names with this prefix, in order of their bytes. */
  listMeta(prefix: string): Promise<Array<[name: string, value: Uint8Array]>>
  /** Applies all changes or none. */
  writeMeta(changes: readonly MetaChange[]): Promise<void>

  /** Deletes all records and all metadata but the names in `keep`, at once. */
  clear(keep: readonly string[]): Promise<void>
  /** What was found lost or damaged when the store was opened, in words; undefined when all was well. */
  readonly loss: string | undefined
  /** Why it takes no writes now, in words; undefined where it does, as far as is known. */
  readonly trouble?: string | undefined
  close(): Promise<void>
}

/** The disk failed: nothing is known of the changes under way. */
export class StoreError extends Error {
  override readonly name = 'StoreError'
}

/** There is no room, by the quota that the user gave or on the disk: nothing was written. */
export class StoreFullError extends StoreError {}

/** The record under a position fails its checksum. It is not served and takes no writes until repaired. */
export class DamagedRecordError extends Error {
  override readonly name = 'DamagedRecordError'
  readonly position: Uint8Array

  constructor(position: Uint8Array, what: string) {
    super(`the record at position ${Buffer.from(position).toString('hex')} is damaged: ${what}`)
    this.position = position
  }
}
